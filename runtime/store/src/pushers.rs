//! What a change to a recipient does to the tables, and reading them. What a change *means* is decided by
//! [`Change::apply`](pusher_core::Change::apply); here the indexes follow from the record before and after.

use std::ops::Bound;

use heed::{RoTxn, RwTxn};
use pusher_core::{Applied, Pusher, PusherChange, PusherId, PusherList, Scope, StoreError};

use crate::batch::Batch;
use crate::error::{Failure, corrupt, store_error};
use crate::keys::{Key, id_of_created};
use crate::open::Opened;
use crate::tables::{Index, Tables};

/// The version of a record: its first byte, before the JSON.
const VERSION: u8 = 1;

impl Batch<'_> {
    pub(crate) fn apply_change(&mut self, change: &PusherChange) -> Result<Applied, Failure> {
        let id = &change.id;
        let stored = self.tables.pushers.get(&self.txn, id.as_str())?;
        let stored_len = stored.map_or(0, <[u8]>::len);
        let before = stored.map(|bytes| decode(id.as_str(), bytes)).transpose().map_err(Failure::Refused)?;
        let (after, applied) = change.change.apply(id, before.as_ref());
        if matches!(applied, Applied::Unchanged | Applied::Missing) {
            return Ok(applied);
        }
        match &after {
            Some(after) => {
                encode(after, self.scratch).map_err(Failure::Refused)?;
                if self.scratch.len() > stored_len {
                    self.room.take(self.scratch.len() - stored_len)?;
                }
                self.tables.pushers.put(&mut self.txn, id.as_str(), self.scratch)?;
            }
            None => {
                self.tables.pushers.delete(&mut self.txn, id.as_str())?;
            }
        }
        self.index(id.as_str(), before.as_ref(), after.as_ref())?;
        self.log_change(id.as_str(), before.is_none())?;
        Ok(applied)
    }

    /// Brings the indexes from what `before` says to what `after` says.
    fn index(&mut self, id: &str, before: Option<&Pusher>, after: Option<&Pusher>) -> heed::Result<()> {
        let Tables { by_created, by_sender, by_tag, .. } = self.tables;
        let txn = &mut self.txn;
        let (old, new) = (before.map(|p| p.created_at), after.map(|p| p.created_at));
        if old != new {
            if let Some(old) = old {
                by_created.delete(txn, Key::created(old, id).as_bytes())?;
            }
            if let Some(new) = new {
                by_created.put(txn, Key::created(new, id).as_bytes(), &())?;
            }
        }
        let (old, new) = (before.map_or(&[][..], |p| &p.senders), after.map_or(&[][..], |p| &p.senders));
        index_words(txn, by_sender, id, old, new, |sender| sender.as_str())?;
        let (old, new) = (before.map_or(&[][..], |p| &p.tags), after.map_or(&[][..], |p| &p.tags));
        index_words(txn, by_tag, id, old, new, |tag| tag.as_str())
    }
}

/// Takes `id` out under the words that went and enters it under those that came.
fn index_words<W: PartialEq>(
    txn: &mut RwTxn,
    index: &Index,
    id: &str,
    before: &[W],
    after: &[W],
    text: fn(&W) -> &str,
) -> heed::Result<()> {
    for gone in before.iter().filter(|word| !after.contains(word)) {
        index.delete(txn, Key::scoped(text(gone), id).as_bytes())?;
    }
    for new in after.iter().filter(|word| !before.contains(word)) {
        index.put(txn, Key::scoped(text(new), id).as_bytes(), &())?;
    }
    Ok(())
}

fn encode(pusher: &Pusher, out: &mut Vec<u8>) -> Result<(), StoreError> {
    out.clear();
    out.push(VERSION);
    serde_json::to_writer(out, pusher).map_err(|e| StoreError::Failed(format!("the record has no JSON form: {e}")))
}

pub(crate) fn decode(id: &str, bytes: &[u8]) -> Result<Pusher, StoreError> {
    let wrong = |reason: String| corrupt(format!("pusher {id}"), reason);
    match bytes.split_first() {
        Some((&VERSION, json)) => {
            let pusher: Pusher = serde_json::from_slice(json).map_err(|e| wrong(e.to_string()))?;
            if pusher.id.as_str() != id {
                return Err(wrong(format!("it is the record of {}", pusher.id)));
            }
            Ok(pusher)
        }
        Some((version, _)) => Err(wrong(format!("its encoding is version {version}; this program knows {VERSION}"))),
        None => Err(wrong("it is empty".into())),
    }
}

impl Opened {
    pub(crate) fn get_pushers(&self, ids: &[PusherId]) -> Result<Vec<Option<Pusher>>, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        ids.iter().map(|id| self.read_pusher(&txn, id.as_str())).collect()
    }

    /// The recipients with these ids, in the same order, without those that are not there.
    pub(crate) fn get_pushers_named(&self, ids: &[String]) -> Result<Vec<Pusher>, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        ids.iter().filter_map(|id| self.read_pusher(&txn, id).transpose()).collect()
    }

    /// Walks the index from the newest, so its cost grows with `from`.
    pub(crate) fn list_pushers(&self, from: u64, size: usize) -> Result<PusherList, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.env.read_txn().map_err(lmdb)?;
        let total = self.tables.pushers.len(&txn).map_err(lmdb)?;
        let mut pushers = Vec::new();
        if from < total {
            let skip = usize::try_from(from).unwrap_or(usize::MAX);
            for entry in self.tables.by_created.rev_iter(&txn).map_err(lmdb)?.skip(skip).take(size) {
                let (key, ()) = entry.map_err(lmdb)?;
                let id = id_of_created(key).ok_or_else(|| corrupt("by_created", "a key has no id"))?;
                let missing = || corrupt(format!("pusher {id}"), "the index names it and it is not there");
                pushers.push(self.read_pusher(&txn, id)?.ok_or_else(missing)?);
            }
        }
        Ok(PusherList { total, pushers })
    }

    pub(crate) fn count_pushers(&self) -> Result<u64, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        self.tables.pushers.len(&txn).map_err(|e| store_error(&e))
    }

    pub(crate) fn page_of(
        &self,
        scope: &Scope,
        after: Option<&PusherId>,
        size: usize,
    ) -> Result<Vec<PusherId>, StoreError> {
        let lmdb = |e| store_error(&e);
        let (index, word) = match scope {
            Scope::Sender(sender) => (&self.tables.by_sender, sender.as_str()),
            Scope::Tag(tag) => (&self.tables.by_tag, tag.as_str()),
        };
        let prefix = Key::scoped(word, "");
        let after = after.map(|id| Key::scoped(word, id.as_str()));
        let start = after.as_ref().map_or(Bound::Included(prefix.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
        let txn = self.env.read_txn().map_err(lmdb)?;
        let mut ids = Vec::new();
        for entry in index.range(&txn, &(start, Bound::Unbounded)).map_err(lmdb)?.take(size) {
            let (key, ()) = entry.map_err(lmdb)?;
            let Some(id) = key.strip_prefix(prefix.as_bytes()) else { break };
            let id = std::str::from_utf8(id).ok().and_then(|id| PusherId::parse(id).ok());
            ids.push(id.ok_or_else(|| corrupt(format!("{scope:?}"), "an index key has no id"))?);
        }
        Ok(ids)
    }

    pub(crate) fn read_pusher(&self, txn: &RoTxn, id: &str) -> Result<Option<Pusher>, StoreError> {
        let bytes = self.tables.pushers.get(txn, id).map_err(|e| store_error(&e))?;
        bytes.map(|bytes| decode(id, bytes)).transpose()
    }
}
