//! What happens to deliveries, in the writer's transactions.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use heed::PutFlags;
use pusher_core::{
    Delivery, DeliveryEvent, DeliveryState, JobName, Report, Reported, Retention, SenderName, StoreError,
};

use super::jobs::accepted;
use super::names::{Named, Step, entry_of};
use super::record::{KEPT, Kept, Place, encode, millis_number, number_millis, number_now};
use crate::batch::Batch;
use crate::error::{Failure, corrupt};
use crate::keys::LAST_NUMBER;
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
            Self::Attempted(Report { reported: Reported::Dead { data, .. }, .. })
            | Self::Concluded(Report { reported: Reported::Dead { data, .. }, .. }) => 1024 + data.len(),
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

/// What a job says of its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobFacts {
    /// When it was accepted.
    pub(crate) number: u64,
    /// The number of the pushall that it is of; 0: of none.
    pub(crate) pushall: u32,
    /// When it is to run, in Unix seconds.
    pub(crate) sched_at: i64,
}

/// The numbers of the log: times in microseconds, each given once, later ones higher.
///
/// None is given again after its transaction was aborted, so that a place in memory can only be that of one record.
pub(crate) struct Numbers<'k> {
    last: Option<u64>,
    /// The last one that was given in any transaction.
    given: &'k mut u64,
    /// How many records came to each state, in the order of [`KEPT`].
    entered: [u64; KEPT.len()],
}

impl<'k> Numbers<'k> {
    /// Numbers behind this one, which goes along.
    pub(crate) fn behind(given: &'k mut u64) -> Self {
        Self { last: None, given, entered: [0; KEPT.len()] }
    }
}

/// How many records came to each state since the store was opened.
#[derive(Default)]
pub(crate) struct DeliveryCounts([AtomicU64; KEPT.len()]);

