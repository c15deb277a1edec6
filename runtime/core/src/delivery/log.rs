//! The port behind which deliveries are kept.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;

use super::note::Note;
use super::pushall::{PushAll, PushAllCursor, PushAllPage};
use super::{Delivery, DeliveryEvent, DeliveryState};
use crate::job_name::JobName;
use crate::ports::StoreError;
use crate::words::{PusherId, SenderName};

/// Which deliveries are asked for. Default: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those of this name, at most one for each sender.
    pub name: Option<JobName>,
    /// Only those that stand there.
    pub state: Option<DeliveryState>,
    /// Only those over this channel.
    pub sender: Option<SenderName>,
    /// Only those to this recipient.
    pub pusher: Option<PusherId>,
    /// Only those of pushalls that were for exactly this tag, or expression of tags.
    pub tag: Option<String>,
    /// Only those of this pushall.
    pub pushall: Option<JobName>,
    /// Only those that came to stand where they stand at this time or later; Unix milliseconds.
    pub since: Option<i64>,
    /// Only those that did before this time; Unix milliseconds.
    pub until: Option<i64>,
    /// Only those that were given up for a reason with this text in it.
    pub error: Option<String>,
    /// Only those that are to be tried at this time or later; Unix seconds.
    pub due_from: Option<i64>,
}

impl DeliveryFilter {
    /// Is this delivery one that is asked for?
    #[must_use]
    pub fn matches(&self, delivery: &Delivery) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none_or(|wanted| found == Some(wanted))
        }
        is(self.name.as_ref(), Some(&delivery.name))
            && is(self.state.as_ref(), Some(&delivery.state))
            && is(self.sender.as_ref(), Some(&delivery.sender))
            && is(self.pusher.as_ref(), Some(&delivery.pusher))
            && is(self.tag.as_ref(), delivery.tag.as_ref())
            && is(self.pushall.as_ref(), delivery.pushall.as_ref())
            && self.since.is_none_or(|since| delivery.changed_at >= since)
            && self.until.is_none_or(|until| delivery.changed_at < until)
            && self.error.as_ref().is_none_or(|error| delivery.reason.as_ref().is_some_and(|why| why.contains(error)))
            && self.due_from.is_none_or(|from| delivery.due_at.is_some_and(|due| due >= from))
    }
}

/// A place in the list of deliveries: what comes after it is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryCursor(pub u64);

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of deliveries; leave it out to begin at the newest, or give the \"next\" of a page")]
pub struct DeliveryCursorError;

impl fmt::Display for DeliveryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for DeliveryCursor {
    type Err = DeliveryCursorError;

    fn from_str(text: &str) -> Result<Self, DeliveryCursorError> {
        let is_one = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten().ok_or(DeliveryCursorError)
    }
}

/// A part of a list of deliveries, the one that changed last first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The deliveries, without their data.
    pub deliveries: Vec<Delivery>,
    /// Where the list goes on. `None`: this was the end. A page may be short, or empty, and yet not be the last: a
    /// request looks at so many deliveries and no more, whether they are asked for or not.
    pub next: Option<DeliveryCursor>,
}

/// What is old enough to be forgotten; Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Delivered and cancelled before this time.
    pub delivered_before: i64,
    /// Dead before this time.
    pub dead_before: i64,
}

/// Keeps what became of messages, and how far pushalls have come. [`conformance`](crate) (a feature) is the suite that every
/// backend must pass; what an event does is for all of them what [`Delivery::after`] says.
///
/// A log that has the Periodic server's jobs in the same store knows what waits there without being told: such a message
/// is listed as accepted, what its worker says with its end is kept in the commit that ends it, and a job that is deleted
/// before it ran was cancelled.
#[async_trait]
pub trait DeliveryLog: Send + Sync {
    /// Enters events in order; a result for each, in the same order. When this returns, what was entered is durable. An
    /// event that changes nothing is no error. [`DeliveryEvent::Deleted`] forgets a delivery that has ended.
    async fn record(&self, events: Vec<DeliveryEvent>) -> Vec<Result<(), StoreError>>;

    /// Keeps notes and enters events, all or nothing, durably.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if a note does not hold; or the store failed.
    async fn note(&self, notes: Vec<Note>, events: Vec<DeliveryEvent>) -> Result<(), StoreError>;

    /// The deliveries of this name, at most one for each sender, with their data as far as that is kept.
    async fn get(&self, name: &JobName) -> Result<Vec<Delivery>, StoreError>;

    /// The deliveries that are asked for, the one that changed last first, `size` at most, from the newest or behind
    /// `after`. Following [`DeliveryPage::next`] sees every one that did not change meanwhile exactly once.
    async fn list(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryCursor>,
        size: usize,
    ) -> Result<DeliveryPage, StoreError>;

    /// The last pushall of this name.
    async fn pushall(&self, name: &JobName) -> Result<Option<PushAll>, StoreError>;

    /// Pushalls, the one that was accepted last first, `size` at most, from the newest or behind `after`.
    async fn pushalls(&self, after: Option<PushAllCursor>, size: usize) -> Result<PushAllPage, StoreError>;

    /// What was asked with this key ([`Note::Once`]) within the last 24 hours.
    async fn asked(&self, key: &[u8; 32]) -> Result<Option<[u8; 32]>, StoreError>;

    /// Forgets what is old, the oldest first, `limit` at most; how many that were. With deliveries go the pushalls that
    /// ended so long ago, and keys of requests after 24 hours.
    async fn prune(&self, retention: Retention, limit: usize) -> Result<usize, StoreError>;
}
