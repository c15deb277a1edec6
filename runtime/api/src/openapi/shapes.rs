//! The shapes of core's types in replies. Core knows nothing of OpenAPI, so they are written down here; a test holds
//! them against what core serialises.

use utoipa::ToSchema;
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use crate::binding::BindingError;
use crate::bulk::Report;
use crate::reply::{List, Page, Refused};

/// What is wrong with a push or pushall: a list if it does not bind, a sentence if a value cannot be.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the variants are read by the derive")]
pub(crate) enum NotBound {
    Binding(Vec<BindingError>),
    Refused(Refused<'static>),
}

/// Why a bulk request, or some of its lines, could not be carried out.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the variants are read by the derive")]
pub(crate) enum NotAllSet {
    Report(Report),
    Refused(Refused<'static>),
}

/// A part of the list of all recipients, cut by an offset or by a cursor.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the variants are read by the derive")]
pub(crate) enum Listed {
    List(List<'static>),
    Page(Page<'static>),
}

/// A recipient.
#[derive(ToSchema)]
#[schema(as = Pusher)]
#[expect(dead_code, reason = "the fields are read by the derive")]
pub(crate) struct PusherShape {
    /// The application's own id for the recipient.
    #[schema(min_length = 1, max_length = 222, examples("lupino"))]
    id: String,
    /// E-mail address, or empty.
    #[schema(examples("lupino@example.com"))]
    email: String,
    /// Name to address the recipient by, or empty.
    nickname: String,
    /// Telephone number, or empty.
    #[schema(rename = "phoneNumber")]
    phone_number: String,
    /// The channels that are switched on, in the order they were added.
    #[schema(required = true, examples(json!(["sendmail"])))]
    senders: Option<Vec<String>>,
    /// The labels, in the order they were added.
    #[schema(required = true)]
    tags: Option<Vec<String>>,
    /// When the application says the recipient came to be, in Unix seconds; 0 if it does not say.
    #[schema(rename = "createdAt")]
    created_at: i64,
}

/// One message and what became of it so far.
#[derive(ToSchema)]
#[schema(as = Delivery)]
#[expect(dead_code, reason = "the fields are read by the derive")]
pub(crate) struct DeliveryShape {
    /// The channel.
    #[schema(examples("sendmail"))]
    sender: String,
    /// The name that its push was answered with.
    #[schema(examples("lupino_5d41402abc4b2a76b9719d911017c592"))]
    name: String,
    /// The recipient.
    #[schema(examples("lupino"))]
    pusher: String,
    /// Where it stands: accepted and not tried yet, sending, waiting to be tried again, delivered, dead (given up), or
    /// cancelled.
    #[schema(pattern = "^(accepted|sending|waiting|delivered|dead|cancelled)$")]
    state: String,
    /// When it came to stand there, in Unix milliseconds.
    #[schema(rename = "changedAt")]
    changed_at: i64,
    /// When it was accepted, in Unix milliseconds, if that is known.
    #[schema(rename = "acceptedAt", required = true)]
    accepted_at: Option<i64>,
    /// Accepted or waiting: when it is to be tried, in Unix seconds, if that is known.
    #[schema(rename = "dueAt", required = true)]
    due_at: Option<i64>,
    /// The pushall that it is of, if that is known.
    #[schema(required = true)]
    pushall: Option<String>,
    /// The tag, or the expression of tags, that the pushall was for.
    #[schema(required = true)]
    tag: Option<String>,
    /// How many attempts there were.
    tries: u32,
    /// The attempts, oldest first; of many, the first and the last fifteen.
    attempts: Vec<AttemptShape>,
    /// Dead: why it was given up.
    #[schema(required = true)]
    reason: Option<String>,
    /// What is to be delivered, as far as it is kept apart from the queue: of what is dead it is, so that it can be
    /// redriven. Lists leave it out.
    #[schema(required = true)]
    data: Option<String>,
}

/// One attempt to deliver.
#[derive(ToSchema)]
#[schema(as = DeliveryAttempt)]
#[expect(dead_code, reason = "the fields are read by the derive")]
pub(crate) struct AttemptShape {
    /// 1 for the first of a life.
    number: u32,
    /// When it began, by the worker's clock, in Unix milliseconds.
    at: i64,
    /// How long it took, in milliseconds.
    #[schema(rename = "tookMs")]
    took_ms: u32,
    /// Which version of the sender it was, as far as that is known.
    #[schema(required = true)]
    version: Option<String>,
    /// How it ended: done; later, as the sender wished; a temporary, limited or permanent failure; or a fault: trap, cpu,
    /// time, memory, host.
    #[schema(pattern = "^(done|later|temporary|limited|permanent|trap|cpu|time|memory|host)$")]
    end: String,
    /// The last HTTP status that the sender was answered, if it asked anybody.
    #[schema(required = true)]
    status: Option<u16>,
    /// What the sender, or its provider through it, said; at most 1 KiB of it.
    #[schema(required = true)]
    message: Option<String>,
}

/// A time in a JSON body, and what it is for.
fn moment(description: &str) -> Schema {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some("Unix seconds"));
    let date = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("RFC 3339"));
    AnyOfBuilder::new().item(seconds).item(date).description(Some(description)).build().into()
}

/// `since` of a selection.
pub(crate) fn since() -> Schema {
    moment("Those that came to stand where they stand at this time or later.")
}

/// `until` of a selection.
pub(crate) fn until() -> Schema {
    moment("Those that did before this time.")
}

/// `schedat` of a delivery that is moved.
pub(crate) fn schedat() -> Schema {
    moment("When to send it; 0 or the past: now.")
}

/// `delivered` of what is pruned.
pub(crate) fn delivered_before() -> Schema {
    moment("Forget what was delivered or cancelled before this time.")
}

/// `dead` of what is pruned.
pub(crate) fn dead_before() -> Schema {
    moment("Forget what was given up before this time.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pusher_core::{
        Attempt, Delivery, DeliveryEvent, JobName, Pusher, PusherId, Report, Reported, SendEnd, SenderName,
    };
    use serde::Serialize;
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn the_shape_of_a_pusher_has_the_keys_that_core_writes() {
        has_the_keys_of::<PusherShape>(&Pusher::new(PusherId::parse("lupino").unwrap()));
    }

    #[test]
    fn the_shape_of_a_delivery_has_the_keys_that_core_writes() {
        let attempt =
            Attempt { number: 1, at: 0, took_ms: 0, version: None, end: SendEnd::Done, status: None, message: None };
        has_the_keys_of::<AttemptShape>(&attempt);
        let (sender, name) = (SenderName::parse("sample").unwrap(), JobName::parse("lupino_1").unwrap());
        let report = Report { sender, name, attempt, reported: Reported::Delivered };
        has_the_keys_of::<DeliveryShape>(&Delivery::after(None, &DeliveryEvent::Attempted(report), 1).unwrap());
    }

    fn has_the_keys_of<S: PartialSchema>(written: &impl Serialize) {
        let written = serde_json::to_value(written).unwrap();
        let keys: BTreeSet<_> = written.as_object().unwrap().keys().cloned().collect();
        let shape = serde_json::to_value(S::schema()).unwrap();
        assert_eq!(shape["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(), keys);
        let required = shape["required"].as_array().unwrap().iter().filter_map(|key| key.as_str());
        assert_eq!(required.map(ToOwned::to_owned).collect::<BTreeSet<_>>(), keys);
    }
}
