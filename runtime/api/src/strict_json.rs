//! JSON bodies of the routes that the Go program does not have: read strictly, and refused with the place and the reason.

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::raw;

/// The body. Its content type must say that it is JSON, which no page of another origin can make a browser send unasked.
pub(crate) async fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, ApiError> {
    let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let media_type = content_type.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    if !media_type.eq_ignore_ascii_case(b"application/json") {
        return Err(ApiError::not_json());
    }
    let body = raw::read(request, limit).await?;
    serde_json::from_slice(&body).map_err(|error| ApiError::bad_request(format!("the body: {error}")))
}
