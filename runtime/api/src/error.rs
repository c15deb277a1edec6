//! What a request is told when it is not served: one sentence for people, a status for programs, and a log event.

use std::time::Duration;

use axum::http::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use pusher_core::{CursorError, NameError, QueueError, SearchError, ServiceError, StoreError, WordError};

use crate::binding::BindingErrors;
use crate::reply;

/// Seconds a client is asked to wait before it asks again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request was not served. Nothing was changed, except where the sentence says that it is not known.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// There is no such path.
    NoSuchPage,
    /// The request is wrong, or asks for what is not there; `{"err": sentence}`.
    Refused { status: StatusCode, sentence: String },
    /// A push or pushall does not bind; the list of what is wrong, as the Go program's library writes it.
    Binding(BindingErrors),
    /// The operation was refused or failed.
    Service(ServiceError),
    /// Not now: there is too much of something. In so many seconds there may be room.
    Busy { sentence: String, seconds: u64 },
    /// Not any more: the server is stopping.
    Stopping,
}

impl ApiError {
    fn refused(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self::Refused { status, sentence: sentence.into() }
    }

    /// 400: the request does not mean anything.
    pub(crate) fn bad_request(sentence: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, sentence)
    }

    /// 400: the signature, of the v1 scheme, does not cover the body as it is read.
    pub(crate) fn not_signed_as_form() -> Self {
        Self::bad_request("a body that is not a form must be signed by the v2 scheme")
    }

    /// 406: a field that must be given is not.
    pub(crate) fn not_acceptable(sentence: impl Into<String>) -> Self {
        Self::refused(StatusCode::NOT_ACCEPTABLE, sentence)
    }

    /// 404 for a request that names no recipient: nobody is called "". The sentence is the Go program's.
    pub(crate) fn nobody() -> Self {
        Self::refused(StatusCode::NOT_FOUND, "pusher  not exists.")
    }

    /// 409: not in the state that it is in.
    pub(crate) fn conflict(sentence: impl Into<String>) -> Self {
        Self::refused(StatusCode::CONFLICT, sentence)
    }

    /// 415: the body is not said to be JSON.
    pub(crate) fn not_json() -> Self {
        let sentence = "send the body as JSON, with Content-Type: application/json";
        Self::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence)
    }

    /// 405; axum adds `Allow`.
    pub(crate) fn method_not_allowed(method: &Method) -> Self {
        Self::refused(StatusCode::METHOD_NOT_ALLOWED, format!("the method {method} is not allowed here; see Allow"))
    }

    /// 403: the key may not do this.
    pub(crate) fn forbidden(sentence: impl Into<String>) -> Self {
        Self::refused(StatusCode::FORBIDDEN, sentence)
    }

    /// 414: path and query together are longer than `limit` bytes.
    pub(crate) fn target_too_long(limit: usize) -> Self {
        let sentence = format!("the path and query are longer than the limit of {limit} bytes");
        Self::refused(StatusCode::URI_TOO_LONG, sentence)
    }

    /// 504: it took longer than `limit`.
    pub(crate) fn too_late(limit: Duration) -> Self {
        let seconds = limit.as_secs_f32();
        let sentence = format!("not served within {seconds} s; whether it was done is not known");
        Self::refused(StatusCode::GATEWAY_TIMEOUT, sentence)
    }

    /// 413: the body is longer than `limit` bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than the limit of {limit} bytes"))
    }

    /// 429: more requests are being served than may be at once.
    pub(crate) fn too_busy() -> Self {
        Self::Busy { sentence: "too many requests are being served; ask again".into(), seconds: 1 }
    }

    /// 429: a key signed more requests than its nonces can be remembered of, for so many seconds to come.
    pub(crate) fn too_many_signed(seconds: u64) -> Self {
        let sentence = format!("too many requests were signed with this key in ten minutes; ask again in {seconds} s");
        Self::Busy { sentence, seconds }
    }

    /// 422: among the reports is one that is none.
    pub(crate) fn not_a_report(sentence: impl Into<String>) -> Self {
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, sentence)
    }

    /// 413: a bulk request has more than `limit` lines.
    pub(crate) fn too_many_lines(limit: usize) -> Self {
        let sentence = format!("the body has more than {limit} lines, which is the limit; nothing of it was done");
        Self::refused(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<WordError> for ApiError {
    fn from(error: WordError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<CursorError> for ApiError {
    fn from(error: CursorError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<NameError> for ApiError {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Empty => Self::not_acceptable(error.to_string()),
            NameError::TooLong(_) => Self::bad_request(error.to_string()),
        }
    }
}

impl From<BindingErrors> for ApiError {
    fn from(errors: BindingErrors) -> Self {
        Self::Binding(errors)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut retry_after = RETRY_SECONDS;
        let (status, sentence) = match self {
            Self::NoSuchPage => return reply::page_not_found(),
            Self::Binding(errors) => {
                tracing::debug!(status = errors.status().as_u16(), "request refused: it does not bind");
                return errors.into_response();
            }
            Self::Refused { status, sentence } => (status, sentence),
            Self::Service(error) => (service_status(&error), error.to_string()),
            Self::Busy { sentence, seconds } => {
                retry_after = seconds.into();
                (StatusCode::TOO_MANY_REQUESTS, sentence)
            }
            Self::Stopping => {
                let mut response = reply::error(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping; ask again");
                response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                return response;
            }
        };
        if status.is_server_error() {
            tracing::error!(status = status.as_u16(), error = sentence, "request failed");
        } else {
            tracing::debug!(status = status.as_u16(), error = sentence, "request refused");
        }
        let mut response = reply::error(status, &sentence);
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(RETRY_AFTER, retry_after);
        }
        response
    }
}

fn service_status(error: &ServiceError) -> StatusCode {
    match error {
        ServiceError::NoSuchPusher(_) | ServiceError::NoSuchDelivery(_) | ServiceError::NoSuchPushAll(_) => {
            StatusCode::NOT_FOUND
        }
        ServiceError::NotWaiting(_)
        | ServiceError::KeyInProgress
        | ServiceError::Queue(QueueError::Refused(_))
        | ServiceError::Store(StoreError::Refused(_)) => StatusCode::CONFLICT,
        ServiceError::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        ServiceError::SenderNotAdded(_) => StatusCode::NOT_ACCEPTABLE,
        ServiceError::OverLimit(..) => StatusCode::BAD_REQUEST,
        ServiceError::Search(SearchError::Query(_)) => StatusCode::BAD_REQUEST,
        ServiceError::NoSearch | ServiceError::NoDeliveries => StatusCode::NOT_IMPLEMENTED,
        ServiceError::FanOutOfPushAll | ServiceError::Tags(_) => StatusCode::BAD_REQUEST,
        ServiceError::Store(StoreError::Full(_))
        | ServiceError::Search(SearchError::Store(StoreError::Full(_)))
        | ServiceError::Queue(QueueError::Full(_)) => StatusCode::INSUFFICIENT_STORAGE,
        ServiceError::Search(SearchError::Unavailable(_)) | ServiceError::Queue(QueueError::Unavailable(_)) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ServiceError::Search(SearchError::Store(_))
        | ServiceError::Store(StoreError::Corrupt { .. } | StoreError::Failed(_)) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
