//! The index of deliveries by name, which has two parts: the entries of the newest records are in memory, those of older
//! ones in `delivery_names`. Why, and how they get there, is as with the indexes of jobs ([`crate::recent`]): each message
//! that ends would dirty a page of its own.
//!
//! Other than there, readers need both parts, each as its own transaction sees it. So an entry in memory only says where
//! a record of this name **may** be: no number is given twice, so it is there if `deliveries` has it in the transaction of
//! whoever looks. What must hold is that no entry is missing: it comes before the commit that makes its record, and goes
//! when the index on the disk has it, for everybody who reads ([`Readers`]). Nothing is undone with a transaction, and the
//! entry of a record that is gone, or has moved, waits until its turn to be moved comes.
//!
//! An entry on the disk may be of a record that has moved since, for which there is one in memory; where it leads there is
//! nothing. Records of numbers up to the one under [`INDEXED_NUMBER`] have theirs on the disk; those behind are read when
//! the store is opened.

mod readers;

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, Deref};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heed::{RoTxn, RwTxn, WithoutTls};
use pusher_core::StoreError;

use super::record::{KEPT, Place, decode, name_key};
use crate::error::store_error;
use crate::keys::INDEXED_NUMBER;
use crate::open::Opened;
use crate::tables::Tables;
use readers::{Readers, Reading};

/// With so many entries in memory they begin to be moved to the disk, by default. There are never more than half as many
/// again: about 30 MB.
pub(crate) const RECENT_NAMES: usize = 1 << 17;
/// So many are moved at a time, roughly: enough to share pages, few enough that the commit takes milliseconds.
const SLICE: usize = 1024;
/// For each record that comes so many entries are moved while moving is under way.
const MOVED_PER_RECORD: usize = 2;
/// A walk through memory lets the writer in between so many entries.
const STRETCH: usize = 1024;
/// What an entry takes on the disk beside its key: its place, and what LMDB adds.
const ENTRY_BYTES: u64 = 9 + 10;

/// The part in memory.
pub(crate) struct RecentNames {
    entries: Mutex<Entries>,
    readers: Readers,
    limit: usize,
}

#[derive(Default)]
struct Entries {
    by_key: BTreeMap<Arc<[u8]>, Places>,
    key_bytes: u64,
}

/// Where the record of a key may be.
#[derive(Debug, Clone)]
struct Places {
    latest: Place,
    /// From the earliest on. A message that ends at its first attempt has none.
    earlier: Vec<Place>,
}

impl Places {
    fn newest_first(&self) -> impl Iterator<Item = Place> {
        std::iter::once(self.latest).chain(self.earlier.iter().rev().copied())
    }
}

impl Entries {
    fn insert(&mut self, key: &[u8], place: Place) {
        if let Some(places) = self.by_key.get_mut(key) {
            let before = std::mem::replace(&mut places.latest, place);
            places.earlier.push(before);
            return;
        }
        self.key_bytes += key.len() as u64;
        self.by_key.insert(key.into(), Places { latest: place, earlier: Vec::new() });
    }

    /// Takes the places up to this number out.
    fn remove(&mut self, key: &[u8], through: u64) {
        let Some(places) = self.by_key.get_mut(key) else { return };
        if places.latest.number > through {
            places.earlier.retain(|place| place.number > through);
            return;
        }
        self.key_bytes -= key.len() as u64;
        self.by_key.remove(key);
    }
}

impl RecentNames {
    /// Reads what belongs into memory. A record that cannot be read has no name: it is passed over with a warning.
    pub(crate) fn load(tables: &Tables, txn: &RoTxn, limit: usize) -> heed::Result<Self> {
        let indexed = tables.counters.get(txn, INDEXED_NUMBER)?.unwrap_or(0);
        let mut entries = Entries::default();
        for state in KEPT {
            let [first, end] = [indexed, u64::MAX].map(|number| Place { state, number }.key());
            let behind = (Bound::Excluded(&first[..]), Bound::Included(&end[..]));
            for record in tables.deliveries.range(txn, &behind)? {
                let (key, bytes) = record?;
                let Some(place) = Place::of_key(key) else { continue };
                match decode(place, bytes) {
                    Ok(kept) => {
                        entries.insert(name_key(&kept.delivery.name, &kept.delivery.sender).as_bytes(), place);
                    }
                    Err(error) => tracing::warn!(%error, "a delivery cannot be found by its name"),
                }
            }
        }
        Ok(Self { entries: Mutex::new(entries), readers: Readers::default(), limit })
    }

    /// A record is about to be at this place, which is later than all before.
    pub(super) fn insert(&self, key: &[u8], place: Place) {
        self.entries().insert(key, place);
    }

    /// How much room the entries will take on the disk, on pages that may be half full.
    pub(crate) fn bytes_to_come(&self) -> u64 {
        let entries = self.entries();
        2 * (entries.key_bytes + entries.by_key.len() as u64 * ENTRY_BYTES)
    }

