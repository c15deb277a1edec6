//! Reading deliveries: by name, and as lists.

use std::ops::Bound;

use heed::RoTxn;
use pusher_core::{
    Delivery, DeliveryCursor, DeliveryFilter, DeliveryPage, DeliveryState, JobName, PusherId, StoreError,
};

use super::record::{KEPT, Place, decode, number_of, sender_in_key};
use crate::error::{corrupt, store_error};
use crate::open::Opened;

/// So many records a request looks at, whether they are asked for or not: some milliseconds.
const LOOKED_AT: usize = 4096;

type Walk<'t> = std::iter::Peekable<RoRev<'t>>;
type RoRev<'t> = heed::RoRevRange<'t, heed::types::Bytes, heed::types::Bytes>;

impl Opened {
    pub(super) fn deliveries_named(&self, name: &JobName) -> Result<Vec<Delivery>, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.env.read_txn().map_err(lmdb)?;
        let mut found = Vec::new();
        for entry in self.tables.delivery_names.prefix_iter(&txn, name.as_str().as_bytes()).map_err(lmdb)? {
            let (key, place) = entry.map_err(lmdb)?;
            if sender_in_key(key, name.as_str()).is_some() {
                found.extend(self.delivery_at(&txn, place_of(place)?)?);
            }
        }
        Ok(found)
    }

    pub(super) fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryCursor>,
        size: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        let until = filter.until.map_or(u64::MAX, number_of);
        let end = after.map_or(until, |DeliveryCursor(number)| until.min(number));
        let begin = filter.since.map_or(0, number_of);
        match &filter.pusher {
            Some(pusher) => self.list_of_pusher(&txn, pusher, filter, begin..end, size),
            None => self.list_of_states(&txn, filter, begin..end, size),
        }
    }

    /// Walks backwards through the states that are asked for, all at once, the latest record first.
    fn list_of_states(
        &self,
        txn: &RoTxn,
        filter: &DeliveryFilter,
        numbers: std::ops::Range<u64>,
        size: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let states = KEPT.into_iter().filter(|state| filter.state.is_none_or(|wanted| wanted == *state));
        let mut walks = states.map(|state| self.walk(txn, state, &numbers)).collect::<Result<Vec<_>, _>>()?;
        let mut page = DeliveryPage::default();
        for _ in 0..LOOKED_AT {
            if page.deliveries.len() >= size {
                break;
            }
            let Some((place, bytes)) = latest(&mut walks)? else { return Ok(DeliveryPage { next: None, ..page }) };
            page.next = Some(DeliveryCursor(place.number));
            page.deliveries.extend(listed(place, bytes, filter));
        }
        // Is there one behind?
        if latest(&mut walks)?.is_none() {
            page.next = None;
        }
        Ok(page)
    }

    fn walk<'t>(
        &self,
        txn: &'t RoTxn,
        state: DeliveryState,
        numbers: &std::ops::Range<u64>,
    ) -> Result<Walk<'t>, StoreError> {
        let [begin, end] = [numbers.start, numbers.end].map(|number| Place { state, number }.key());
        let range = (Bound::Included(&begin[..]), Bound::Excluded(&end[..]));
        // An empty range of LMDB's may not have its ends the wrong way round.
        let range = if begin <= end { range } else { (Bound::Included(&end[..]), Bound::Excluded(&end[..])) };
        Ok(self.tables.deliveries.rev_range(txn, &range).map_err(|e| store_error(&e))?.peekable())
    }

    /// The names of a recipient's messages begin with its id, so the index by name has them together. They are as many as
    /// one recipient gets.
    fn list_of_pusher(
        &self,
        txn: &RoTxn,
        pusher: &PusherId,
        filter: &DeliveryFilter,
        numbers: std::ops::Range<u64>,
        size: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let lmdb = |e| store_error(&e);
        let mut places = Vec::new();
        let prefix = format!("{pusher}_");
        for entry in self.tables.delivery_names.prefix_iter(txn, prefix.as_bytes()).map_err(lmdb)? {
            let (_, place) = entry.map_err(lmdb)?;
            let place = place_of(place)?;
            if numbers.contains(&place.number) && filter.state.is_none_or(|wanted| wanted == place.state) {
                places.push(place);
            }
        }
        places.sort_unstable_by_key(|place| std::cmp::Reverse(place.number));
        let mut page = DeliveryPage::default();
        for (looked_at, place) in places.iter().enumerate() {
            if page.deliveries.len() >= size || looked_at >= LOOKED_AT {
                return Ok(page);
            }
            page.next = Some(DeliveryCursor(place.number));
            if let Some(bytes) = self.tables.deliveries.get(txn, &place.key()).map_err(lmdb)? {
                page.deliveries.extend(listed(*place, bytes, filter));
            }
        }
        Ok(DeliveryPage { next: None, ..page })
    }

    fn delivery_at(&self, txn: &RoTxn, place: Place) -> Result<Option<Delivery>, StoreError> {
        let bytes = self.tables.deliveries.get(txn, &place.key()).map_err(|e| store_error(&e))?;
        bytes.map(|bytes| decode(place, bytes)).transpose()
    }
}

/// Takes the latest record of all walks.
fn latest<'t>(walks: &mut [Walk<'t>]) -> Result<Option<(Place, &'t [u8])>, StoreError> {
    let mut found: Option<(usize, u64)> = None;
    for (at, walk) in walks.iter_mut().enumerate() {
        let number = match walk.peek() {
            Some(Ok((key, _))) => place_of(key)?.number,
            // Taken out below, so that it is said.
            Some(Err(_)) => u64::MAX,
            None => continue,
        };
        if found.is_none_or(|(_, other)| number > other) {
            found = Some((at, number));
        }
    }
    let Some(entry) = found.and_then(|(at, _)| walks[at].next()) else { return Ok(None) };
    let (key, bytes) = entry.map_err(|e| store_error(&e))?;
    Ok(Some((place_of(key)?, bytes)))
}

/// As a list has it, if it is asked for. One that cannot be read is passed over with a warning, so that the others can be
/// seen.
fn listed(place: Place, bytes: &[u8], filter: &DeliveryFilter) -> Option<Delivery> {
    match decode(place, bytes) {
        Ok(delivery) => filter.matches(&delivery).then_some(Delivery { data: None, ..delivery }),
        Err(error) => {
            tracing::warn!(%error, "a delivery cannot be read");
            None
        }
    }
}

fn place_of(key: &[u8]) -> Result<Place, StoreError> {
    Place::of_key(key).ok_or_else(|| corrupt("deliveries", "a key is none"))
}
