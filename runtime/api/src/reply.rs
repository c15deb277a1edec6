//! The replies, written as the Go program writes them.

use axum::extract::{OriginalUri, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pusher_core::{
    Changed, Cursor, Delivery, DeliveryCursor, DeliveryPage, FanOutProgress, JobName, PushAll, PushAllCounts,
    PushAllCursor, PushAllPage, PushAllStatus, Pusher, PusherList, PusherPage, gojson,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bulk::Report;
use crate::openapi::shapes::{DeliveryShape, PusherShape};
use crate::reports::Entered;

/// Content type of everything the Go program's renderer writes.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
/// Content type of what its binding library writes.
pub(crate) const BINDING_JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// What must be encoded in a path segment: all but the unreserved characters (RFC 3986).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

/// A part of the list of deliveries.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deliveries<'a> {
    /// The deliveries, without their data.
    #[schema(value_type = Vec<DeliveryShape>)]
    deliveries: &'a [Delivery],
    /// The cursor to go on with; `null` at the end.
    #[schema(required = true)]
    next: Option<String>,
}

/// The deliveries of one name.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveriesOfName<'a> {
    /// One for each sender that the message was pushed over.
    #[schema(value_type = Vec<DeliveryShape>)]
    deliveries: &'a [Delivery],
}

/// A part of the list of pushalls.
#[derive(Serialize, ToSchema)]
pub(crate) struct PushAlls<'a> {
    /// The cursor to go on with; `null` at the end.
    #[schema(required = true)]
    next: Option<String>,
    /// The pushalls.
    pushalls: Vec<PushAllReply<'a>>,
}

/// One pushall.
#[derive(Serialize, ToSchema)]
pub(crate) struct OnePushAll<'a> {
    /// Why its own job was given up, if it was: nobody else is pushed to until that delivery, which has the pushall's name
    /// and the sender `pushall`, is redriven.
    #[schema(required = true)]
    error: Option<&'a str>,
    pushall: PushAllReply<'a>,
}

/// How far a pushall has come. The same pushall, accepted again after its end, is another one in the place of the first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PushAll)]
pub(crate) struct PushAllReply<'a> {
    /// The name that it was answered with.
    #[schema(examples("sendmail_5d41402abc4b2a76b9719d911017c592"))]
    name: &'a str,
    /// The channel.
    #[schema(examples("sendmail"))]
    sender: &'a str,
    /// The tag, or the expression of tags, of those whom it is for; empty: everybody who has the channel.
    tag: &'a str,
    /// Where it stands: accepted, and nobody was looked at yet; running; done, with everybody pushed to; or cancelled.
    #[schema(pattern = "^(accepted|running|done|cancelled)$")]
    state: &'a str,
    /// When it was accepted, in Unix milliseconds.
    accepted_at: i64,
    /// When it is to begin, in Unix seconds; 0: at once.
    due_at: i64,
    /// When its state or how many were pushed to changed last, in Unix milliseconds.
    changed_at: i64,
    /// How many recipients there were when it began; `null` before.
    #[schema(required = true)]
    recipients: Option<u64>,
    /// How many of them were pushed to.
    submitted: u64,
    /// How many of those messages waited already, or were pushed again since: each is one message, and counts where it was
    /// pushed last.
    merged: u64,
    /// How many wait, or are being sent.
    waiting: u64,
    /// How many were delivered.
    delivered: u64,
    /// How many were given up.
    dead: u64,
    /// How many were cancelled.
    cancelled: u64,
}

impl<'a> From<&'a PushAll> for PushAllReply<'a> {
    fn from(pushall: &'a PushAll) -> Self {
        let PushAll { name, sender, tag, accepted_at, due_at, state, changed_at, recipients, after: _, counts } =
            pushall;
        let PushAllCounts { submitted, merged, delivered, dead, cancelled } = *counts;
        Self {
            name: name.as_str(),
            sender: sender.as_str(),
            tag,
            state: state.as_str(),
            accepted_at: *accepted_at,
            due_at: *due_at,
            changed_at: *changed_at,
            recipients: *recipients,
            submitted,
            merged,
            waiting: counts.waiting(),
            delivered,
            dead,
            cancelled,
        }
    }
}

