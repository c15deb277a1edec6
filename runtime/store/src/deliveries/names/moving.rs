//! How the writer moves entries to the disk: some at a time, in the order of their keys.

use std::collections::VecDeque;
use std::ops::Bound;

use heed::types::Bytes;
use heed::{Database, Env, RwTxn, WithoutTls};

use super::{Entry, RecentNames, entry_of};
use crate::keys::{INDEXED_NUMBER, JobHash, LAST_NUMBER};
use crate::tables::Tables;

/// So many are moved at a time, roughly: enough to share pages, few enough that the commit takes milliseconds.
const SLICE: usize = 1024;
/// For each record that comes so many entries are moved while moving is under way.
const MOVED_PER_RECORD: usize = 2;

/// Records that an upgrade indexes at a time.
const UPGRADED: usize = 1 << 20;

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
        added: u64,
        last: u64,
    ) -> heed::Result<Option<Step>> {
        if added == 0 || (self.under_way.is_none() && names.len() <= names.limit) {
            return Ok(None);
        }
        let mut now = self.under_way.unwrap_or(UnderWay { through: last, behind: None });
        let owed = self.owed + MOVED_PER_RECORD * usize::try_from(added).unwrap_or(SLICE);
        if owed < SLICE.min(names.limit / 2 + 1) {
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

/// Schema 4 had the index in `delivery_names`, with the names in its keys: it is made anew.
pub(crate) fn take_names_over(
    env: &Env<WithoutTls>,
    tables: &Tables,
    txn: &mut RwTxn,
    hash: JobHash,
) -> heed::Result<()> {
    let before: Option<Database<Bytes, Bytes>> = env.open_database(txn, Some("delivery_names"))?;
    let Some(before) = before else { return Ok(()) };
    if before.is_empty(txn)? {
        return Ok(());
    }
    let mut last: Option<Vec<u8>> = None;
    loop {
        let behind = (last.as_deref().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut entries = Vec::new();
        let mut next = None;
        for record in tables.deliveries.range(txn, &behind)?.take(UPGRADED) {
            let (key, bytes) = record?;
            entries.extend(entry_of(hash, key, bytes));
            next = Some(key);
        }
        let Some(next) = next.map(<[u8]>::to_vec) else { break };
        last = Some(next);
        entries.sort_unstable();
        for entry in entries {
            tables.delivery_index.put(txn, &entry.bytes(), &())?;
        }
    }
    let indexed = tables.counters.get(txn, LAST_NUMBER)?.unwrap_or(0);
    tables.counters.put(txn, INDEXED_NUMBER, &indexed)?;
    before.clear(txn)
}
