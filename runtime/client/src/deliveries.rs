//! What became of messages: deliveries and pushalls, listed, shown, and told what to do next.

use pusher_core::{
    Changed, Delivery, DeliveryCursor, DeliveryFilter, DeliveryPage, JobName, PushAll, PushAllCounts, PushAllCursor,
    PushAllPage, PushAllState, PushAllStatus, Retention, SenderName,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::call::{Call, segment};
use crate::client::{Client, read};
use crate::error::ClientError;

const DELIVERIES: &str = "/pusher/deliveries/";
const PUSHALLS: &str = "/pusher/pushalls/";

impl Client {
    /// The deliveries that are asked for, the one that changed last first: `size` at most (the server gives 100), from the
    /// newest or behind `after`. A page may be short and yet not be the last: [`DeliveryPage::next`] says.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryCursor>,
        size: usize,
    ) -> Result<DeliveryPage, ClientError> {
        #[derive(Deserialize)]
        struct Listed {
            deliveries: Vec<Delivery>,
            next: Option<String>,
        }
        if let Some(name) = &filter.name {
            // A list has no such parameter, because a name has a page of its own.
            return self.of_name(filter, name).await;
        }
        let mut call = Call::new(Method::GET, DELIVERIES.to_owned()).with("size", &size.to_string());
        for (name, value) in words(filter) {
            call = call.with(name, &value);
        }
        call = call.with_some("scheduled", filter.due_from.map(|seconds| seconds.to_string()).as_deref());
        call = call.with_some("after", after.map(|cursor| cursor.to_string()).as_deref());
        let Listed { deliveries, next } = read(&self.transport.send(&call).await?)?;
        let next = next.map(|text| text.parse()).transpose();
        let next = next.map_err(|_| ClientError::Unexpected("its cursor is none of deliveries".to_owned()))?;
        Ok(DeliveryPage { deliveries, next })
    }

    async fn of_name(&self, filter: &DeliveryFilter, name: &JobName) -> Result<DeliveryPage, ClientError> {
        let mut deliveries = match self.delivery(name).await {
            Ok(found) => found,
            Err(ClientError::NotFound(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        deliveries.retain(|delivery| filter.matches(delivery));
        Ok(DeliveryPage { deliveries, next: None })
    }

    /// The deliveries of this name, at most one for each sender, with their attempts.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is none.
    pub async fn delivery(&self, name: &JobName) -> Result<Vec<Delivery>, ClientError> {
        #[derive(Deserialize)]
        struct OfName {
            deliveries: Vec<Delivery>,
        }
        let OfName { deliveries } = read(&self.transport.send(&Call::new(Method::GET, delivery_path(name)?)).await?)?;
        Ok(deliveries)
    }

    /// Forgets the deliveries of this name that have ended.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is none; [`ClientError::Refused`] with status 409 if none has ended.
    pub async fn delete_delivery(&self, name: &JobName) -> Result<(), ClientError> {
        self.done(&Call::new(Method::DELETE, delivery_path(name)?)).await
    }

    /// Accepts dead letters once more, `limit` at most; an empty filter means all.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked.
    pub async fn redrive(&self, filter: &DeliveryFilter, limit: usize) -> Result<Changed, ClientError> {
        self.change("redrive", selection(filter, limit)).await
    }

    /// Cancels messages that have not gone out, `limit` at most; an empty filter means all. Of a pushall that is named no
    /// further page goes out.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked.
    pub async fn cancel_deliveries(&self, filter: &DeliveryFilter, limit: usize) -> Result<Changed, ClientError> {
        self.change("cancel", selection(filter, limit)).await
    }

    /// Forgets deliveries that have ended, `limit` at most: dead ones, unless the filter has another state; an empty
    /// filter means all of those.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked.
    pub async fn delete_deliveries(&self, filter: &DeliveryFilter, limit: usize) -> Result<Changed, ClientError> {
        self.change("delete", selection(filter, limit)).await
    }

    /// Moves a message that waits to another time, in Unix seconds; 0: now. Without a sender it must be clear which one is
    /// meant.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is none; [`ClientError::Refused`] with status 409 if it does not wait.
    pub async fn move_delivery(
        &self,
        name: &JobName,
        sender: Option<&SenderName>,
        sched_at: i64,
    ) -> Result<(), ClientError> {
        let mut body = Map::new();
        body.insert("name".into(), name.as_str().into());
        if let Some(sender) = sender {
            body.insert("sender".into(), sender.as_str().into());
        }
        body.insert("schedat".into(), sched_at.into());
        self.done(&post("schedule").with_json(&body)?).await
    }

    /// Forgets what is old, the oldest first, `limit` at most.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked.
    pub async fn prune(&self, retention: Retention, limit: usize) -> Result<Changed, ClientError> {
        let Retention { delivered_before, dead_before } = retention;
        let mut body = Map::new();
        body.insert("delivered".into(), moment(delivered_before));
        body.insert("dead".into(), moment(dead_before));
        body.insert("limit".into(), limit.into());
        self.change("prune", body).await
    }

    /// The last pushall of this name, and how far it has come.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is none.
    pub async fn pushall_status(&self, name: &JobName) -> Result<PushAllStatus, ClientError> {
        #[derive(Deserialize)]
        struct One {
            error: Option<String>,
            pushall: Written,
        }
        let path = format!("{PUSHALLS}{}/", segment(name.as_str())?);
        let One { error, pushall } = read(&self.transport.send(&Call::new(Method::GET, path)).await?)?;
        Ok(PushAllStatus { pushall: pushall.into(), dead: error })
    }

    /// Pushalls, the one that was accepted last first: `size` at most (the server gives 100), from the newest or behind
    /// `after`.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked.
    pub async fn pushalls(&self, after: Option<PushAllCursor>, size: usize) -> Result<PushAllPage, ClientError> {
        #[derive(Deserialize)]
        struct Listed {
            pushalls: Vec<Written>,
            next: Option<String>,
        }
        let call = Call::new(Method::GET, PUSHALLS.to_owned())
            .with("size", &size.to_string())
            .with_some("after", after.map(|cursor| cursor.to_string()).as_deref());
        let Listed { pushalls, next } = read(&self.transport.send(&call).await?)?;
        let next = next.map(|text| text.parse()).transpose();
        let next = next.map_err(|_| ClientError::Unexpected("its cursor is none of pushalls".to_owned()))?;
        Ok(PushAllPage { pushalls: pushalls.into_iter().map(PushAll::from).collect(), next })
    }

    /// Does something to a batch of deliveries.
    async fn change(&self, operation: &str, body: Map<String, Value>) -> Result<Changed, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(alias = "redriven", alias = "cancelled", alias = "deleted", alias = "pruned")]
            count: u64,
            more: bool,
        }
        let Answer { count, more } = read(&self.transport.send(&post(operation).with_json(&body)?).await?)?;
        Ok(Changed { count, more })
    }
}