impl DeliveryCounts {
    /// Counts what a batch did, once it is durable.
    pub(crate) fn add(&self, numbers: &Numbers<'_>) {
        for (count, entered) in self.0.iter().zip(numbers.entered) {
            count.fetch_add(entered, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> [(DeliveryState, u64); KEPT.len()] {
        std::array::from_fn(|at| (KEPT[at], self.0[at].load(Relaxed)))
    }
}

impl Batch<'_> {
    pub(crate) fn next_number(&mut self) -> Result<u64, Failure> {
        let next = match self.numbers.last {
            // A batch is short: its first number says what time it is.
            Some(last) => last + 1,
            None => {
                let last = self.tables.counters.get(&self.txn, LAST_NUMBER)?.unwrap_or(0);
                number_now().max(last + 1).max(*self.numbers.given + 1)
            }
        };
        self.numbers.last = Some(next);
        *self.numbers.given = next;
        Ok(next)
    }

    /// Keeps the last number that was given, if one was.
    pub(crate) fn keep_number(&mut self) -> heed::Result<()> {
        match self.numbers.last {
            Some(last) => self.tables.counters.put(&mut self.txn, LAST_NUMBER, &last),
            None => Ok(()),
        }
    }

    /// Enters an event. If the message's job is here, it says what nobody else does.
    pub(crate) fn enter_delivery(&mut self, event: &DeliveryEvent) -> Result<(), Failure> {
        let (sender, name) = event.of();
        let job = self.facts_of(sender, name)?;
        self.enter(event, job).map(drop)
    }

    /// The state that it is in now, if that changed anything. Only what is accepted takes room: what becomes of it must find
    /// its place also in a full store, and ends with less in it than before.
    pub(crate) fn enter(
        &mut self,
        event: &DeliveryEvent,
        job: Option<JobFacts>,
    ) -> Result<Option<DeliveryState>, Failure> {
        let (sender, name) = event.of();
        let named = self.store.names.named(sender, name);
        let (place, kept) = self.find_delivery(named, sender, name)?.unzip();
        let kept = kept.flatten();
        if matches!(event, DeliveryEvent::Deleted { .. }) {
            if let Some(place) = place.filter(|_| kept.as_ref().is_none_or(|kept| kept.delivery.state.is_final())) {
                self.delete_record(place, named)?;
            }
            return Ok(None);
        }
        // What ended before this job was accepted was another life.
        let accepted = job.map_or(0, |job| job.number);
        let mut live =
            kept.filter(|kept| !kept.delivery.state.is_final() || place.is_some_and(|at| at.number > accepted));
        if let (Some(live), Some(job)) = (&mut live, job)
            && job.pushall != 0
            && job.pushall != live.pushall
            && let Some(of) = self.pushall_at(job.pushall)?
        {
            // It waited when a pushall came that has the same message for the same recipient.
            live.pushall = job.pushall;
            (live.delivery.pushall, live.delivery.tag) = (Some(of.name), Some(of.tag).filter(|tag| !tag.is_empty()));
        }
        let before = match (&live, job) {
            (Some(_), _) => live.clone(),
            (None, Some(job)) => self.accepted(sender, name, job)?,
            (None, None) => None,
        };
        let number = self.next_number()?;
        let after = Delivery::after(before.as_ref().map(|kept| &kept.delivery), event, number_millis(number));
        let Some(delivery) = after else { return Ok(None) };
        let kept = Kept { pushall: self.pushall_of(event, before.as_ref(), &delivery)?, delivery };
        encode(&kept, self.scratch).map_err(Failure::Refused)?;
        if matches!(event, DeliveryEvent::Accepted { .. }) {
            self.room.take(self.scratch.len())?;
        }
        self.count(live.as_ref(), &kept);
        let state = kept.delivery.state;
        self.write(named, place, Place { state, number })?;
        Ok(Some(state))
    }

    /// Writes what was encoded.
    fn write(&mut self, named: Named, before: Option<Place>, new: Place) -> heed::Result<()> {
        if let Some(before) = before {
            self.delete_record(before, named)?;
        }
        // The last state's highest number is the highest key there is.
        let flags = if new.state == DeliveryState::Delivered { PutFlags::APPEND } else { PutFlags::empty() };
        self.tables.deliveries.put_with_flags(&mut self.txn, flags, &new.key(), self.scratch)?;
        self.store.names.insert(named.at(new));
        if let Some(at) = KEPT.iter().position(|state| *state == new.state) {
            self.numbers.entered[at] += 1;
        }
        Ok(())
    }

    /// A message that waits and was never tried: it is its job.
    fn accepted(&self, sender: &SenderName, name: &JobName, job: JobFacts) -> Result<Option<Kept>, Failure> {
        let of = self.pushall_at(job.pushall)?;
        Ok(accepted(sender, name, job, of.as_ref()))
    }

    /// Which pushall a message is of now.
    fn pushall_of(&self, event: &DeliveryEvent, before: Option<&Kept>, after: &Delivery) -> Result<u32, Failure> {
        match (event, &after.pushall) {
            (_, None) => Ok(0),
            (DeliveryEvent::Accepted { pushall: Some(name), .. }, _) => {
                Ok(self.pushall_named(name)?.map_or(0, |found| found.number))
            }
            _ => Ok(before.map_or(0, |before| before.pushall)),
        }
    }

    /// Counts a message where it stands now, and no longer where it stood in this life.
    fn count(&mut self, live: Option<&Kept>, after: &Kept) {
        let live = live.filter(|live| live.delivery.accepted_at == after.delivery.accepted_at);
        if let Some(live) = live {
            self.pushall_counts.count(live.pushall, live.delivery.state, -1);
            if live.pushall != after.pushall {
                self.pushall_counts.merged(live.pushall);
            }
        }
        self.pushall_counts.count(after.pushall, after.delivery.state, 1);
    }

    /// What is kept of a message.
    pub(super) fn delivery_kept(&self, sender: &SenderName, name: &JobName) -> Result<Option<Kept>, Failure> {
        let named = self.store.names.named(sender, name);
        Ok(self.find_delivery(named, sender, name)?.and_then(|(_, kept)| kept))
    }

    /// Where a record is, and what it says. One that cannot be read is as good as none: what comes next takes its place.
    fn find_delivery(
        &self,
        named: Named,
        sender: &SenderName,
        name: &JobName,
    ) -> heed::Result<Option<(Place, Option<Kept>)>> {
        let found = self.store.names.find(self.tables, &self.txn, named, (sender, name))?;
        let warn = |error: &StoreError| tracing::warn!(%error, "a delivery's record is replaced");
        Ok(found.map(|found| (found.place, found.kept.inspect_err(warn).ok())))
    }

    /// The entry in memory, if that is where it is, goes when its turn comes.
    fn delete_record(&mut self, place: Place, named: Named) -> heed::Result<()> {
        self.tables.deliveries.delete(&mut self.txn, &place.key())?;
        self.tables.delivery_index.delete(&mut self.txn, &named.at(place).bytes())?;
        Ok(())
    }

    /// Moves some entries of the index by name to the disk, if there are too many in memory.
    pub(crate) fn move_names(&mut self) -> heed::Result<Option<Step>> {
        let Some(last) = self.numbers.last else { return Ok(None) };
        let added = usize::try_from(self.numbers.entered.iter().sum::<u64>()).unwrap_or(usize::MAX);
        self.mover.step(&self.store.names, self.tables, &mut self.txn, added, last)
    }

    fn prune_deliveries(&mut self, retention: Retention, limit: usize) -> Result<usize, Failure> {
        self.prune_pushalls(retention.dead_before, limit)?;
        self.prune_requests(limit)?;
        let mut pruned = 0;
        for (state, before) in [
            (DeliveryState::Delivered, retention.delivered_before),
            (DeliveryState::Cancelled, retention.delivered_before),
            (DeliveryState::Dead, retention.dead_before),
        ] {
            let [first, end] = [0, millis_number(before)].map(|number| Place { state, number }.key());
            let range = (Bound::Included(&first[..]), Bound::Excluded(&end[..]));
            let mut old = Vec::new();
            for entry in self.tables.deliveries.range(&self.txn, &range)?.take(limit - pruned) {
                let (key, bytes) = entry?;
                let place =
                    Place::of_key(key).ok_or_else(|| Failure::Refused(corrupt("deliveries", "a key is none")))?;
                old.push((place.key(), entry_of(self.store.hash, key, bytes)));
            }
            pruned += old.len();
            for (key, entry) in old {
                self.tables.deliveries.delete(&mut self.txn, &key)?;
                if let Some(entry) = entry {
                    self.tables.delivery_index.delete(&mut self.txn, &entry.bytes())?;
                }
            }
        }
        Ok(pruned)
    }
}
