//! The refusals that many operations share, each described once, and the sets of them that handlers name.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Type};
use utoipa::openapi::{Content, ContentBuilder, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::reply;

/// A refusal that more than one operation can answer.
#[derive(Clone, Copy)]
pub(crate) enum Refusal {
    Forbidden,
    TooLarge,
    TooLong,
    Busy,
    Failed,
    Unavailable,
    TooLate,
    Full,
}

impl Refusal {
    pub(crate) const ALL: [Self; 8] = [
        Self::Forbidden,
        Self::TooLarge,
        Self::TooLong,
        Self::Busy,
        Self::Failed,
        Self::Unavailable,
        Self::TooLate,
        Self::Full,
    ];

    /// What the document calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Forbidden => "Forbidden",
            Self::TooLarge => "TooLarge",
            Self::TooLong => "TooLong",
            Self::Busy => "Busy",
            Self::Failed => "Failed",
            Self::Unavailable => "Unavailable",
            Self::TooLate => "TooLate",
            Self::Full => "Full",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooLong => StatusCode::URI_TOO_LONG,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLate => StatusCode::GATEWAY_TIMEOUT,
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Forbidden => "The key that signed the request may not do this.",
            Self::TooLarge => {
                "The body is longer than the server takes; nothing of it was done. Unless it was told otherwise, that is \
                 2 MiB, for a bulk request 16 MiB or 10,000 lines."
            }
            Self::TooLong => "Path and query are together longer than 8 KiB.",
            Self::Busy => {
                "Too many requests are being served, or too many were signed with this key within ten minutes."
            }
            Self::Failed => "The store failed; the server's log says more.",
            Self::Unavailable => {
                "The server is stopping, its queue cannot be reached, its search index is not ready, or others search for \
                 too long; the sentence says which, and whether it may have been done."
            }
            Self::TooLate => "It took longer than the server waits; whether it was done is not known.",
            Self::Full => "The store is full: delete something, or let deliveries drain.",
        }
    }

    /// Does the answer say when to ask again?
    fn has_retry_after(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable)
    }

    pub(crate) fn response(self) -> Response {
        let response = ResponseBuilder::new().description(self.description()).content("application/json", sentence());
        if !self.has_retry_after() {
            return response.build();
        }
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
        let retry_after =
            HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait before asking again."));
        response.header("Retry-After", retry_after.build()).build()
    }
}

/// The body of every refusal but those of the path itself.
fn sentence() -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(reply::Refused::name()))).build()
}

/// What an operation on one recipient answers if there is none: 404, with a line of text if it is the path that names
/// nobody.
pub(crate) struct NoSuchPusher;

/// What an operation on one delivery or pushall answers if there is none: 404, with a line of text if the path lacks a
/// name.
pub(crate) struct NoSuchDelivery;

/// What an operation on deliveries answers on a server that keeps none: 501.
pub(crate) struct NoDeliveries;

/// What an operation answers that takes JSON and is sent something else: 415.
pub(crate) struct NotJson;

/// What any operation can answer.
pub(crate) struct Always;

/// What an operation that writes can answer besides.
pub(crate) struct Writing;

impl IntoResponses for NoSuchPusher {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        nothing_there("There is no such recipient; a line of text if the path lacks a name.")
    }
}

impl IntoResponses for NoSuchDelivery {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        nothing_there("Nothing of this name is known (any more); a line of text if the path lacks a name.")
    }
}

impl IntoResponses for NoDeliveries {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        one(StatusCode::NOT_IMPLEMENTED, "This server keeps no deliveries.")
    }
}

impl IntoResponses for NotJson {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        one(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body has another content type than JSON, or none.")
    }
}

fn nothing_there(description: &str) -> BTreeMap<String, RefOr<Response>> {
    let line = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
    let response = ResponseBuilder::new()
        .description(description)
        .content("application/json", sentence())
        .content("text/plain", line);
    BTreeMap::from([(StatusCode::NOT_FOUND.as_str().to_owned(), response.build().into())])
}

fn one(status: StatusCode, description: &str) -> BTreeMap<String, RefOr<Response>> {
    let response = ResponseBuilder::new().description(description).content("application/json", sentence());
    BTreeMap::from([(status.as_str().to_owned(), response.build().into())])
}

impl IntoResponses for Always {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let all_but_full = Refusal::ALL.into_iter().filter(|refusal| !matches!(refusal, Refusal::Full));
        set(all_but_full)
    }
}

impl IntoResponses for Writing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        set([Refusal::Full])
    }
}

fn set(refusals: impl IntoIterator<Item = Refusal>) -> BTreeMap<String, RefOr<Response>> {
    let by_status = |refusal: Refusal| {
        let response = RefOr::Ref(Ref::from_response_name(refusal.name()));
        (refusal.status().as_str().to_owned(), response)
    };
    refusals.into_iter().map(by_status).collect()
}
