//! How many keys of `by_created` lie in which stretch of it, so that the recipient at any place of the list is found
//! without walking there from the beginning.
//!
//! `created_counts` holds the first key of each stretch and how many keys the stretch has: at most [`FULL`]. It is
//! written in the transaction that writes `by_created`, so a reader's snapshot of the two always agrees. To find a place,
//! the counts are added up from the newest (one entry for some thousand recipients), then one stretch is walked.

use std::iter::Peekable;
use std::ops::Bound;

use heed::{RoTxn, RwTxn};

use crate::keys::Key;
use crate::tables::Tables;

/// A stretch with more keys than this is cut in two. Few in tests, so that their short lists have many stretches.
pub(crate) const FULL: u64 = if cfg!(test) { 8 } else { 4096 };

/// Where the first stretch begins: before every key of `by_created`, which are all longer.
const LOWEST: &[u8] = &[0];

/// Where to begin reading the list.
pub(crate) struct Place<'t> {
    /// Before this key, going down; `None`: at the very end of the index.
    pub(crate) before: Option<&'t [u8]>,
    /// How many keys to pass over.
    pub(crate) skip: usize,
}

impl Tables {
    /// The place of the recipient that has `from` others before it in the list; `None` if there are not so many.
    pub(crate) fn locate<'t>(&self, txn: &'t RoTxn, from: u64) -> heed::Result<Option<Place<'t>>> {
        let mut left = from;
        let mut before = None;
        for stretch in self.created_counts.rev_iter(txn)? {
            let (first, count) = stretch?;
            if left < count {
                return Ok(Some(Place { before, skip: usize::try_from(left).unwrap_or(usize::MAX) }));
            }
            left -= count;
            before = Some(first);
        }
        Ok(None)
    }

    /// Counts what came to `by_created` (1) and what went from it (-1). The keys are in ascending order, and the index is
    /// written already.
    pub(crate) fn count<'k>(
        &self,
        txn: &mut RwTxn,
        changes: impl Iterator<Item = (&'k [u8], i64)>,
    ) -> heed::Result<()> {
        let mut changes = changes.peekable();
        while let Some(&(key, _)) = changes.peek() {
            let stretch = self.created_counts.get_lower_than_or_equal_to(txn, key)?;
            let (first, count) = stretch.map_or((Key::of(LOWEST), 0), |(first, count)| (Key::of(first), count));
            let next = self.created_counts.get_greater_than(txn, first.as_bytes())?;
            let change = sum_below(next.map(|(next, _)| next), &mut changes);
            if change != 0 {
                self.set_count(txn, first, count.saturating_add_signed(change))?;
            }
        }
        Ok(())
    }

    /// Sets what a stretch has, and cuts it where it has more than it may.
    fn set_count(&self, txn: &mut RwTxn, mut first: Key, mut count: u64) -> heed::Result<()> {
        while count > FULL {
            let half = FULL / 2;
            let start = (Bound::Included(first.as_bytes()), Bound::Unbounded);
            let Some(cut) = self.by_created.range(txn, &start)?.nth(half as usize) else { break };
            let cut = Key::of(cut?.0);
            self.created_counts.put(txn, first.as_bytes(), &half)?;
            (first, count) = (cut, count - half);
        }
        match count {
            0 => self.created_counts.delete(txn, first.as_bytes()).map(drop),
            _ => self.created_counts.put(txn, first.as_bytes(), &count),
        }
    }

    /// Counts everything anew, if the counts do not add up to what is there: a store of before there were any.
    pub(crate) fn recount(&self, txn: &mut RwTxn) -> heed::Result<()> {
        let mut counted: u64 = 0;
        for stretch in self.created_counts.iter(txn)? {
            counted = counted.saturating_add(stretch?.1);
        }
        if counted == self.by_created.len(txn)? {
            return Ok(());
        }
        // Three quarters full, so that the next recipient does not cut its stretch.
        let fill = FULL / 4 * 3;
        let mut stretches: Vec<(Key, u64)> = Vec::new();
        for key in self.by_created.iter(txn)? {
            let (key, ()) = key?;
            match stretches.last_mut() {
                Some((_, count)) if *count < fill => *count += 1,
                Some(_) => stretches.push((Key::of(key), 1)),
                None => stretches.push((Key::of(LOWEST), 1)),
            }
        }
        self.created_counts.clear(txn)?;
        stretches.iter().try_for_each(|(first, count)| self.created_counts.put(txn, first.as_bytes(), count))
    }
}

/// Adds up the changes to keys below `end`; `None`: all of them.
fn sum_below<'k>(end: Option<&[u8]>, changes: &mut Peekable<impl Iterator<Item = (&'k [u8], i64)>>) -> i64 {
    let mut sum = 0;
    while let Some((_, change)) = changes.next_if(|(key, _)| end.is_none_or(|end| *key < end)) {
        sum += change;
    }
    sum
}
