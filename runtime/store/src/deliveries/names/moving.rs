//! How the writer moves entries to the disk: some at a time, in the order of their keys.

use std::collections::VecDeque;
use std::ops::Bound;

use heed::RwTxn;

use super::{Entry, RecentNames};
use crate::keys::INDEXED_NUMBER;
use crate::recent::{MOVED_PER_ENTRY, slice};
use crate::tables::Tables;

/// What the writer knows of the moving, from batch to batch.
#[derive(Default)]
pub(crate) struct Mover {
    under_way: Option<UnderWay>,
    /// How many entries are to be moved, when they are enough for a slice.
    owed: usize,
    /// What was moved, and how many commits had moved some by then. It is in memory as well while somebody reads who was
    /// there before.
    moved: VecDeque<(u64, Vec<Entry>)>,
}

#[derive(Clone, Copy)]
struct UnderWay {
    /// Records up to this number are indexed on the disk when it is over.
    through: u64,
    /// The entry that was moved last.
    behind: Option<Entry>,
}

/// What a batch did.
pub(crate) struct Step {
    under_way: Option<UnderWay>,
    owed: usize,
    moved: Vec<Entry>,
}

impl Mover {
    /// Moves some entries, if there are too many in memory. `added` records came to be in this batch, the last one with
    /// this number.
    pub(in crate::deliveries) fn step(
        &self,
        names: &RecentNames,
        tables: &Tables,
        txn: &mut RwTxn,
        added: usize,
        last: u64,
    ) -> heed::Result<Option<Step>> {
        if added == 0 || (self.under_way.is_none() && names.len() <= names.limit) {
            return Ok(None);
        }
        let mut now = self.under_way.unwrap_or(UnderWay { through: last, behind: None });
        let owed = self.owed.saturating_add(MOVED_PER_ENTRY.saturating_mul(added));
        if owed < slice(names.limit) {
            return Ok(Some(Step { under_way: Some(now), owed, moved: Vec::new() }));
        }
        let moved = names.next((now.behind.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded), owed);
        for entry in &moved {
            if tables.deliveries.get(txn, &entry.place().key())?.is_some() {
                tables.delivery_index.put(txn, &entry.bytes(), &())?;
            }
        }
        let is_over = moved.len() < owed;
        if is_over {
            tables.counters.put(txn, INDEXED_NUMBER, &now.through)?;
        }
        now.behind = moved.last().copied();
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
            for entry in &moved {
                entries.remove(entry);
            }
        }
    }
}
