//! Reading deliveries: by name, and as lists.
//!
//! A list is made of several walks, each from the latest to the oldest: one for each state that has records, or one over the
//! records of a recipient; and one over the jobs, for what was not tried yet. All have numbers of the same clock.

mod walk;

use std::ops::Range;

use heed::RoTxn;
use periodic::Seq;
use pusher_core::{
    Delivery, DeliveryCursor, DeliveryFilter, DeliveryPage, DeliveryState, JobName, SenderName, StoreError,
};

use super::jobs::{Waiting, accepted, facts, sender_of};
use super::names::{Found, Wanted};
use super::record::{KEPT, Kept, Place, decode, millis_number};
use crate::error::{corrupt, store_error};
use crate::open::Opened;
use crate::pushalls;
use crate::record::JobRecord;
use walk::{Item, Walk, latest};

/// So much a request looks at, whether it is asked for or not: some milliseconds. A record, or a job that may be asked for,
/// costs [`READ`], a job that is passed over 1.
const LOOKED_AT: usize = 4096 * READ;
const READ: usize = 16;

impl Opened {
    /// The records of this name.
    pub(super) fn deliveries_named(&self, name: &JobName) -> Result<Vec<Delivery>, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.snapshot()?;
        let places = self.names.places(&self.tables, &txn, Wanted::Name(name)).map_err(lmdb)?;
        let mut found = Vec::new();
        for place in places {
            if let Some(bytes) = self.tables.deliveries.get(&txn, &place.key()).map_err(lmdb)? {
                found.extend(Some(decode(place, bytes)?.delivery).filter(|delivery| delivery.name == *name));
            }
        }
        Ok(found)
    }

    /// The same with what is known from jobs that wait.
    pub(super) fn with_waiting(
        &self,
        name: &JobName,
        mut known: Vec<Delivery>,
        waiting: Vec<Waiting>,
    ) -> Result<Vec<Delivery>, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        for Waiting { sender, facts, data } in waiting {
            let of = pushalls::read(&self.tables, &txn, facts.pushall)?;
            let Some(Kept { delivery, .. }) = accepted(&sender, name, facts, of.as_ref()) else { continue };
            let delivery = Delivery { data: Some(data), ..delivery };
            match known.iter_mut().find(|known| known.sender == sender) {
                None => known.push(delivery),
                // It ended before this was accepted.
                Some(known) if known.state.is_final() && known.changed_at <= delivery.changed_at => *known = delivery,
                Some(known) if known.state.is_final() => {}
                Some(known) => (known.data, known.due_at) = (delivery.data, delivery.due_at),
            }
        }
        Ok(known)
    }

    /// The senders that have jobs.
    pub(super) fn senders_with_jobs(&self) -> Result<Vec<SenderName>, StoreError> {
        Ok(self.stored_funcs()?.iter().filter_map(|stored| sender_of(&self.prefix, &stored.func)).collect())
    }

    pub(super) fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryCursor>,
        size: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let txn = self.snapshot()?;
        let until = filter.until.map_or(u64::MAX, millis_number);
        let end = after.map_or(until, |DeliveryCursor(number)| until.min(number));
        let numbers = filter.since.map_or(0, millis_number)..end;
        let mut walks = self.walks(&txn, filter, &numbers)?;
        let mut page = DeliveryPage::default();
        let mut looked_at = 0;
        while page.deliveries.len() < size && looked_at < LOOKED_AT {
            let Some((number, item)) = latest(&mut walks)? else { return Ok(DeliveryPage { next: None, ..page }) };
            page.next = Some(DeliveryCursor(number));
            let found = match item {
                Item::Record(place, bytes) => {
                    looked_at += READ;
                    listed(place, bytes)
                }
                Item::Job(_, job) if !may_be_asked_for(filter, &job) => {
                    looked_at += 1;
                    None
                }
                Item::Job(seq, job) => {
                    looked_at += READ;
                    self.untried(&txn, seq, &job)?
                }
            };
            page.deliveries.extend(found.filter(|found| filter.matches(found)));
        }
        // Is there one behind?
        if latest(&mut walks)?.is_none() {
            page.next = None;
        }
        Ok(page)
    }

    /// What has everything that is asked for.
    fn walks<'t>(
        &self,
        txn: &'t RoTxn<'t>,
        filter: &DeliveryFilter,
        numbers: &Range<u64>,
    ) -> Result<Vec<Walk<'t>>, StoreError> {
        let is_asked_for = |state: DeliveryState| filter.state.is_none_or(|wanted| wanted == state);
        let mut walks = Vec::new();
        // The index has the messages of a recipient together. They are as many as one recipient gets.
        let wanted = match (&filter.name, &filter.pusher) {
            (Some(name), _) => Some(Wanted::Name(name)),
            (None, Some(pusher)) => Some(Wanted::Recipient(pusher.as_str())),
            (None, None) => None,
        };
        match wanted {
            Some(wanted) => {
                let places = self.names.places(&self.tables, txn, wanted);
                let mut places = places.map_err(|e| store_error(&e))?;
                places.retain(|place| numbers.contains(&place.number) && is_asked_for(place.state));
                walks.push(Walk::of_places(&self.tables, txn, places)?);
            }
            None => {
                for state in KEPT.into_iter().filter(|state| is_asked_for(*state)) {
                    walks.push(Walk::of_state(&self.tables, txn, state, numbers)?);
                }
            }
        }
        if is_asked_for(DeliveryState::Accepted) {
            walks.push(Walk::of_jobs(&self.tables, txn, numbers)?);
        }
        Ok(walks)
    }

    /// A job as a delivery, if it is a message that was not tried yet.
    fn untried(&self, txn: &RoTxn, seq: Seq, job: &JobRecord) -> Result<Option<Delivery>, StoreError> {
        let name = std::str::from_utf8(job.name).ok().and_then(|name| JobName::parse(name).ok());
        let (Some(sender), Some(name)) = (sender_of(&self.prefix, job.func), name) else { return Ok(None) };
        let facts = facts(seq, job);
        let named = self.names.named(&sender, &name);
        let record = self.names.find(&self.tables, txn, named, (&sender, &name)).map_err(|e| store_error(&e))?;
        if record.is_some_and(|Found { place, .. }| !place.state.is_final() || place.number > facts.number) {
            return Ok(None);
        }
        if name.verify(job.workload).is_none() {
            return Ok(None);
        }
        let of = pushalls::read(&self.tables, txn, facts.pushall)?;
        Ok(accepted(&sender, &name, facts, of.as_ref()).map(|kept| kept.delivery))
    }
}