/// A pushall as the API writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    name: JobName,
    sender: SenderName,
    tag: String,
    state: PushAllState,
    accepted_at: i64,
    due_at: i64,
    changed_at: i64,
    recipients: Option<u64>,
    #[serde(flatten)]
    counts: PushAllCounts,
}

impl From<Written> for PushAll {
    fn from(written: Written) -> Self {
        let Written { name, sender, tag, state, accepted_at, due_at, changed_at, recipients, counts } = written;
        // The API does not tell where the next page begins.
        Self { name, sender, tag, accepted_at, due_at, state, changed_at, recipients, after: None, counts }
    }
}

fn delivery_path(name: &JobName) -> Result<String, ClientError> {
    Ok(format!("{DELIVERIES}{}/", segment(name.as_str())?))
}

fn post(operation: &str) -> Call {
    Call::new(Method::POST, format!("{DELIVERIES}{operation}"))
}

/// What a filter says, as lists and batches alike are told it.
fn words(filter: &DeliveryFilter) -> impl Iterator<Item = (&'static str, String)> {
    let DeliveryFilter { name: _, state, sender, pusher, tag, pushall, since, until, error, due_from: _ } = filter;
    let time = |millis: &Option<i64>| millis.map(written);
    [
        ("state", state.map(|state| state.to_string())),
        ("sender", sender.as_ref().map(ToString::to_string)),
        ("pusher", pusher.as_ref().map(ToString::to_string)),
        ("tag", tag.clone()),
        ("pushall", pushall.as_ref().map(ToString::to_string)),
        ("error", error.clone()),
        ("since", time(since)),
        ("until", time(until)),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
}

/// What a batch is told of a filter.
fn selection(filter: &DeliveryFilter, limit: usize) -> Map<String, Value> {
    let mut body: Map<String, Value> = words(filter).map(|(name, value)| (name.to_owned(), value.into())).collect();
    if let Some(name) = &filter.name {
        body.insert("name".into(), name.as_str().into());
    }
    if body.keys().all(|name| name == "state") {
        body.insert("all".into(), true.into());
    }
    body.insert("limit".into(), limit.into());
    body
}

fn moment(millis: i64) -> Value {
    written(millis).into()
}

/// Unix milliseconds as the API reads times; to the second for what no calendar reaches.
fn written(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| millis.div_euclid(1000).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_millisecond_as_far_as_a_calendar_goes() {
        assert_eq!(written(1_767_225_600_000), "2026-01-01T00:00:00Z");
        assert_eq!(written(1_767_225_600_250), "2026-01-01T00:00:00.25Z");
        assert_eq!(written(i64::MIN), (i64::MIN / 1000 - 1).to_string());
    }

    #[test]
    fn a_batch_that_nothing_narrows_is_said_to_be_all() {
        let body = |filter: &DeliveryFilter| Value::Object(selection(filter, 7)).to_string();
        assert_eq!(body(&DeliveryFilter::default()), r#"{"all":true,"limit":7}"#);
        let name = Some(JobName::parse("lupino_1").unwrap());
        assert_eq!(body(&DeliveryFilter { name, ..DeliveryFilter::default() }), r#"{"limit":7,"name":"lupino_1"}"#);
        let tag = Some("a AND b".to_owned());
        assert_eq!(body(&DeliveryFilter { tag, ..DeliveryFilter::default() }), r#"{"limit":7,"tag":"a AND b"}"#);
    }
}
