//! The change log: which recipients changed, in the order of the commits, so that the search index can follow
//! ([`crate::search`]). An entry is written in the same commit as the changes it names, so the two cannot disagree.
//!
//! One entry names as many ids as fit half a page, a commit of thousands of changes makes a few dozen entries, and they
//! are appended: the log costs next to nothing beside the changes themselves. Entries that are indexed are deleted by a
//! later commit that changes something. Nobody has to read the log: when it has grown too long, because there is no
//! index or it has failed, it begins anew, and an index that needs what was in it is rebuilt from the records.
//!
//! ```text
//! entry  = change+
//! change = flags (1: the recipient was new) ‖ length of the id ‖ id
//! ```

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use heed::{PutFlags, RoTxn};
use pusher_core::{PusherId, StoreError};

use crate::batch::Batch;
use crate::error::{Failure, corrupt, store_error};
use crate::tables::Tables;

/// Longest entry: two of them and their keys fit a page of 4 KiB.
const ENTRY_BYTES: usize = 1900;
/// A log longer than this begins anew. It is three million ids of twenty bytes.
const LOG_BYTES: u64 = 64 << 20;
/// How many entries that are indexed one commit deletes, beside as many as it writes.
const PRUNE: usize = 64;

const NEW: u8 = 1;

/// How far the log and the index are, and whom to tell. Sequence numbers are those of entries, counted from 1.
#[derive(Default)]
pub(crate) struct Progress {
    committed: AtomicU64,
    indexed: AtomicU64,
    /// Who follows the log, and whether he sleeps.
    follower: Mutex<Option<Thread>>,
    asleep: AtomicBool,
}

impl Progress {
    /// Where a store begins that was just opened.
    pub(crate) fn starting_at(committed: u64) -> Self {
        Self { committed: AtomicU64::new(committed), ..Self::default() }
    }

    /// The last entry that was committed. All changes that were answered are in it or before it.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Says that entries up to this one are no longer needed.
    pub(crate) fn set_indexed(&self, seq: u64) {
        self.indexed.store(seq, Ordering::Release);
    }

    /// Makes this thread the one that follows the log; `None`: nobody does.
    pub(crate) fn set_follower(&self, thread: Option<Thread>) {
        *self.follower() = thread;
    }

    /// Sleeps until there is a later entry than `seq`, or somebody wakes the follower, who calls this. It may wake for
    /// nothing.
    pub(crate) fn park_until_change(&self, seq: u64) {
        self.asleep.store(true, Ordering::SeqCst);
        if self.committed.load(Ordering::SeqCst) == seq {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Wakes the follower.
    pub(crate) fn wake(&self) {
        if let Some(thread) = &*self.follower() {
            thread.unpark();
        }
    }

    /// Says that entries up to this one are durable.
    pub(crate) fn announce(&self, seq: u64) {
        self.committed.store(seq, Ordering::SeqCst);
        // A follower that is busy looks by itself: it is not woken for every commit of a long import.
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    fn follower(&self) -> MutexGuard<'_, Option<Thread>> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a batch adds to the log.
#[derive(Default)]
pub(crate) struct NewEntries {
    /// The number of the last entry; `None` until it is looked up.
    last: Option<u64>,
    entry: Vec<u8>,
    written: usize,
}

impl Batch<'_> {
    /// Logs that a recipient changed, or is new.
    pub(crate) fn log_change(&mut self, id: &str, is_new: bool) -> Result<(), Failure> {
        if self.log.entry.len() + 2 + id.len() > ENTRY_BYTES {
            self.write_entry()?;
        }
        // An id is at most 222 bytes long.
        self.log.entry.extend_from_slice(&[if is_new { NEW } else { 0 }, id.len() as u8]);
        self.log.entry.extend_from_slice(id.as_bytes());
        Ok(())
    }

    fn write_entry(&mut self) -> Result<(), Failure> {
        let log = self.tables.changes;
        let last = match self.log.last {
            Some(last) => last,
            None => {
                let last = last_entry(self.tables, &self.txn)?;
                if self.tables.log_bytes(&self.txn)? > LOG_BYTES {
                    tracing::warn!("the log of changes is full and begins anew; the search index will be rebuilt");
                    log.clear(&mut self.txn)?;
                }
                last
            }
        };
        let seq = last + 1;
        log.put_with_flags(&mut self.txn, PutFlags::APPEND, &seq, &self.log.entry)?;
        self.log.entry.clear();
        self.log.last = Some(seq);
        self.log.written += 1;
        Ok(())
    }

    /// Writes what is left to write, and deletes what is no longer needed. The number to announce after the commit, if
    /// anything was logged.
    pub(crate) fn finish_log(&mut self) -> Result<Option<u64>, Failure> {
        if !self.log.entry.is_empty() {
            self.write_entry()?;
        }
        if self.log.written == 0 {
            return Ok(None);
        }
        let indexed = self.store.progress.indexed.load(Ordering::Acquire);
        for _ in 0..self.log.written + PRUNE {
            match self.tables.changes.first(&self.txn)? {
                Some((seq, _)) if seq <= indexed && Some(seq) != self.log.last => {
                    self.tables.changes.delete(&mut self.txn, &seq)?;
                }
                _ => break,
            }
        }
        Ok(self.log.last)
    }
}

/// The number of the last entry; 0 if there never was one.
pub(crate) fn last_entry(tables: &Tables, txn: &RoTxn) -> heed::Result<u64> {
    Ok(tables.changes.last(txn)?.map_or(0, |(seq, _)| seq))
}

/// A recipient that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The entry that says so.
    pub(crate) seq: u64,
    pub(crate) id: PusherId,
    /// There was none with this id before.
    pub(crate) is_new: bool,
}

/// A part of the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogPart {
    pub(crate) changes: Vec<Changed>,
    /// The last entry in this part.
    pub(crate) until: u64,
}

/// Reads entries after `seq`, until they name `enough` changes or there are no more. `None`: the log begins later.
pub(crate) fn read_log(tables: &Tables, txn: &RoTxn, seq: u64, enough: usize) -> Result<Option<LogPart>, StoreError> {
    let lmdb = |e| store_error(&e);
    let mut part = LogPart { changes: Vec::new(), until: seq };
    let range = (Bound::Excluded(seq), Bound::Unbounded);
    for entry in tables.changes.range(txn, &range).map_err(lmdb)? {
        let (next, bytes) = entry.map_err(lmdb)?;
        if next != part.until + 1 {
            return Ok(None);
        }
        decode(next, bytes, &mut part.changes)?;
        part.until = next;
        if part.changes.len() >= enough {
            break;
        }
    }
    Ok(Some(part))
}

fn decode(seq: u64, mut bytes: &[u8], changes: &mut Vec<Changed>) -> Result<(), StoreError> {
    let wrong = || corrupt(format!("change {seq}"), "it names no recipient");
    while let Some(([flags, length], rest)) = bytes.split_first_chunk() {
        let (id, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(wrong)?;
        let id = std::str::from_utf8(id).ok().and_then(|id| PusherId::parse(id).ok()).ok_or_else(wrong)?;
        changes.push(Changed { seq, id, is_new: flags & NEW != 0 });
        bytes = rest;
    }
    if bytes.is_empty() { Ok(()) } else { Err(wrong()) }
}
