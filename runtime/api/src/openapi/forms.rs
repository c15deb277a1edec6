//! The shapes of what is sent. Handlers read their fields one by one, in the Go program's way; these say which.
#![expect(dead_code, reason = "the fields are read by the derives")]

use utoipa::{IntoParams, ToSchema};

/// Which part of a list is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Window {
    /// How many recipients to pass over.
    #[param(required = false, minimum = 0, default = 0)]
    from: i64,
    /// How many recipients to answer; more than 100 gives 100.
    #[param(required = false, minimum = 0, default = 10)]
    size: i64,
}

/// Where a list goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// Instead of `from`: what the part before said as `next`; empty to begin. Following it sees everybody who was there
    /// throughout exactly once, whatever changes meanwhile. `size` is at least 1 then.
    #[param(required = false)]
    after: String,
}

/// What is searched for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Query {
    /// The query: words, `field:word`, `"phrases"`, `+must`, `-must not`, wildcards, or a query in JSON.
    #[param(min_length = 1, example = "tags:vip +senders:sendmail")]
    q: String,
}

/// `{pusher}` in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PusherInPath {
    /// The recipient's id: 1 to 222 bytes.
    #[param(min_length = 1, max_length = 222)]
    pusher: String,
}

/// `{tag}` in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct TagInPath {
    /// The label: 1 to 180 bytes.
    #[param(min_length = 1, max_length = 180)]
    tag: String,
}

/// `{sender}` in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SenderInPath {
    /// The channel's name: 1 to 180 bytes, not beginning with `dead:` and not `deliveries`.
    #[param(min_length = 1, max_length = 180, example = "sendmail")]
    sender: String,
}

/// `{name}` in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct DeliveryInPath {
    /// The name that the push or pushall was answered with: 1 to 255 bytes.
    #[param(min_length = 1, max_length = 255, example = "lupino_5d41402abc4b2a76b9719d911017c592")]
    name: String,
}

/// Which deliveries are listed, and from where on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesQuery {
    /// Only those that stand there.
    #[param(required = false, pattern = "^(accepted|sending|waiting|delivered|dead|cancelled)?$", example = "dead")]
    state: String,
    /// Only those over this channel.
    #[param(required = false, max_length = 180, example = "sendmail")]
    sender: String,
    /// Only those to this recipient.
    #[param(required = false, max_length = 222)]
    pusher: String,
    /// Only those of pushalls that were for exactly this tag, or expression of tags.
    #[param(required = false)]
    tag: String,
    /// Only those of this pushall.
    #[param(required = false, max_length = 255)]
    pushall: String,
    /// Only those that were given up for a reason with this text in it.
    #[param(required = false)]
    error: String,
    /// Only those that came to stand where they stand at this time or later: Unix seconds or RFC 3339.
    #[param(required = false, example = "2026-01-01T00:00:00Z")]
    since: String,
    /// Only those that did before this time.
    #[param(required = false)]
    until: String,
    /// Only those that are to be tried at this time or later; with `state=accepted`, those that were pushed for a time to
    /// come.
    #[param(required = false)]
    scheduled: String,
    /// What the part before said as `next`; empty to begin. Following it sees every one that did not change meanwhile
    /// exactly once.
    #[param(required = false)]
    after: String,
    /// How many deliveries to answer; more than 100 gives 100.
    #[param(required = false, minimum = 1, default = 20)]
    size: i64,
}

/// Which pushalls are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PushAllsQuery {
    /// What the part before said as `next`; empty to begin.
    #[param(required = false)]
    after: String,
    /// How many pushalls to answer; more than 100 gives 100.
    #[param(required = false, minimum = 1, default = 20)]
    size: i64,
}

/// The header that makes a push one push, however often it is sent.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyKeyHeader {
    /// A text that is not used for another message within 24 hours, 1 to 255 bytes of ASCII, with or without quotation
    /// marks around it. The same request with the same key is done once, and answered the same. It belongs to the key that
    /// signs the request.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        pattern = r#"^([!#-~][!-~]{0,254}|"([ !#-\[\]-~]|\\["\\]){1,255}")$"#,
        example = "8e03978e-40d5-43dd-bc93-6894a57f9324"
    )]
    key: String,
}

