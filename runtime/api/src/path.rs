//! The names in a path, parsed into core's words at the edge. A name may hold a slash, percent-encoded.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::Uri;
use axum::http::request::Parts;
use pusher_core::{JobName, PusherId, SenderName, Tag};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::form;

/// `/pusher/pushers/{pusher}/`
#[derive(Deserialize)]
pub(crate) struct OfPusher {
    pub(crate) pusher: PusherId,
}

/// `/pusher/pushers/{pusher}/{tag}/`
#[derive(Deserialize)]
pub(crate) struct OfTag {
    pub(crate) pusher: PusherId,
    pub(crate) tag: Tag,
}

/// `/pusher/{sender}/…`
#[derive(Deserialize)]
pub(crate) struct OfSender {
    pub(crate) sender: SenderName,
}

/// `/pusher/deliveries/{name}/` and `/pusher/pushalls/{name}/`
#[derive(Deserialize)]
pub(crate) struct OfDelivery {
    pub(crate) name: JobName,
}

/// Is there nothing where a name should be?
pub(crate) fn lacks_a_name(uri: &Uri) -> bool {
    uri.path().contains("//")
}

/// Takes the names from the path, or answers 400 with the reason. A path that lacks a name is no path: 404.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if lacks_a_name(&parts.uri) {
            return Err(ApiError::NoSuchPage);
        }
        // Axum would take the text for the name as it stands.
        form::check_escapes(parts.uri.path()).map_err(|fault| ApiError::bad_request(fault.to_string()))?;
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(match error.into_kind() {
                ErrorKind::InvalidUtf8InPathParam { key } => {
                    ApiError::bad_request(format!("the {key} in the path is not UTF-8"))
                }
                ErrorKind::DeserializeError { message, .. } | ErrorKind::Message(message) => {
                    ApiError::bad_request(message)
                }
                other => ApiError::bad_request(other.to_string()),
            }),
            Err(other) => Err(ApiError::bad_request(other.to_string())),
        }
    }
}
