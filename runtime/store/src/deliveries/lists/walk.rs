//! Walks from the latest to the oldest: over the records of a state, over some records, over the jobs.

use std::ops::{Bound, Range};

use heed::byteorder::BE;
use heed::types::{Bytes, U64};
use heed::{RoRevRange, RoTxn};
use periodic::Seq;
use pusher_core::{DeliveryState, StoreError};

use super::super::jobs::facts;
use super::super::record::Place;
use super::place_of;
use crate::error::store_error;
use crate::record::JobRecord;
use crate::tables::Tables;

/// What a walk comes to.
pub(super) enum Item<'t> {
    Record(Place, &'t [u8]),
    Job(Seq, JobRecord<'t>),
}

/// A walk, and the next item of it.
pub(super) struct Walk<'t> {
    source: Source<'t>,
    next: Option<(u64, Item<'t>)>,
}

enum Source<'t> {
    State(RoRevRange<'t, Bytes, Bytes>),
    /// Oldest first: they are taken from the end.
    Places(Vec<Place>, &'t RoTxn<'t>, heed::Database<Bytes, Bytes>),
    Jobs(RoRevRange<'t, U64<BE>, Bytes>, u64),
}

impl<'t> Walk<'t> {
    pub(super) fn of_state(
        tables: &Tables,
        txn: &'t RoTxn<'t>,
        state: DeliveryState,
        numbers: &Range<u64>,
    ) -> Result<Self, StoreError> {
        let [begin, end] = [numbers.start, numbers.end].map(|number| Place { state, number }.key());
        let range = (Bound::Included(&begin[..]), Bound::Excluded(&end[..]));
        // An empty range of LMDB's may not have its ends the wrong way round.
        let range = if begin <= end { range } else { (Bound::Included(&end[..]), Bound::Excluded(&end[..])) };
        Self::begun(Source::State(tables.deliveries.rev_range(txn, &range).map_err(|e| store_error(&e))?))
    }

    /// They are given oldest first; where there is no record, there is nothing.
    pub(super) fn of_places(tables: &Tables, txn: &'t RoTxn<'t>, places: Vec<Place>) -> Result<Self, StoreError> {
        Self::begun(Source::Places(places, txn, tables.deliveries))
    }

    /// Jobs are numbered in the order in which they were accepted, so where a time is can be searched for.
    pub(super) fn of_jobs(tables: &Tables, txn: &'t RoTxn<'t>, numbers: &Range<u64>) -> Result<Self, StoreError> {
        let lmdb = |e| store_error(&e);
        let last = tables.jobs.last(txn).map_err(lmdb)?.map_or(0, |(seq, _)| seq);
        let (mut low, mut high) = (0, last + 1);
        // The first sequence number at or behind which no job was accepted before the end.
        while low < high {
            let middle = low + (high - low) / 2;
            let found = tables.jobs.range(txn, &(middle..)).map_err(lmdb)?.next().transpose().map_err(lmdb)?;
            match found {
                Some((seq, bytes)) if number_of(seq, bytes) < numbers.end => low = seq + 1,
                _ => high = middle,
            }
        }
        let jobs = tables.jobs.rev_range(txn, &(..low)).map_err(lmdb)?;
        Self::begun(Source::Jobs(jobs, numbers.start))
    }

    fn begun(source: Source<'t>) -> Result<Self, StoreError> {
        let mut walk = Self { source, next: None };
        walk.fill()?;
        Ok(walk)
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        let lmdb = |e| store_error(&e);
        self.next = match &mut self.source {
            Source::State(records) => match records.next().transpose().map_err(lmdb)? {
                Some((key, bytes)) => {
                    let place = place_of(key)?;
                    Some((place.number, Item::Record(place, bytes)))
                }
                None => None,
            },
            Source::Places(places, txn, deliveries) => loop {
                let Some(place) = places.pop() else { break None };
                if let Some(bytes) = deliveries.get(txn, &place.key()).map_err(lmdb)? {
                    break Some((place.number, Item::Record(place, bytes)));
                }
            },
            Source::Jobs(jobs, begin) => loop {
                let Some((seq, bytes)) = jobs.next().transpose().map_err(lmdb)? else { break None };
                // One that cannot be read has no name to be listed under.
                let Ok(record) = JobRecord::decode(bytes) else { continue };
                let number = facts(seq, &record).number;
                break (number >= *begin).then_some((number, Item::Job(seq, record)));
            },
        };
        Ok(())
    }
}

/// Takes the latest item of all walks.
pub(super) fn latest<'t>(walks: &mut [Walk<'t>]) -> Result<Option<(u64, Item<'t>)>, StoreError> {
    let number = |walk: &Walk| walk.next.as_ref().map(|(number, _)| *number);
    let Some(walk) = walks.iter_mut().max_by_key(|walk| number(walk)) else { return Ok(None) };
    let found = walk.next.take();
    if found.is_some() {
        walk.fill()?;
    }
    Ok(found)
}

/// One that cannot be read is older than everything: where it is does not matter.
fn number_of(seq: Seq, bytes: &[u8]) -> u64 {
    JobRecord::decode(bytes).map_or(0, |record| facts(seq, &record).number)
}
