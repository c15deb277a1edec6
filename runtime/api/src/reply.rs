//! The replies, written as the Go program writes them.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use pusher_core::{Cursor, FanOutProgress, JobName, Pusher, PusherList, PusherPage, gojson};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bulk::Report;
use crate::openapi::shapes::PusherShape;
use crate::reports::Entered;

/// Content type of everything the Go program's renderer writes.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
/// Content type of what its binding library writes.
pub(crate) const BINDING_JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The operation was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    result: Verdict,
}

/// The only verdict: what was not done is answered as a refusal.
#[derive(Serialize, ToSchema)]
enum Verdict {
    #[serde(rename = "OK")]
    Ok,
}

/// A message was accepted: it is durable.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted<'a> {
    /// The job's name, to cancel it by.
    name: &'a str,
    result: Verdict,
}

/// How far a pushall has come.
#[derive(Serialize, ToSchema)]
pub(crate) struct FannedOut {
    /// Is the last recipient among them?
    done: bool,
    /// How many recipients have been pushed to.
    pushed: u64,
}

/// One recipient.
#[derive(Serialize, ToSchema)]
pub(crate) struct OnePusher<'a> {
    #[schema(value_type = PusherShape)]
    pusher: &'a Pusher,
}

/// A part of the list of all recipients.
#[derive(Serialize, ToSchema)]
pub(crate) struct List<'a> {
    /// How many recipients were passed over.
    from: u64,
    /// The recipients; `null` if there are none.
    #[schema(value_type = Option<Vec<PusherShape>>, required = true)]
    pushers: Option<&'a [Pusher]>,
    /// How many recipients were asked for, at most 100.
    #[schema(maximum = 100)]
    size: usize,
    /// How many recipients there are in all.
    total: u64,
}

/// A part of the list of all recipients, cut by a cursor.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<'a> {
    /// The cursor, as it was given.
    after: &'a str,
    /// The cursor to go on with; `null` at the end.
    #[schema(required = true)]
    next: Option<String>,
    /// The recipients; `null` if there are none.
    #[schema(value_type = Option<Vec<PusherShape>>, required = true)]
    pushers: Option<&'a [Pusher]>,
    /// How many recipients were asked for, at most 100.
    #[schema(minimum = 1, maximum = 100)]
    size: usize,
    /// How many recipients there are in all.
    total: u64,
}

/// What a search found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Found<'a> {
    /// How many recipients were passed over.
    from: u64,
    /// The recipients; `null` if there are none.
    #[schema(value_type = Option<Vec<PusherShape>>, required = true)]
    pushers: Option<&'a [Pusher]>,
    /// The query, as it was given.
    q: &'a str,
    /// How many recipients were asked for, at most 100.
    #[schema(maximum = 100)]
    size: usize,
    /// How many recipients were found in all.
    total: u64,
}

/// Why a request was not served. Nothing was changed, unless the sentence says that it is not known.
#[derive(Serialize, ToSchema)]
pub(crate) struct Refused<'a> {
    /// A sentence for people.
    err: &'a str,
}

/// `{"result":"OK"}`
pub(crate) fn ok() -> Response {
    json(StatusCode::OK, JSON, &Done { result: Verdict::Ok })
}

/// A message was accepted as the job of this name.
pub(crate) fn accepted(name: &JobName) -> Response {
    json(StatusCode::OK, JSON, &Accepted { name: name.as_str(), result: Verdict::Ok })
}

/// How far a pushall has come.
pub(crate) fn fanned_out(FanOutProgress { pushed, done }: FanOutProgress) -> Response {
    json(StatusCode::OK, JSON, &FannedOut { done, pushed })
}

/// One recipient.
pub(crate) fn pusher(pusher: &Pusher) -> Response {
    json(StatusCode::OK, JSON, &OnePusher { pusher })
}

/// A part of the list of all recipients.
pub(crate) fn list(from: u64, size: usize, list: &PusherList) -> Response {
    let pushers = (!list.pushers.is_empty()).then_some(list.pushers.as_slice());
    json(StatusCode::OK, JSON, &List { from, pushers, size, total: list.total })
}

/// What a search found.
pub(crate) fn found(query: &str, from: u64, size: usize, list: &PusherList) -> Response {
    let pushers = (!list.pushers.is_empty()).then_some(list.pushers.as_slice());
    json(StatusCode::OK, JSON, &Found { from, pushers, q: query, size, total: list.total })
}

/// A part of the list of all recipients, cut by a cursor. `after` is the cursor as it was given.
pub(crate) fn page(after: &str, size: usize, page: &PusherPage) -> Response {
    let PusherPage { total, pushers, next } = page;
    let pushers = (!pushers.is_empty()).then_some(pushers.as_slice());
    let next = next.as_ref().map(Cursor::to_string);
    json(StatusCode::OK, JSON, &Page { after, next, pushers, size, total: *total })
}

/// What became of a bulk request, line by line.
pub(crate) fn bulk(report: &Report) -> Response {
    json(StatusCode::OK, JSON, report)
}

/// What workers reported is entered.
pub(crate) fn entered(entered: &Entered) -> Response {
    json(StatusCode::OK, JSON, entered)
}

/// What went wrong, in a sentence.
pub(crate) fn error(status: StatusCode, sentence: &str) -> Response {
    json(status, JSON, &Refused { err: sentence })
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