macro_rules! changed {
    ($(#[$doc:meta])* $name:ident, $count:ident, $(#[$count_doc:meta])*) => {
        $(#[$doc])*
        #[derive(Serialize, ToSchema)]
        pub(crate) struct $name {
            result: Verdict,
            $(#[$count_doc])*
            $count: u64,
            /// May there be more of them? Then asking again goes on.
            more: bool,
        }

        impl From<Changed> for $name {
            fn from(Changed { count, more }: Changed) -> Self {
                Self { result: Verdict::Ok, $count: count, more }
            }
        }
    };
}

changed!(
    /// Dead letters were accepted once more.
    Redriven,
    redriven,
    /// How many.
);
changed!(
    /// What had not gone out does not go out.
    Cancelled,
    cancelled,
    /// How many.
);
changed!(
    /// What had ended is forgotten.
    Deleted,
    deleted,
    /// How many.
);
changed!(
    /// What was old is forgotten.
    Pruned,
    pruned,
    /// How many.
);

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

/// A message was accepted as the job of this name; `Location` says where it can be looked at.
pub(crate) fn accepted(name: &JobName, looked_at: &StatusPage) -> Response {
    let mut response = json(StatusCode::OK, JSON, &Accepted { name: name.as_str(), result: Verdict::Ok });
    let StatusPage { mounted, list } = looked_at;
    let location = format!("{mounted}/pusher/{list}/{}/", utf8_percent_encode(name.as_str(), SEGMENT));
    // A path that a request came by and what is percent-encoded can stand in a header.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The page on which an accepted message can be looked at.
pub(crate) struct StatusPage {
    /// What stands before `/pusher/` where the router is mounted below another.
    mounted: String,
    list: &'static str,
}

impl StatusPage {
    /// That of a push which is asked for by `request`.
    pub(crate) fn of_push(request: &Request) -> Self {
        Self { mounted: mounted(request), list: "deliveries" }
    }

    /// That of a pushall.
    pub(crate) fn of_pushall(request: &Request) -> Self {
        Self { mounted: mounted(request), list: "pushalls" }
    }
}

fn mounted(request: &Request) -> String {
    let sent = request.extensions().get::<OriginalUri>();
    sent.and_then(|OriginalUri(sent)| sent.path().strip_suffix(request.uri().path())).unwrap_or_default().to_owned()
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

/// A part of the list of deliveries.
pub(crate) fn deliveries(page: &DeliveryPage) -> Response {
    let next = page.next.as_ref().map(DeliveryCursor::to_string);
    json(StatusCode::OK, JSON, &Deliveries { deliveries: &page.deliveries, next })
}

/// The deliveries of one name.
pub(crate) fn deliveries_of_name(deliveries: &[Delivery]) -> Response {
    json(StatusCode::OK, JSON, &DeliveriesOfName { deliveries })
}

/// A part of the list of pushalls.
pub(crate) fn pushalls(page: &PushAllPage) -> Response {
    let next = page.next.as_ref().map(PushAllCursor::to_string);
    json(StatusCode::OK, JSON, &PushAlls { next, pushalls: page.pushalls.iter().map(PushAllReply::from).collect() })
}

/// How far a pushall has come.
pub(crate) fn pushall(status: &PushAllStatus) -> Response {
    let PushAllStatus { pushall, dead } = status;
    json(StatusCode::OK, JSON, &OnePushAll { error: dead.as_deref(), pushall: pushall.into() })
}

/// Dead letters were accepted once more.
pub(crate) fn redriven(changed: Changed) -> Response {
    json(StatusCode::OK, JSON, &Redriven::from(changed))
}

/// What had not gone out does not go out.
pub(crate) fn cancelled(changed: Changed) -> Response {
    json(StatusCode::OK, JSON, &Cancelled::from(changed))
}

/// What had ended is forgotten.
pub(crate) fn deleted(changed: Changed) -> Response {
    json(StatusCode::OK, JSON, &Deleted::from(changed))
}

/// What was old is forgotten: `count` of at most `limit`.
pub(crate) fn pruned(count: usize, limit: usize) -> Response {
    json(StatusCode::OK, JSON, &Pruned::from(Changed { count: count as u64, more: count >= limit }))
}

/// What became of a bulk request, line by line; `full` if the store was for some of them.
pub(crate) fn bulk(report: &Report, full: bool) -> Response {
    if full {
        tracing::error!(status = 507, "the store is full; some lines of a bulk request were not done");
    }
    json(if full { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::OK }, JSON, report)
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
