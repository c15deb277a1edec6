//! One write transaction, and what is kept beside it until the commit: the next job number, how the newest part of the
//! indexes of jobs and of deliveries, the counts of funcs and of pushalls and the indexes of recipients changed, which
//! recipients did, and how much room is left.

use std::collections::HashMap;

use bytes::Bytes;
use heed::RwTxn;
use pusher_core::StoreError;

use crate::changes::NewEntries;
use crate::deliveries::{Mover, Numbers};
use crate::error::Failure;
use crate::index::IndexChanges;
use crate::keys::{Key, LAST_SEQ};
use crate::open::{INDEXED_JOBS_KEY, Opened};
use crate::pushalls::CountChanges;
use crate::recent::{RecentBatch, RecentJobs};
use crate::tables::Tables;

/// What the writer keeps from batch to batch.
pub(crate) struct Kept {
    /// The newest part of the indexes of jobs.
    pub(crate) recent: RecentJobs,
    /// How far the newest part of the index of deliveries has been moved.
    pub(crate) mover: Mover,
    /// The last number of the delivery log that was given, in a transaction that was committed or in another one.
    pub(crate) last_number: u64,
    /// Where records are encoded, so that it is allocated once.
    pub(crate) scratch: Vec<u8>,
}

/// A write transaction under way. Dropped without [`commit`](Self::commit), nothing of it happened.
pub(crate) struct Batch<'s> {
    pub(crate) store: &'s Opened,
    pub(crate) tables: &'s Tables,
    pub(crate) txn: RwTxn<'s>,
    pub(crate) room: Room,
    pub(crate) seqs: Seqs,
    pub(crate) recent: RecentBatch<'s>,
    pub(crate) mover: &'s mut Mover,
    pub(crate) counts: FuncCounts,
    pub(crate) indexes: IndexChanges,
    pub(crate) log: NewEntries,
    pub(crate) numbers: Numbers<'s>,
    pub(crate) pushall_counts: CountChanges,
    /// Where records are encoded.
    pub(crate) scratch: &'s mut Vec<u8>,
}

impl<'s> Batch<'s> {
    pub(crate) fn begin(store: &'s Opened, kept: &'s mut Kept) -> Result<Self, Failure> {
        let tables = &store.tables;
        let txn = store.env.write_txn()?;
        let Kept { recent, mover, last_number, scratch } = kept;
        let used = tables.used_bytes(&txn)? + recent.bytes_to_come() + store.names.bytes_to_come();
        let room = Room::new(store.env.info().map_size as u64, used);
        let last = tables.counters.get(&txn, LAST_SEQ)?.unwrap_or(0);
        let seqs = Seqs { stored: last, last };
        let recent = recent.begin(tables, &txn)?;
        let numbers = Numbers::behind(last_number);
        let (counts, indexes, log, pushall_counts) = Default::default();
        Ok(Self {
            store,
            tables,
            txn,
            room,
            seqs,
            recent,
            mover,
            counts,
            indexes,
            log,
            numbers,
            pushall_counts,
            scratch,
        })
    }

    /// Makes everything that was done durable.
    pub(crate) fn commit(mut self) -> Result<(), Failure> {
        if self.seqs.last != self.seqs.stored {
            self.tables.counters.put(&mut self.txn, LAST_SEQ, &self.seqs.last)?;
        }
        if let Some(frontier) = self.recent.move_some(self.tables, &mut self.txn, self.seqs.last)? {
            self.tables.meta.put(&mut self.txn, INDEXED_JOBS_KEY, &frontier.encode())?;
        }
        self.keep_pushall_counts()?;
        let moved = self.move_names()?;
        self.keep_number()?;
        self.counts.write(self.tables, &mut self.txn)?;
        self.indexes.write(self.tables, &mut self.txn)?;
        let logged = self.finish_log()?;
        self.txn.commit()?;
        self.recent.keep();
        self.mover.keep(&self.store.names, moved);
        self.store.recorded.add(&self.numbers);
        if let Some(seq) = logged {
            self.store.progress.announce(seq);
        }
        Ok(())
    }
}

/// The numbers of jobs: each is given once, also after a restart and after the last job is gone.
pub(crate) struct Seqs {
    stored: u64,
    last: u64,
}

impl Seqs {
    /// The next number, counted from 1.
    pub(crate) fn give(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// How many jobs each func gained or lost in this batch: one write per func, however many jobs.
#[derive(Default)]
pub(crate) struct FuncCounts(HashMap<Bytes, i64>);

impl FuncCounts {
    pub(crate) fn add(&mut self, func: &[u8], n: i64) {
        match self.0.get_mut(func) {
            Some(count) => *count += n,
            None => {
                self.0.insert(Bytes::copy_from_slice(func), n);
            }
        }
    }

    fn write(&self, tables: &Tables, txn: &mut RwTxn) -> heed::Result<()> {
        for (func, &change) in self.0.iter().filter(|(_, change)| **change != 0) {
            let key = Key::jobs_of(func);
            let before = tables.counters.get(txn, key.as_bytes())?.unwrap_or(0);
            match before.saturating_add_signed(change) {
                0 => {
                    tables.counters.delete(txn, key.as_bytes())?;
                }
                count => tables.counters.put(txn, key.as_bytes(), &count)?,
            }
        }
        Ok(())
    }
}

/// How much may still be added. Deleting needs free pages too, so what grows the store ends at nine tenths of the map.
///
/// The rule: what the trees occupy when a batch begins, plus what the batch has added so far (a record counts twice,
/// because it may leave half a page empty, and its keys), must stay below nine tenths. Free pages count as room; what a
/// batch deletes is room for the next one.
pub(crate) struct Room {
    left: u64,
}

/// What an entry costs beside its record: its keys in three or four trees, and the pages these share.
const ENTRY_BYTES: u64 = 512;

impl Room {
    fn new(map: u64, used: u64) -> Self {
        Self { left: (map / 10 * 9).saturating_sub(used) }
    }

    /// Sets room aside for a record of so many bytes.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Failure> {
        let bytes = 2 * bytes as u64 + ENTRY_BYTES;
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Failure::Refused(StoreError::Full(
                "nine tenths of its map are in use; delete something, or restart with a larger map size".into(),
            ))),
        }
    }
}
