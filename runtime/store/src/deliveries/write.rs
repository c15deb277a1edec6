//! What happens to deliveries, in the writer's transactions.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use heed::PutFlags;
use pusher_core::{
    Attempted, Delivery, DeliveryEvent, DeliveryState, JobName, Report, Reported, Retention, StoreError,
};

use super::record::{KEPT, Place, decode, encode, name_key, number_now, number_of};
use crate::batch::Batch;
use crate::error::{Failure, corrupt};
use crate::keys::LAST_DELIVERY;
use crate::writer::Operation;

/// Forgetting what is old.
pub(super) struct Prune {
    pub(super) retention: Retention,
    pub(super) limit: usize,
}

impl Operation for DeliveryEvent {
    type Done = ();
    type Error = StoreError;

    fn apply(&self, batch: &mut Batch) -> Result<(), Failure> {
        batch.enter_delivery(self)
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Attempted(Report { reported: Reported::Dead { data, .. }, .. }) => 1024 + data.len(),
            _ => 1024,
        }
    }

    fn error(reason: StoreError) -> StoreError {
        reason
    }
}

impl Operation for Prune {
    type Done = usize;
    type Error = StoreError;

    fn apply(&self, batch: &mut Batch) -> Result<usize, Failure> {
        batch.prune_deliveries(self.retention, self.limit)
    }

    fn bytes(&self) -> usize {
        0
    }

    fn error(reason: StoreError) -> StoreError {
        reason
    }
}

/// What the worker of a job said with its end, if it is that it has delivered it.
pub(crate) fn delivered(func: &[u8], name: &[u8], result: &[u8]) -> Option<DeliveryEvent> {
    let Attempted { sender, attempt } = Attempted::from_bytes(result)?;
    let name = JobName::parse(std::str::from_utf8(name).ok()?).ok()?;
    let report = Report { sender, name, attempt, reported: Reported::Delivered };
    func.ends_with(report.sender.as_str().as_bytes()).then_some(DeliveryEvent::Attempted(report))
}

/// The numbers of records, as far as this batch needs them.
#[derive(Default)]
pub(crate) struct DeliveryNumbers {
    last: Option<u64>,
    /// How many records came to each state, in the order of [`KEPT`].
    entered: [u64; KEPT.len()],
}

/// How many records came to each state since the store was opened.
#[derive(Default)]
pub(crate) struct DeliveryCounts([AtomicU64; KEPT.len()]);

impl DeliveryCounts {
    /// Counts what a batch did, once it is durable.
    pub(crate) fn add(&self, numbers: &DeliveryNumbers) {
        for (count, entered) in self.0.iter().zip(numbers.entered) {
            count.fetch_add(entered, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> [(DeliveryState, u64); KEPT.len()] {
        std::array::from_fn(|at| (KEPT[at], self.0[at].load(Relaxed)))
    }
}

impl Batch<'_> {
    /// Enters an event. Only what is accepted takes room: what becomes of it must find its place also in a full store,
    /// and ends with less in it than before.
    pub(crate) fn enter_delivery(&mut self, event: &DeliveryEvent) -> Result<(), Failure> {
        let (sender, name) = event.of();
        let key = name_key(name, sender);
        let place = self.tables.delivery_names.get(&self.txn, key.as_bytes())?.and_then(Place::of_key);
        let before = match place {
            Some(place) => self.delivery_at(place)?,
            None => None,
        };
        if matches!(event, DeliveryEvent::Deleted { .. }) {
            if let Some(place) = place.filter(|_| before.as_ref().is_none_or(|before| before.state.is_final())) {
                self.tables.deliveries.delete(&mut self.txn, &place.key())?;
                self.tables.delivery_names.delete(&mut self.txn, key.as_bytes())?;
            }
            return Ok(());
        }
        let Some(after) = Delivery::after(before.as_ref(), event) else { return Ok(()) };
        encode(&after, self.scratch).map_err(Failure::Refused)?;
        if matches!(event, DeliveryEvent::Accepted { .. }) {
            self.room.take(self.scratch.len())?;
        }
        let number = self.next_delivery_number()?;
        let new = Place { state: after.state, number };
        if let Some(place) = place {
            self.tables.deliveries.delete(&mut self.txn, &place.key())?;
        }
        // The last state's highest number is the highest key there is.
        let flags = if new.state == DeliveryState::Delivered { PutFlags::APPEND } else { PutFlags::empty() };
        self.tables.deliveries.put_with_flags(&mut self.txn, flags, &new.key(), self.scratch)?;
        self.tables.delivery_names.put(&mut self.txn, key.as_bytes(), &new.key())?;
        if let Some(at) = KEPT.iter().position(|state| *state == new.state) {
            self.deliveries.entered[at] += 1;
        }
        Ok(())
    }

    /// A record that cannot be read is as good as none: what comes next takes its place.
    fn delivery_at(&self, place: Place) -> Result<Option<Delivery>, Failure> {
        let Some(bytes) = self.tables.deliveries.get(&self.txn, &place.key())? else { return Ok(None) };
        match decode(place, bytes) {
            Ok(delivery) => Ok(Some(delivery)),
            Err(error) => {
                tracing::warn!(%error, "a delivery's record is replaced");
                Ok(None)
            }
        }
    }

    fn next_delivery_number(&mut self) -> Result<u64, Failure> {
        let last = match self.deliveries.last {
            Some(last) => last,
            None => self.tables.counters.get(&self.txn, LAST_DELIVERY)?.unwrap_or(0),
        };
        let next = number_now().max(last + 1);
        self.deliveries.last = Some(next);
        Ok(next)
    }

    /// Keeps the last number that was given, if one was.
    pub(crate) fn keep_delivery_number(&mut self) -> heed::Result<()> {
        match self.deliveries.last {
            Some(last) => self.tables.counters.put(&mut self.txn, LAST_DELIVERY, &last),
            None => Ok(()),
        }
    }

    fn prune_deliveries(&mut self, retention: Retention, limit: usize) -> Result<usize, Failure> {
        let mut pruned = 0;
        for (state, before) in [
            (DeliveryState::Delivered, retention.delivered_before),
            (DeliveryState::Cancelled, retention.delivered_before),
            (DeliveryState::Dead, retention.dead_before),
        ] {
            let [first, end] = [0, number_of(before)].map(|number| Place { state, number }.key());
            let range = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
            let mut old = Vec::new();
            for entry in self.tables.deliveries.range(&self.txn, &range)?.take(limit - pruned) {
                let (key, bytes) = entry?;
                let place =
                    Place::of_key(key).ok_or_else(|| Failure::Refused(corrupt("deliveries", "a key is none")))?;
                let named = decode(place, bytes).ok().map(|delivery| name_key(&delivery.name, &delivery.sender));
                old.push((place, named));
            }
            pruned += old.len();
            for (place, named) in old {
                self.tables.deliveries.delete(&mut self.txn, &place.key())?;
                if let Some(named) = named {
                    self.tables.delivery_names.delete(&mut self.txn, named.as_bytes())?;
                }
            }
        }
        Ok(pruned)
    }
}
