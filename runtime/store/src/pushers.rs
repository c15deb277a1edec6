//! What a change to a recipient does to the tables, and reading them. What a change *means* is decided by
//! [`Change::apply`](pusher_core::Change::apply); the indexes follow from the record before and after ([`crate::index`]).

use std::ops::Bound;

use heed::RoTxn;
use pusher_core::{Applied, Cursor, Pusher, PusherChange, PusherId, PusherList, Scope, SenderName, StoreError};

use crate::batch::Batch;
use crate::error::{Failure, corrupt, store_error};
use crate::keys::{Key, id_of_created};
use crate::open::Opened;
use crate::pusher_record::{decode, encode, has_sender};
use crate::ranks::Place;

impl Batch<'_> {
    pub(crate) fn apply_change(&mut self, change: &PusherChange) -> Result<Applied, Failure> {
        let id = &change.id;
        let stored = self.tables.pushers.get(&self.txn, id.as_str())?;
        let stored_len = stored.map_or(0, <[u8]>::len);
        let before = stored.map(|bytes| decode(id, bytes)).transpose().map_err(Failure::Refused)?;
        let (after, applied) = change.change.apply(id, before.as_ref());
        if !applied.is_different() {
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
        self.indexes.gather(id.as_str(), before.as_ref(), after.as_ref());
        self.log_change(id.as_str(), before.is_none())?;
        Ok(applied)
    }
}

impl Opened {
    pub(crate) fn get_pushers(&self, ids: &[PusherId]) -> Result<Vec<Option<Pusher>>, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        ids.iter().map(|id| self.read_pusher(&txn, id)).collect()
    }

    pub(crate) fn pusher_has_sender(&self, id: &PusherId, sender: &SenderName) -> Result<Option<bool>, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.env.read_txn().map_err(lmdb)?;
        let bytes = self.tables.pushers.get(&txn, id.as_str()).map_err(lmdb)?;
        bytes.map(|bytes| has_sender(id, bytes, sender)).transpose()
    }

    /// The recipients with these ids, in the same order, without those that are not there.
    pub(crate) fn get_pushers_named(&self, ids: &[String]) -> Result<Vec<Pusher>, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        let read = |id: &String| match PusherId::parse(id) {
            Ok(id) => self.read_pusher(&txn, &id).transpose(),
            Err(error) => Some(Err(corrupt(format!("pusher {id}"), error.to_string()))),
        };
        ids.iter().filter_map(read).collect()
    }

    /// Cut by an offset: the place is looked up ([`crate::ranks`]), and read from there.
    pub(crate) fn list_pushers(&self, from: u64, size: usize) -> Result<PusherList, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.env.read_txn().map_err(lmdb)?;
        match self.tables.locate(&txn, from).map_err(lmdb)? {
            Some(Place { before, skip }) => self.read_list(&txn, before, skip, size),
            None => self.read_list(&txn, None, 0, 0),
        }
    }

    /// What comes behind a recipient, who need not be there.
    pub(crate) fn list_pushers_after(&self, after: Option<&Cursor>, size: usize) -> Result<PusherList, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        let after = after.map(|after| Key::created(after.created_at, after.id.as_str()));
        self.read_list(&txn, after.as_ref().map(Key::as_bytes), 0, size)
    }

    /// `size` recipients, going down from the key `before` (`None`: from the newest) after the first `skip`.
    fn read_list(
        &self,
        txn: &RoTxn,
        before: Option<&[u8]>,
        skip: usize,
        size: usize,
    ) -> Result<PusherList, StoreError> {
        let lmdb = |e| store_error(&e);
        let total = self.tables.pushers.len(txn).map_err(lmdb)?;
        let range = (Bound::Unbounded, before.map_or(Bound::Unbounded, Bound::Excluded));
        let mut pushers = Vec::new();
        for entry in self.tables.by_created.rev_range(txn, &range).map_err(lmdb)?.skip(skip).take(size) {
            let (key, ()) = entry.map_err(lmdb)?;
            let id = id_of_created(key).and_then(|id| PusherId::parse(id).ok());
            let id = id.ok_or_else(|| corrupt("by_created", "a key has no id"))?;
            let missing = || corrupt(format!("pusher {id}"), "the index names it and it is not there");
            pushers.push(self.read_pusher(txn, &id)?.ok_or_else(missing)?);
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

    pub(crate) fn read_pusher(&self, txn: &RoTxn, id: &PusherId) -> Result<Option<Pusher>, StoreError> {
        let bytes = self.tables.pushers.get(txn, id.as_str()).map_err(|e| store_error(&e))?;
        bytes.map(|bytes| decode(id, bytes)).transpose()
    }
}
