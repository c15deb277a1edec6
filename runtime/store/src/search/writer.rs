//! Writes recipients into the index: all of them, or those that the log of changes names.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use heed::RoTxn;
use pusher_core::{Pusher, PusherId, StoreError};
use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::LogMergePolicy;
use tantivy::{Index, IndexWriter, TantivyError};

use super::fields::Fields;
use super::files::Label;
use crate::changes::{self, Changed, LogPart};
use crate::error::{corrupt, store_error};
use crate::open::Opened;
use crate::pusher_record::decode;

/// How much memory recipients that are being indexed may take before they are written to the disk.
const MEMORY: usize = 32 << 20;
/// How many records are read, or changes followed, at a time. Reading holds a transaction open, and no page that is
/// replaced meanwhile is used again.
const PART: usize = 20_000;
/// A part of the index in which more than this share are dead is written anew.
const DEAD_SHARE: f32 = 0.25;

/// An update of the index under way; nothing of it can be searched before the commit.
pub(crate) struct IndexUpdate<'s> {
    store: &'s Opened,
    fields: &'s Fields,
    writer: IndexWriter,
    known: Known,
}

/// Who may be in the index although the log is yet to say that he is new: records are read as they are now, and the log
/// a part at a time. Whoever is new and not known is added without looking for what he replaces, which makes an import
/// several times as fast.
struct Known {
    /// Everybody up to this entry of the log.
    until: u64,
    /// And these, by a hash of their ids; those who are taken for them by mistake are looked for in vain.
    also: HashSet<u64>,
    hasher: RandomState,
}

/// More than so many are not remembered one by one.
const REMEMBERED: usize = 1_000_000;

impl Known {
    fn includes(&self, change: &Changed) -> bool {
        !change.is_new || change.seq <= self.until || self.also.contains(&self.hasher.hash_one(&change.id))
    }

    /// Remembers a part of the log whose records were read when `newest` was its last entry.
    fn add(&mut self, part: &LogPart, newest: u64) {
        if part.until >= newest {
            self.also.clear();
        } else if self.also.len() + part.changes.len() > REMEMBERED {
            self.also.clear();
            self.until = newest;
        } else {
            self.also.extend(part.changes.iter().map(|change| self.hasher.hash_one(&change.id)));
        }
    }
}

/// Why an update failed.
#[derive(Debug)]
pub(crate) enum UpdateError {
    Store(StoreError),
    Index(TantivyError),
}

impl From<StoreError> for UpdateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TantivyError> for UpdateError {
    fn from(error: TantivyError) -> Self {
        Self::Index(error)
    }
}

impl<'s> IndexUpdate<'s> {
    pub(crate) fn begin(store: &'s Opened, fields: &'s Fields, index: &Index) -> Result<Self, TantivyError> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(MEMORY)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = index.writer_with_options(options)?;
        let mut merging = LogMergePolicy::default();
        merging.set_del_docs_ratio_before_merge(DEAD_SHARE);
        writer.set_merge_policy(Box::new(merging));
        // Not even the index that was opened is without records that were read ahead of the log.
        let known = Known { until: store.progress.committed(), also: HashSet::new(), hasher: RandomState::new() };
        Ok(Self { store, fields, writer, known })
    }

    /// Adds the records that come after `last`, a part of them: how many, and after which to go on; `None`: these were
    /// all.
    pub(crate) fn add_records(&mut self, last: Option<&PusherId>) -> Result<(u64, Option<PusherId>), UpdateError> {
        let mut read = 0;
        let mut next = None;
        let txn = self.store.env.read_txn().map_err(lmdb)?;
        self.known.until = changes::last_entry(&self.store.tables, &txn).map_err(lmdb)?;
        let records = match last {
            Some(last) => self.store.tables.pushers.range(&txn, &after(last)).map_err(lmdb)?,
            None => self.store.tables.pushers.range(&txn, &..).map_err(lmdb)?,
        };
        for record in records.take(PART) {
            let (id, bytes) = record.map_err(lmdb)?;
            let id = PusherId::parse(id).map_err(|error| corrupt(format!("pusher {id}"), error.to_string()))?;
            self.add(decode(&id, bytes))?;
            read += 1;
            next = (read == PART).then_some(id);
        }
        Ok((read as u64, next))
    }

    /// Indexes anew whom the log names after `seq`, a part of it: the last entry that is done then. `None`: the log no
    /// longer reaches back so far.
    pub(crate) fn replay(&mut self, seq: u64) -> Result<Option<u64>, UpdateError> {
        let txn = self.store.env.read_txn().map_err(lmdb)?;
        let Some(part) = changes::read_log(&self.store.tables, &txn, seq, PART)? else { return Ok(None) };
        let mut seen = HashSet::with_capacity(part.changes.len());
        for change in &part.changes {
            // Who is named several times is indexed once; the first time says whether he is new.
            if !seen.insert(&change.id) {
                continue;
            }
            if self.known.includes(change) {
                self.writer.delete_term(self.fields.key_of(change.id.as_str()));
            }
            self.add_if_there(&txn, &change.id)?;
        }
        self.known.add(&part, changes::last_entry(&self.store.tables, &txn).map_err(lmdb)?);
        Ok(Some(part.until))
    }

    fn add_if_there(&mut self, txn: &RoTxn, id: &PusherId) -> Result<(), UpdateError> {
        match self.store.read_pusher(txn, id).transpose() {
            Some(record) => self.add(record),
            None => Ok(()),
        }
    }

    fn add(&mut self, record: Result<Pusher, StoreError>) -> Result<(), UpdateError> {
        match record {
            Ok(pusher) => match self.writer.add_document(self.fields.document(&pusher)) {
                Ok(_) => {}
                // The thread that writes has ended, and a commit says why.
                Err(error) => return Err(self.writer.prepare_commit().err().unwrap_or(error).into()),
            },
            // Nobody finds it; whoever asks for it by its id is told what is wrong.
            Err(error @ StoreError::Corrupt { .. }) => tracing::error!(%error, "a recipient cannot be indexed"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Makes everything up to this change durable and searchable.
    pub(crate) fn commit(&mut self, seq: u64) -> Result<(), TantivyError> {
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&Label { identity: self.store.identity, seq }.write());
        commit.commit()?;
        Ok(())
    }
}

fn after(last: &PusherId) -> (std::ops::Bound<&str>, std::ops::Bound<&str>) {
    (std::ops::Bound::Excluded(last.as_str()), std::ops::Bound::Unbounded)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn lmdb(error: heed::Error) -> UpdateError {
    UpdateError::Store(store_error(&error))
}
