//! The delivery log: what became of every message, one record each (DESIGN §8).
//!
//! | database | key | value |
//! | --- | --- | --- |
//! | `deliveries` | state ‖ number | a [`Delivery`] ([`record`]) |
//! | `delivery_names` | name ‖ sender ‖ length of the sender | state ‖ number of its record |
//!
//! The number is the time at which the record came to be there, in microseconds, raised where needed so that each is
//! given once and later ones are higher. So each state's records lie in the order in which they came to stand there:
//! a list is a walk backwards, a time is a place, and what is old enough to be forgotten is what comes first. A record
//! moves when its delivery does. Delivered is the last of the states, so that what is written most is appended.
//!
//! A message that waits and was never tried has no record: it is its job. Accepting one costs nothing here.

mod lists;
mod record;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use pusher_core::{
    Delivery, DeliveryCursor, DeliveryEvent, DeliveryFilter, DeliveryLog, DeliveryPage, JobName, Retention, StoreError,
};

use crate::store::{Store, aside};
use write::Prune;

pub(crate) use write::{DeliveryCounts, DeliveryNumbers, delivered};

#[async_trait]
impl DeliveryLog for Store {
    async fn record(&self, events: Vec<DeliveryEvent>) -> Vec<Result<(), StoreError>> {
        self.write(events).await
    }

    async fn get(&self, name: &JobName) -> Result<Vec<Delivery>, StoreError> {
        self.opened().deliveries_named(name)
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

    async fn prune(&self, retention: Retention, limit: usize) -> Result<usize, StoreError> {
        self.write_one(Prune { retention, limit }).await
    }
}

#[cfg(test)]
mod tests;
