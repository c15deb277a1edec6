//! Bodies that are read as anything but a form: JSON, lines, multipart.
//!
//! The one rule that keeps the v1 scheme safe on every route: what it has signed as a form may be read as a form only,
//! whatever the content type says. Whoever reads a body in another way gets it from here, and such a request is refused
//! here.

use axum::extract::Request;
use axum::http::Extensions;
use bytes::Bytes;

use crate::auth::FormOnly;
use crate::error::ApiError;
use crate::limits::{self, Chunks};

/// The whole body, if it is not longer than `limit` bytes and its bytes may be looked at.
pub(crate) async fn read(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    permit(request.extensions())?;
    limits::read(request.into_body(), limit).await
}

/// The body piece by piece, under the same conditions.
pub(crate) fn pieces(request: Request, limit: usize) -> Result<Chunks, ApiError> {
    permit(request.extensions())?;
    Ok(Chunks::new(request.into_body(), limit))
}

fn permit(of: &Extensions) -> Result<(), ApiError> {
    if of.get::<FormOnly>().is_some() { Err(ApiError::not_signed_as_form()) } else { Ok(()) }
}
