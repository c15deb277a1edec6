//! The index of deliveries by name: three keyed hashes, of the recipient, the name and the sender, then the place of the
//! record. So the messages of a recipient lie together, and what has hashes in common is told apart by reading the records.
//!
//! It has two parts: the entries of the newest records are in memory, those of older ones in `delivery_index`. Why, and how
//! they get there, is as with the indexes of jobs ([`crate::recent`]): each message that ends would dirty a page of its own.
//!
//! Other than there, readers need both parts, each as its own transaction sees it. So an entry in memory only says where a
//! record **may** be: no number is given twice, so it is there if `deliveries` has it in the transaction of whoever looks.
//! What must hold is that no entry is missing: it comes before the commit that makes its record, and goes when the index on
//! the disk has it, for everybody who reads ([`readers`]). Nothing is undone with a transaction, and the entry of a record
//! that is gone waits until its turn to be moved comes.
//!
//! On the disk there are entries of records that are there, and no others. Those of records with numbers up to the one under
//! [`INDEXED_NUMBER`] are on the disk; those behind are read into memory when the store is opened.

mod entry;
mod moving;
mod readers;
mod upgrade;

use std::collections::BTreeSet;
use std::ops::{Bound, Deref};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heed::{RoTxn, WithoutTls};
use pusher_core::{JobName, SenderName, StoreError};

use super::record::{KEPT, Kept, Place, decode};
use crate::error::store_error;
use crate::keys::{INDEXED_NUMBER, KeyedHash};
use crate::open::Opened;
use crate::tables::Tables;
pub(super) use entry::{Entry, Named};
pub(crate) use moving::{Mover, Step};
use readers::{Readers, Reading};
pub(crate) use upgrade::take_names_over;

/// With so many entries in memory they begin to be moved to the disk, by default. There are never more than half as many
/// again: at 40 bytes each, in a tree that may be half full, 15 MB at most.
pub(crate) const RECENT_NAMES: usize = 1 << 17;
/// A walk through memory lets the writer in between so many entries.
const STRETCH: usize = 1024;
/// What an entry will take on the disk with what LMDB adds, on a page that may be half full.
const ENTRY_BYTES: u64 = 2 * (Entry::BYTES as u64 + 10);

/// The part in memory.
pub(crate) struct RecentNames {
    hash: KeyedHash,
    entries: Mutex<BTreeSet<Entry>>,
    readers: Readers,
    limit: usize,
}

/// A record that was found.
pub(super) struct Found {
    pub(super) place: Place,
    /// What it says, or why it cannot be read.
    pub(super) kept: Result<Kept, StoreError>,
}

impl RecentNames {
    /// Reads what belongs into memory. A record that cannot be read has no name: it is passed over with a warning.
    pub(crate) fn load(tables: &Tables, txn: &RoTxn, hash: KeyedHash, limit: usize) -> heed::Result<Self> {
        let indexed = tables.counters.get(txn, INDEXED_NUMBER)?.unwrap_or(0);
        let mut entries = Vec::new();
        for state in KEPT {
            let [last, end] = [indexed, u64::MAX].map(|number| Place { state, number }.key());
            let behind = (Bound::Excluded(&last[..]), Bound::Included(&end[..]));
            for record in tables.deliveries.range(txn, &behind)? {
                let (key, bytes) = record?;
                entries.extend(entry_of(hash, key, bytes));
            }
        }
        let entries = Mutex::new(entries.into_iter().collect());
        Ok(Self { hash, entries, readers: Readers::default(), limit })
    }

    /// Under what a delivery is found.
    pub(super) fn named(&self, sender: &SenderName, name: &JobName) -> Named {
        Named::of(self.hash, name, sender)
    }

    /// A record is about to be there, of a number that was never given before.
    pub(super) fn insert(&self, entry: Entry) {
        self.entries().insert(entry);
    }

    /// How much room the entries will take on the disk.
    pub(crate) fn bytes_to_come(&self) -> u64 {
        self.len() as u64 * ENTRY_BYTES
    }

    pub(super) fn len(&self) -> usize {
        self.entries().len()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeSet<Entry>> {
        // Each change is whole before anything can panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next entries, in their order.
    fn next(&self, range: (Bound<Entry>, Bound<Entry>), many: usize) -> Vec<Entry> {
        self.entries().range(range).take(many).copied().collect()
    }

    /// The record of this sender and name in `txn`, which is [`named`](Self::named) so.
    pub(super) fn find(
        &self,
        tables: &Tables,
        txn: &RoTxn,
        named: Named,
        (sender, name): (&SenderName, &JobName),
    ) -> heed::Result<Option<Found>> {
        // One that cannot be read is taken for it if there is no other: nothing else says so much as all three hashes.
        let mut unreadable = None;
        let mut is_it = |place: Place| -> heed::Result<Option<Found>> {
            let Some(bytes) = tables.deliveries.get(txn, &place.key())? else { return Ok(None) };
            match decode(place, bytes) {
                Ok(kept) if kept.delivery.name == *name && kept.delivery.sender == *sender => {
                    return Ok(Some(Found { place, kept: Ok(kept) }));
                }
                Ok(_) => {}
                Err(error) => unreadable = Some(Found { place, kept: Err(error) }),
            }
            Ok(None)
        };
        let [first, last] = named.range();
        for entry in self.next((Bound::Included(first), Bound::Included(last)), usize::MAX) {
            if let Some(found) = is_it(entry.place())? {
                return Ok(Some(found));
            }
        }
        for entry in tables.delivery_index.prefix_iter(txn, &named.bytes())? {
            if let Some(place) = Entry::place_in(entry?.0)
                && let Some(found) = is_it(place)?
            {
                return Ok(Some(found));
            }
        }
        Ok(unreadable)
    }

    /// Where records of a recipient may be, or of one of its names: each place once, from the earliest on.
    pub(super) fn places(&self, tables: &Tables, txn: &RoTxn, of: Wanted<'_>) -> heed::Result<Vec<Place>> {
        let [first, last] = match of {
            Wanted::Recipient(id) => Named::all_of(self.hash, id),
            Wanted::Name(name) => Named::all_named(self.hash, name),
        };
        let mut places = Vec::new();
        let mut from = Bound::Included(first);
        loop {
            let found = self.next((from, Bound::Included(last)), STRETCH);
            let Some(behind) = found.last() else { break };
            from = Bound::Excluded(*behind);
            places.extend(found.into_iter().map(Entry::place));
        }
        let [first, last] = [first, last].map(Entry::bytes);
        for entry in tables.delivery_index.range(txn, &(Bound::Included(&first[..]), Bound::Included(&last[..])))? {
            places.extend(Entry::place_in(entry?.0));
        }
        places.sort_unstable_by_key(|place| place.number);
        places.dedup();
        Ok(places)
    }
}

/// Whose deliveries are looked for.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    Recipient(&'a str),
    Name(&'a JobName),
}

/// The entry of a record; `None`, with a warning, if it cannot be read.
pub(super) fn entry_of(hash: KeyedHash, key: &[u8], bytes: &[u8]) -> Option<Entry> {
    let place = Place::of_key(key)?;
    match decode(place, bytes) {
        Ok(kept) => Some(Named::of(hash, &kept.delivery.name, &kept.delivery.sender).at(place)),
        Err(error) => {
            tracing::warn!(%error, "a delivery cannot be found by its name");
            None
        }
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