/// A recipient to create, or fields of one to set.
#[derive(ToSchema)]
pub(crate) struct CreateForm {
    /// The application's own id for the recipient: 1 to 222 bytes.
    #[schema(min_length = 1, max_length = 222, examples("lupino"))]
    pusher: String,
    /// E-mail address, up to 16 KiB.
    #[schema(required = false, max_length = 16384)]
    email: String,
    /// Name to address the recipient by, up to 16 KiB.
    #[schema(required = false, max_length = 16384)]
    nickname: String,
    /// Telephone number, up to 16 KiB.
    #[schema(required = false, rename = "phoneNumber", max_length = 16384)]
    phone_number: String,
    /// When the recipient came to be, in Unix seconds. The list is newest first by it.
    #[schema(required = false, rename = "createdAt")]
    created_at: i64,
}

/// Fields of a recipient to set; an empty one leaves what is there.
#[derive(ToSchema)]
pub(crate) struct UpdateForm {
    /// E-mail address, up to 16 KiB.
    #[schema(required = false, max_length = 16384)]
    email: String,
    /// Name to address the recipient by, up to 16 KiB.
    #[schema(required = false, max_length = 16384)]
    nickname: String,
    /// Telephone number, up to 16 KiB.
    #[schema(required = false, rename = "phoneNumber", max_length = 16384)]
    phone_number: String,
    /// When the recipient came to be, in Unix seconds.
    #[schema(required = false, rename = "createdAt")]
    created_at: i64,
}

/// Whose channel is switched.
#[derive(ToSchema)]
pub(crate) struct SwitchForm {
    /// The recipient's id.
    #[schema(min_length = 1, max_length = 222, examples("lupino"))]
    pusher: String,
}

/// What is cancelled.
#[derive(ToSchema)]
pub(crate) struct CancelForm {
    /// The name that the push or pushall was answered with: 1 to 255 bytes.
    #[schema(min_length = 1, max_length = 255, examples("lupino_5d41402abc4b2a76b9719d911017c592"))]
    name: String,
}

/// A page of a pushall.
#[derive(ToSchema)]
pub(crate) struct FanOutForm {
    /// The name of the pushall's job: 1 to 255 bytes.
    #[schema(min_length = 1, max_length = 255, examples("sendmail_5d41402abc4b2a76b9719d911017c592"))]
    id: String,
    /// Only to those that have this label; empty: to all.
    #[schema(required = false, max_length = 180)]
    tag: String,
    /// What to say, in the sender's own terms.
    #[schema(required = false)]
    data: String,
    /// How many recipients to look at; 1000 at most, which is the default.
    #[schema(required = false, default = 1000)]
    limit: i64,
}

/// A message to one recipient, as a form.
#[derive(ToSchema)]
pub(crate) struct PushForm {
    /// The recipient's id.
    #[schema(min_length = 1, max_length = 222, examples("lupino"))]
    pusher: String,
    /// What to say, in the sender's own terms.
    #[schema(min_length = 1, examples("{\"subject\": \"hello\", \"text\": \"Hi {{.NickName}}\"}"))]
    data: String,
    /// When to send it, in Unix seconds; 0 or the past: now.
    #[schema(required = false, default = 0)]
    schedat: i64,
    /// Push although the recipient has not switched the channel on.
    #[schema(required = false, default = "false", pattern = "^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$")]
    force: String,
}

/// A message to one recipient, as JSON. Keys match whatever their case.
#[derive(ToSchema)]
pub(crate) struct PushJson {
    /// The recipient's id.
    #[schema(min_length = 1, max_length = 222, examples("lupino"))]
    pusher: String,
    /// What to say, in the sender's own terms.
    #[schema(min_length = 1, examples("{\"subject\": \"hello\", \"text\": \"Hi {{.NickName}}\"}"))]
    data: String,
    /// When to send it, in Unix seconds, as text; empty, 0 or the past: now.
    #[schema(pattern = "^([+-]?[0-9]{1,18})?$", default = "0")]
    schedat: Option<String>,
    /// Push although the recipient has not switched the channel on.
    #[schema(default = false)]
    force: Option<bool>,
}

