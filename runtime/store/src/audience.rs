//! Whom a pushall is for, out of the exact indexes: the keys of the sender and of the tags that everybody must have are walked
//! together, each jumping to where the others are; what else the expression asks is looked up.

use std::ops::Bound;

use heed::RoTxn;
use pusher_core::{Audience, PusherId, StoreError, Tag};

use crate::error::{corrupt, store_error};
use crate::keys::Key;
use crate::open::Opened;
use crate::tables::Index;

/// So many keys are passed over before a walk looks for its place anew, which costs about as much.
const STEPS: usize = 8;

impl Opened {
    /// The ids of those who come behind `after`, `size` at most.
    pub(crate) fn audience(
        &self,
        audience: &Audience,
        after: Option<&PusherId>,
        size: usize,
    ) -> Result<Vec<PusherId>, StoreError> {
        let mut ids = Vec::with_capacity(size.min(1000));
        self.each_of(audience, after, |id| {
            ids.push(PusherId::parse(id).map_err(|error| corrupt("an index key", error.to_string()))?);
            Ok(ids.len() < size)
        })?;
        Ok(ids)
    }

    pub(crate) fn count_audience(&self, audience: &Audience) -> Result<u64, StoreError> {
        let mut count = 0;
        self.each_of(audience, None, |_| {
            count += 1;
            Ok(true)
        })?;
        Ok(count)
    }

    /// Calls `visit` with each id in ascending order, until it says that it is enough.
    fn each_of(
        &self,
        audience: &Audience,
        after: Option<&PusherId>,
        mut visit: impl FnMut(&str) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        let (by_sender, by_tag) = (&self.tables.by_sender, &self.tables.by_tag);
        let required = audience.tags.as_ref().map_or_else(Vec::new, |tags| tags.required());
        let mut walks = vec![Walk::new(by_sender, &txn, audience.sender.as_str(), after)?];
        for tag in required {
            walks.push(Walk::new(by_tag, &txn, tag.as_str(), after)?);
        }
        let has = |tag: &Tag, id: &str| -> Result<bool, StoreError> {
            let found = by_tag.get(&txn, Key::scoped(tag.as_str(), id).as_bytes());
            Ok(found.map_err(|e| store_error(&e))?.is_some())
        };
        // A conjunction of tags is all in the walks.
        let to_look_up = audience.tags.as_ref().filter(|tags| tags.required().len() < terms(tags));
        'next: while let Some(id) = walks[0].id() {
            // All walks at the same id, or the first one at one that another has reached.
            for walk in &mut walks[1..] {
                walk.seek(id)?;
                match walk.id() {
                    None => return Ok(()),
                    Some(other) if other == id => {}
                    Some(other) => {
                        walks[0].seek(other)?;
                        continue 'next;
                    }
                }
            }
            let holds = match to_look_up {
                Some(tags) => tags.try_holds(&mut |tag| has(tag, id))?,
                None => true,
            };
            if holds && !visit(id)? {
                return Ok(());
            }
            walks[0].step()?;
        }
        Ok(())
    }
}

/// How many tags an expression names.
fn terms(tags: &pusher_core::TagExpr) -> usize {
    use pusher_core::TagExpr::{And, Not, Or, Tag};
    match tags {
        Tag(_) => 1,
        Not(expr) => terms(expr),
        And(all) | Or(all) => all.iter().map(terms).sum(),
    }
}

/// The ids under one word of an index, in ascending order.
struct Walk<'t> {
    index: &'t Index,
    txn: &'t RoTxn<'t>,
    word: String,
    prefix: Key,
    keys: heed::RoRange<'t, heed::types::Bytes, heed::types::Unit>,
    at: Option<&'t str>,
}

impl<'t> Walk<'t> {
    fn new(index: &'t Index, txn: &'t RoTxn<'t>, word: &str, after: Option<&PusherId>) -> Result<Self, StoreError> {
        let prefix = Key::scoped(word, "");
        let from = after.map(|id| Key::scoped(word, id.as_str()));
        let start = from.as_ref().map_or(Bound::Included(prefix.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
        let keys = index.range(txn, &(start, Bound::Unbounded)).map_err(|e| store_error(&e))?;
        let mut walk = Self { index, txn, word: word.to_owned(), prefix, keys, at: None };
        walk.step()?;
        Ok(walk)
    }

    /// Where it is; `None`: at its end.
    fn id(&self) -> Option<&'t str> {
        self.at
    }

    fn step(&mut self) -> Result<(), StoreError> {
        let key = self.keys.next().transpose().map_err(|e| store_error(&e))?;
        let id = key.and_then(|(key, ())| key.strip_prefix(self.prefix.as_bytes()));
        let text = id.map(std::str::from_utf8).transpose();
        self.at = text.map_err(|_| corrupt(format!("the index of {:?}", self.word), "a key has no id"))?;
        Ok(())
    }

    /// Goes on to the first id that is not before this one.
    fn seek(&mut self, id: &str) -> Result<(), StoreError> {
        for _ in 0..STEPS {
            if self.at.is_none_or(|at| at >= id) {
                return Ok(());
            }
            self.step()?;
        }
        if self.at.is_some_and(|at| at < id) {
            let from = Key::scoped(&self.word, id);
            let range = (Bound::Included(from.as_bytes()), Bound::Unbounded);
            self.keys = self.index.range(self.txn, &range).map_err(|e| store_error(&e))?;
            self.step()?;
        }
        Ok(())
    }
}
