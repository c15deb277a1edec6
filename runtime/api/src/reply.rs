//! The replies, written as the Go program writes them.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use pusher_core::{Cursor, JobName, Pusher, PusherList, PusherPage, gojson};
use serde::Serialize;

use crate::bulk::Report;

/// Content type of everything the Go program's renderer writes.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
/// Content type of what its binding library writes.
pub(crate) const BINDING_JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The operation was done.
pub(crate) fn ok() -> Response {
    respond(StatusCode::OK, JSON, r#"{"result":"OK"}"#)
}

/// A message was accepted as the job of this name.
pub(crate) fn accepted(name: &JobName) -> Response {
    #[derive(Serialize)]
    struct Accepted<'a> {
        name: &'a str,
        result: &'static str,
    }
    json(StatusCode::OK, JSON, &Accepted { name: name.as_str(), result: "OK" })
}

/// One recipient.
pub(crate) fn pusher(pusher: &Pusher) -> Response {
    #[derive(Serialize)]
    struct One<'a> {
        pusher: &'a Pusher,
    }
    json(StatusCode::OK, JSON, &One { pusher })
}

/// A part of the list of all recipients.
pub(crate) fn list(from: u64, size: usize, list: &PusherList) -> Response {
    #[derive(Serialize)]
    struct List<'a> {
        from: u64,
        pushers: Option<&'a [Pusher]>,
        size: usize,
        total: u64,
    }
    let pushers = (!list.pushers.is_empty()).then_some(list.pushers.as_slice());
    json(StatusCode::OK, JSON, &List { from, pushers, size, total: list.total })
}

/// A part of the same list, cut by a cursor. `after` is the cursor as it was given.
pub(crate) fn page(after: &str, size: usize, page: &PusherPage) -> Response {
    #[derive(Serialize)]
    struct Page<'a> {
        after: &'a str,
        next: Option<String>,
        pushers: Option<&'a [Pusher]>,
        size: usize,
        total: u64,
    }
    let PusherPage { total, pushers, next } = page;
    let pushers = (!pushers.is_empty()).then_some(pushers.as_slice());
    let next = next.as_ref().map(Cursor::to_string);
    json(StatusCode::OK, JSON, &Page { after, next, pushers, size, total: *total })
}

/// What became of a bulk request, line by line.
pub(crate) fn bulk(report: &Report) -> Response {
    json(StatusCode::OK, JSON, report)
}

/// What went wrong, in a sentence.
pub(crate) fn error(status: StatusCode, sentence: &str) -> Response {
    #[derive(Serialize)]
    struct Error<'a> {
        err: &'a str,
    }
    json(status, JSON, &Error { err: sentence })
}

/// No such path.
pub(crate) fn page_not_found() -> Response {
    respond(StatusCode::NOT_FOUND, TEXT, "404 page not found\n")
}

/// `value` as Go's encoder writes it.
pub(crate) fn json(status: StatusCode, content_type: HeaderValue, value: &impl Serialize) -> Response {
    match gojson::to_string(value) {
        Ok(body) => respond(status, content_type, body),
        Err(error) => {
            // Every value given here has a JSON form; should one not, that is said rather than hidden.
            tracing::error!(error = error.to_string(), "a reply could not be written");
            respond(StatusCode::INTERNAL_SERVER_ERROR, JSON, r#"{"err":"the reply could not be written"}"#)
        }
    }
}

fn respond(status: StatusCode, content_type: HeaderValue, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