/// A message to every recipient that has the channel switched on, as a form.
#[derive(ToSchema)]
pub(crate) struct PushAllForm {
    /// What to say, in the sender's own terms.
    #[schema(min_length = 1)]
    data: String,
    /// Only to those that have this label, or whose labels this expression fits: `vip AND NOT trial`, `a OR (b AND c)`;
    /// empty: to all.
    #[schema(required = false)]
    tag: String,
    /// When to send it, in Unix seconds; 0 or the past: now.
    #[schema(required = false, default = 0)]
    schedat: i64,
}

/// A message to every recipient that has the channel switched on, as JSON. Keys match whatever their case.
#[derive(ToSchema)]
pub(crate) struct PushAllJson {
    /// What to say, in the sender's own terms.
    #[schema(min_length = 1)]
    data: String,
    /// Only to those that have this label, or whose labels this expression fits: `vip AND NOT trial`, `a OR (b AND c)`;
    /// empty: to all.
    tag: Option<String>,
    /// When to send it, in Unix seconds, as text; empty, 0 or the past: now.
    #[schema(pattern = "^([+-]?[0-9]{1,18})?$", default = "0")]
    schedat: Option<String>,
}

/// A line of a bulk request: a recipient to create, or fields of one to set. A key that is absent leaves what is there;
/// `null` is the empty value. Other keys are an error of the line.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkLine {
    /// The application's own id for the recipient: 1 to 222 bytes.
    #[schema(min_length = 1, max_length = 222)]
    id: String,
    /// E-mail address, up to 16 KiB.
    #[schema(max_length = 16384)]
    email: Option<String>,
    /// Name to address the recipient by, up to 16 KiB.
    #[schema(max_length = 16384)]
    nickname: Option<String>,
    /// Telephone number, up to 16 KiB.
    #[schema(rename = "phoneNumber", max_length = 16384)]
    phone_number: Option<String>,
    /// When the recipient came to be, in Unix seconds.
    #[schema(rename = "createdAt")]
    created_at: Option<i64>,
    /// The channels that are switched on, in place of all that were: each 1 to 180 bytes.
    #[schema(max_items = 64)]
    senders: Option<Vec<String>>,
    /// The labels, in place of all that were: each 1 to 180 bytes.
    #[schema(max_items = 256)]
    tags: Option<Vec<String>>,
}

/// An attempt to deliver, as the worker that made it reports it.
#[derive(ToSchema)]
#[schema(as = DeliveryReport)]
pub(crate) struct ReportShape {
    /// The channel: 1 to 180 bytes, not beginning with `dead:`.
    #[schema(min_length = 1, max_length = 180, examples("sendmail"))]
    sender: String,
    /// The job's name: 1 to 255 bytes.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// The attempt.
    attempt: AttemptShape,
    /// What was made of it.
    #[serde(flatten)]
    reported: ReportedShape,
}

/// One attempt to deliver.
#[derive(ToSchema)]
#[schema(as = Attempt)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptShape {
    /// 1 for the first of a life.
    #[schema(minimum = 0, maximum = 4_294_967_295_u32)]
    number: u32,
    /// When it began, by the worker's clock; Unix milliseconds.
    #[schema(minimum = 0, maximum = 253_402_300_799_999_i64)]
    at: i64,
    /// How long it took, in milliseconds.
    #[schema(minimum = 0, maximum = 4_294_967_295_u32)]
    took_ms: u32,
    /// Which version of the sender it was, if that is known.
    version: Option<String>,
    /// How it ended.
    #[schema(pattern = "^(done|later|temporary|limited|permanent|trap|cpu|time|memory|host)$")]
    end: String,
    /// The last HTTP status that the sender was answered.
    #[schema(minimum = 0, maximum = 65_535)]
    status: Option<u16>,
    /// What the sender, or its provider through it, said; what is longer than 1 KiB is cut.
    message: Option<String>,
}

/// What an attempt made of a delivery.
#[derive(ToSchema)]
#[schema(as = AttemptMade)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum ReportedShape {
    /// It is delivered.
    Delivered,
    /// It is to be tried again.
    Waiting {
        /// When, in Unix seconds.
        #[serde(rename = "dueAt")]
        due_at: i64,
    },
    /// It was given up.
    Dead {
        /// Why; what is longer than 1 KiB is cut.
        reason: String,
        /// What was to be delivered.
        data: String,
    },
}