/// Could this job be one that is asked for? Looked at before anything that costs more.
fn may_be_asked_for(filter: &DeliveryFilter, job: &JobRecord) -> bool {
    filter.name.as_ref().is_none_or(|name| name.as_str().as_bytes() == job.name)
        && filter.pusher.as_ref().is_none_or(|pusher| {
            job.name.strip_prefix(pusher.as_str().as_bytes()).is_some_and(|rest| rest.first() == Some(&b'_'))
        })
        && filter.sender.as_ref().is_none_or(|sender| job.func.ends_with(sender.as_str().as_bytes()))
        && filter.due_from.is_none_or(|from| job.sched_at >= from)
        && (job.pushall != 0 || (filter.pushall.is_none() && filter.tag.is_none()))
        && filter.error.is_none()
}

/// As a list has it. One that cannot be read is passed over with a warning, so that the others can be seen.
fn listed(place: Place, bytes: &[u8]) -> Option<Delivery> {
    match decode(place, bytes) {
        Ok(Kept { delivery, .. }) => Some(Delivery { data: None, ..delivery }),
        Err(error) => {
            tracing::warn!(%error, "a delivery cannot be read");
            None
        }
    }
}

fn place_of(key: &[u8]) -> Result<Place, StoreError> {
    Place::of_key(key).ok_or_else(|| corrupt("deliveries", "a key is none"))
}
