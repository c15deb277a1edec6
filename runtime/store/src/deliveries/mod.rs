//! The delivery log: what became of every message, one record each (DESIGN §8).
//!
//! | database | key | value |
//! | --- | --- | --- |
//! | `deliveries` | state ‖ number | a [`Delivery`] ([`record`]) |
//! | `delivery_index` | three hashes ‖ number ‖ state of each older record ([`names`]) | – |
//!
//! The number is the time at which the record came to be there, in microseconds, raised where needed so that each is
//! given once and later ones are higher. So each state's records lie in the order in which they came to stand there:
//! a list is a walk backwards, a time is a place, and what is old enough to be forgotten is what comes first. A record
//! moves when its delivery does. Delivered is the last of the states, so that what is written most is appended.
//!
//! A message that waits and was never tried has no record: it is its job ([`jobs`]). Accepting one costs nothing here.

mod jobs;
mod lists;
mod names;
mod notes;
mod record;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use periodic::{Clock, SystemClock};
use pusher_core::{
    Delivery, DeliveryCursor, DeliveryEvent, DeliveryFilter, DeliveryLog, DeliveryPage, JobName, Note, PushAll,
    PushAllCursor, PushAllPage, Retention, StoreError,
};

use crate::store::{Store, aside};
use jobs::Find;
use notes::Noted;
use write::Prune;

pub(crate) use jobs::{End, event_of, facts};
pub(crate) use names::{Mover, RECENT_NAMES, RecentNames, take_names_over};
pub(crate) use record::{millis_number, number_millis};
pub(crate) use write::{DeliveryCounts, Numbers};

#[async_trait]
impl DeliveryLog for Store {
    async fn record(&self, events: Vec<DeliveryEvent>) -> Vec<Result<(), StoreError>> {
        self.write(events).await
    }

    async fn get(&self, name: &JobName) -> Result<Vec<Delivery>, StoreError> {
        // Who waits is asked for first: what ends in between is found among the records then.
        let senders = self.opened().senders_with_jobs()?;
        let waiting = match senders.is_empty() {
            true => Vec::new(),
            false => self.write_one(Find { name: name.clone(), senders }).await?,
        };
        let known = self.opened().deliveries_named(name)?;
        if waiting.is_empty() { Ok(known) } else { self.opened().with_waiting(name, known, waiting) }
    }

    async fn list(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryCursor>,
        size: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let (opened, filter) = (Arc::clone(&self.shared()), filter.clone());
        aside(move || opened.list_deliveries(&filter, after, size)).await
    }

    async fn note(&self, notes: Vec<Note>, events: Vec<DeliveryEvent>) -> Result<(), StoreError> {
        self.write_one(Noted { notes, events }).await
    }

    async fn pushall(&self, name: &JobName) -> Result<Option<PushAll>, StoreError> {
        self.opened().pushall(name)
    }

    async fn pushalls(&self, after: Option<PushAllCursor>, size: usize) -> Result<PushAllPage, StoreError> {
        let opened = Arc::clone(&self.shared());
        aside(move || opened.list_pushalls(after, size)).await
    }

    async fn asked(&self, key: &[u8; 32]) -> Result<Option<[u8; 32]>, StoreError> {
        self.opened().asked(key, SystemClock.now_ms())
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<usize, StoreError> {
        self.write_one(Prune { retention, limit }).await
    }
}

#[cfg(test)]
mod tests;