    pub(super) fn len(&self) -> usize {
        self.entries().by_key.len()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Each change is whole before anything can panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next entries behind a key, in their order.
    fn behind(&self, key: Bound<&[u8]>, many: usize) -> Vec<(Arc<[u8]>, Places)> {
        let entries = self.entries();
        let range = entries.by_key.range::<[u8], _>((key, Bound::Unbounded)).take(many);
        range.map(|(key, places)| (Arc::clone(key), places.clone())).collect()
    }

    /// Where the record of this key is in `txn`, and what it is.
    pub(super) fn find<'t>(
        &self,
        tables: &Tables,
        txn: &'t RoTxn,
        key: &[u8],
    ) -> heed::Result<Option<(Place, &'t [u8])>> {
        let recent = self.entries().by_key.get(key).cloned();
        for place in recent.iter().flat_map(Places::newest_first) {
            if let Some(record) = tables.deliveries.get(txn, &place.key())? {
                return Ok(Some((place, record)));
            }
        }
        let Some(place) = tables.delivery_names.get(txn, key)?.and_then(Place::of_key) else { return Ok(None) };
        Ok(tables.deliveries.get(txn, &place.key())?.map(|record| (place, record)))
    }

    /// Where records may be whose keys begin with this and are asked for, each place once, from the earliest on.
    pub(super) fn places(
        &self,
        tables: &Tables,
        txn: &RoTxn,
        prefix: &[u8],
        is_asked_for: impl Fn(&[u8]) -> bool,
    ) -> heed::Result<Vec<Place>> {
        let mut places = Vec::new();
        let mut next = self.behind(Bound::Included(prefix), STRETCH);
        'walk: loop {
            for (key, found) in &next {
                if !key.starts_with(prefix) {
                    break 'walk;
                }
                if is_asked_for(key) {
                    places.extend(found.newest_first());
                }
            }
            let Some((last, _)) = next.last() else { break };
            next = self.behind(Bound::Excluded(last), STRETCH);
        }
        for entry in tables.delivery_names.prefix_iter(txn, prefix)? {
            let (key, place) = entry?;
            places.extend(Place::of_key(place).filter(|_| is_asked_for(key)));
        }
        places.sort_unstable_by_key(|place| place.number);
        places.dedup();
        Ok(places)
    }
}

/// A transaction for reading deliveries: as long as it is there, what it needs stays in memory.
pub(super) struct Snapshot<'s> {
    // Dropped before the other.
    txn: RoTxn<'s, WithoutTls>,
    _reading: Reading<'s>,
}

impl<'s> Deref for Snapshot<'s> {
    type Target = RoTxn<'s, WithoutTls>;

    fn deref(&self) -> &Self::Target {
        &self.txn
    }
}

impl Opened {
    pub(super) fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
        let reading = self.names.readers.begin();
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        Ok(Snapshot { txn, _reading: reading })
    }
}

/// What the writer knows of the moving, from batch to batch.
#[derive(Default)]
pub(crate) struct Mover {
    under_way: Option<UnderWay>,
    /// How many entries are to be moved, when they are enough for a slice.
    owed: usize,
    /// What was moved, and after how many commits that moved some: they are in memory as well while somebody reads who was
    /// there before.
    moved: VecDeque<(u64, Vec<Moved>)>,
}

#[derive(Clone)]
struct UnderWay {
    /// Records up to this number are indexed on the disk when it is over.
    through: u64,
    /// The key that was moved last.
    behind: Option<Arc<[u8]>>,
}

/// A key, and the last number of which its record is on the disk.
type Moved = (Arc<[u8]>, u64);

/// What a batch did.
pub(crate) struct Step {
    under_way: Option<UnderWay>,
    owed: usize,
    moved: Vec<Moved>,
}

impl Mover {
    /// Moves some entries, if there are too many in memory. `added` records came to be in this batch, the last one with this
    /// number.
    pub(super) fn step(
        &self,
        names: &RecentNames,
        tables: &Tables,
        txn: &mut RwTxn,
        added: u64,
        last: u64,
    ) -> heed::Result<Option<Step>> {
        if added == 0 || (self.under_way.is_none() && names.len() <= names.limit) {
            return Ok(None);
        }
        let mut now = self.under_way.clone().unwrap_or(UnderWay { through: last, behind: None });
        let owed = self.owed + MOVED_PER_RECORD * usize::try_from(added).unwrap_or(SLICE);
        if owed < SLICE.min(names.limit / 2 + 1) {
            return Ok(Some(Step { under_way: Some(now), owed, moved: Vec::new() }));
        }
        let next = names.behind(now.behind.as_deref().map_or(Bound::Unbounded, Bound::Excluded), owed);
        let is_over = next.len() < owed;
        let mut moved = Vec::with_capacity(next.len());
        for (key, places) in next {
            for place in places.newest_first().map(Place::key) {
                if tables.deliveries.get(txn, &place)?.is_some() {
                    tables.delivery_names.put(txn, &key, &place)?;
                    break;
                }
            }
            moved.push((key, places.latest.number));
        }
        if is_over {
            tables.counters.put(txn, INDEXED_NUMBER, &now.through)?;
        }
        now.behind = moved.last().map(|(key, _)| Arc::clone(key));
        Ok(Some(Step { under_way: Some(now).filter(|_| !is_over), owed: 0, moved }))
    }

    /// A step is durable.
    pub(crate) fn keep(&mut self, names: &RecentNames, step: Option<Step>) {
        if let Some(Step { under_way, owed, moved }) = step {
            (self.under_way, self.owed) = (under_way, owed);
            if !moved.is_empty() {
                self.moved.push_back((names.readers.advance(), moved));
            }
        }
        while let Some((at, _)) = self.moved.front()
            && names.readers.all_since(*at)
            && let Some((_, moved)) = self.moved.pop_front()
        {
            let mut entries = names.entries();
            for (key, through) in moved {
                entries.remove(&key, through);
            }
        }
    }
}
