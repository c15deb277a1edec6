//! The two indexes of jobs, by name and by due time, have two parts each: the entries of the newest jobs are in memory,
//! those of older ones in `job_index` and `due`.
//!
//! An entry of its own costs more than the job that is appended: the keys of `job_index` are hashes, so each would dirty
//! a page, and every page that a commit dirties is a write somewhere else on the disk before anybody is answered. The
//! entries of a job that is done soon never reach the disk this way. Those that stay are moved there many at a time, in
//! the order of their keys, so that neighbours share pages; a little with every so many jobs, so that no commit takes
//! long.
//!
//! Nothing depends on the memory: jobs are numbered in the order in which they came, so what belongs into it is read from
//! the tail of `jobs` when the store is opened. The [`Frontier`] says, exactly and in the same commit, which entries are
//! where; each is in one place only.

mod dues;
mod frontier;
mod names;
mod on_disk;

use std::ops::Bound;
use std::sync::Arc;

use heed::{RoTxn, RwTxn};
use periodic::Seq;

use crate::error::{Failure, corrupt};
use crate::keys::{Key, KeyedHash, due_position};
use crate::record::JobRecord;
use crate::tables::Tables;
use dues::{Due, Dues};
pub(crate) use frontier::Frontier;
use frontier::Name;
use names::Names;
use on_disk::OnDisk;

/// With so many entries of an index in memory the oldest are moved to the disk, by default. There are never more than
/// half as many again: about 30 MB for both, and a second's reading when the store is opened.
pub(crate) const RECENT_JOBS: usize = 1 << 18;
/// So many are moved at a time, roughly: enough to share pages, few enough that the commit takes milliseconds.
const SLICE: usize = 1024;
/// For each entry that comes, so many are moved while moving is under way: it is over before half as many have come.
pub(crate) const MOVED_PER_ENTRY: usize = 2;
/// What a name in memory will take on the disk: key, value and what LMDB adds, on a page that may be half full.
const NAME_BYTES: u64 = 2 * (8 + 8 + 10);

/// The entries in memory.
pub(crate) struct RecentJobs {
    names: Names,
    on_disk: OnDisk,
    dues: Dues,
    frontier: Frontier,
    limit: usize,
    /// How many names are to be moved, when they are enough for a slice.
    owed: usize,
}

impl RecentJobs {
    /// Reads what belongs into memory. A job that cannot be read has no name under which it could be found and no time at
    /// which it could run: it is passed over with a warning.
    pub(crate) fn load(
        tables: &Tables,
        txn: &RoTxn,
        hash: KeyedHash,
        frontier: Frontier,
        limit: usize,
    ) -> heed::Result<Self> {
        let (mut names, mut dues) = (Vec::new(), Dues::default());
        for job in tables.jobs.range(txn, &(Bound::Excluded(frontier.start()), Bound::Unbounded))? {
            let (seq, bytes) = job?;
            match JobRecord::decode(bytes) {
                Ok(record) => {
                    names.push((hash.of(record.func, record.name), seq));
                    if !frontier.has_due_of(seq) {
                        dues.insert(record.func, (record.sched_at, seq));
                    }
                }
                Err(reason) => tracing::warn!(seq, reason, "a job cannot be read and will not run"),
            }
        }
        names.retain(|&name| !frontier.has_name(name));
        let on_disk = OnDisk::load(tables, txn)?;
        Ok(Self { names: names.into_iter().collect(), on_disk, dues, frontier, limit, owed: 0 })
    }

    /// How much room the entries will take on the disk.
    pub(crate) fn bytes_to_come(&self) -> u64 {
        self.names.len() as u64 * NAME_BYTES + self.dues.bytes_to_come()
    }

    #[cfg(test)]
    pub(crate) fn names_in_memory(&self) -> usize {
        self.names.len()
    }

    #[cfg(test)]
    pub(crate) fn frontier(&self) -> Frontier {
        self.frontier
    }

    /// Begins what may be undone, in a transaction that begins as well.
    pub(crate) fn begin(&mut self, tables: &Tables, txn: &RoTxn) -> heed::Result<RecentBatch<'_>> {
        self.on_disk.begin(tables, txn)?;
        Ok(RecentBatch { frontier: self.frontier, changes: Vec::new(), puts: 0, recent: self })
    }
}

/// How many entries are moved at a time from a memory of so many: fewer in tests, which set a small limit.
pub(crate) fn slice(limit: usize) -> usize {
    SLICE.min(limit / 2 + 1)
}

/// What a batch does to the indexes. Dropped without [`keep`](Self::keep), what it did in memory is undone; the
/// transaction does the same for the disk.
pub(crate) struct RecentBatch<'r> {
    recent: &'r mut RecentJobs,
    /// The frontier as it was.
    frontier: Frontier,
    changes: Vec<Change>,
    puts: usize,
}

/// What happened in memory.
enum Change {
    NameCame(Name),
    NameWent(Name),
    DueCame(Arc<[u8]>, Due),
    DueWent(Arc<[u8]>, Due),
}

impl RecentBatch<'_> {
    /// Enters a job with a number above all others.
    pub(crate) fn put(&mut self, hash: u64, func: &[u8], due: Due) {
        let (_, seq) = due;
        self.recent.names.insert((hash, seq));
        self.changes.push(Change::NameCame((hash, seq)));
        self.insert_due(func, due);
        self.puts += 1;
    }

    /// Takes a job out of both indexes.
    pub(crate) fn delete(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn,
        hash: u64,
        func: &[u8],
        due: Due,
    ) -> heed::Result<()> {
        let (_, seq) = due;
        if !self.take_name((hash, seq)) {
            tables.job_index.delete_one_duplicate(txn, &hash, &seq)?;
        }
        self.delete_due(tables, txn, func, due)
    }

    /// Moves a job in the index by due time.
    pub(crate) fn put_off(
        &mut self,
        tables: &Tables,
        txn: &mut RwTxn,
        func: &[u8],
        (before, seq): Due,
        sched_at: i64,
    ) -> heed::Result<()> {
        if before == sched_at {
            return Ok(());
        }
        self.delete_due(tables, txn, func, (before, seq))?;
        if self.recent.frontier.has_due_of(seq) {
            return tables.due.put(txn, Key::due(func, sched_at, seq).as_bytes(), &());
        }
        self.insert_due(func, (sched_at, seq));
        Ok(())
    }

    /// The number of the job with this hash that `is_it`.
    pub(crate) fn find(
        &self,
        tables: &Tables,
        txn: &RoTxn,
        hash: u64,
        is_it: impl Fn(Seq) -> Result<bool, Failure>,
    ) -> Result<Option<Seq>, Failure> {
        for seq in self.recent.names.with_hash(hash) {
            if is_it(seq)? {
                return Ok(Some(seq));
            }
        }
        if !self.recent.on_disk.may_have(hash) {
            return Ok(None);
        }
        for candidate in tables.job_index.get_duplicates(txn, &hash)?.into_iter().flatten() {
            let (_, seq) = candidate?;
            if is_it(seq)? {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// The jobs of a func that are due next: the first `limit` behind `after`.
    pub(crate) fn due(
        &self,
        tables: &Tables,
        txn: &RoTxn,
        func: &[u8],
        after: Option<Due>,
        limit: usize,
    ) -> Result<Vec<Due>, Failure> {
        let mut found: Vec<Due> = self.recent.dues.of(func, after).take(limit).collect();
        let in_memory = found.len();
        let prefix = Key::due_of(func);
        let after = after.map(|(sched_at, seq)| Key::due(func, sched_at, seq));
        let start = after.as_ref().map_or(Bound::Included(prefix.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
        for entry in tables.due.range(txn, &(start, Bound::Unbounded))?.take(limit) {
            let (key, ()) = entry?;
            let Some(rest) = key.strip_prefix(prefix.as_bytes()) else { break };
            found.push(due_position(rest).ok_or_else(|| Failure::Refused(corrupt("due", "a key has no position")))?);
        }
        if in_memory > 0 {
            found.sort_unstable();
            found.truncate(limit);
        }
        Ok(found)
    }

    /// Moves some entries to the disk, if there are too many in memory. `last` is the highest number that was given. The
    /// frontier, if it is another one.
    pub(crate) fn move_some(&mut self, tables: &Tables, txn: &mut RwTxn, last: Seq) -> heed::Result<Option<Frontier>> {
        if self.puts == 0 {
            return Ok(None);
        }
        let names = self.move_names(tables, txn, last)?;
        let dues = self.move_dues(tables, txn, last)?;
        Ok((names || dues).then_some(self.recent.frontier))
    }

    fn move_names(&mut self, tables: &Tables, txn: &mut RwTxn, last: Seq) -> heed::Result<bool> {
        let slice = slice(self.recent.limit);
        let RecentJobs { names, frontier, limit, owed, .. } = &mut *self.recent;
        if !frontier.is_moving() {
            if names.len() <= *limit {
                return Ok(false);
            }
            frontier.begin_moving(last);
        }
        *owed += MOVED_PER_ENTRY * self.puts;
        if *owed < slice {
            return Ok(false);
        }
        let enough = std::mem::take(owed);
        let next = names.behind(frontier.moved(), enough, |name| frontier.is_to_be_moved(name));
        match next.last() {
            Some(&name) if next.len() == enough => frontier.set_moved(name),
            _ => frontier.end_moving(),
        }
        for (hash, seq) in next {
            tables.job_index.put(txn, &hash, &seq)?;
            self.recent.on_disk.set(hash);
            self.take_name((hash, seq));
        }
        Ok(true)
    }

    /// Jobs come mostly in the order in which they are due, so the oldest go first.
    fn move_dues(&mut self, tables: &Tables, txn: &mut RwTxn, last: Seq) -> heed::Result<bool> {
        if self.recent.dues.len() <= self.recent.limit {
            return Ok(false);
        }
        let enough = slice(self.recent.limit).max(self.puts);
        let mut moved = Vec::with_capacity(enough);
        let mut through = None;
        let start = Bound::Excluded(self.recent.frontier.dues());
        for job in tables.jobs.range(txn, &(start, Bound::Unbounded))?.take(enough) {
            let (seq, bytes) = job?;
            through = Some(seq);
            // One that cannot be read was passed over when the store was opened.
            let Ok(record) = JobRecord::decode(bytes) else { continue };
            let due = (record.sched_at, seq);
            if let Some(func) = self.recent.dues.remove(record.func, due) {
                self.changes.push(Change::DueWent(Arc::clone(&func), due));
                moved.push((func, due));
            }
        }
        moved.sort_unstable();
        for (func, (sched_at, seq)) in moved {
            tables.due.put(txn, Key::due(&func, sched_at, seq).as_bytes(), &())?;
        }
        self.recent.frontier.set_dues(through.unwrap_or(last));
        Ok(true)
    }

    /// What was done is durable.
    pub(crate) fn keep(mut self) {
        self.changes.clear();
        self.frontier = self.recent.frontier;
    }

    fn take_name(&mut self, name: Name) -> bool {
        let was_there = self.recent.names.remove(name);
        if was_there {
            self.changes.push(Change::NameWent(name));
        }
        was_there
    }

    fn insert_due(&mut self, func: &[u8], due: Due) {
        let func = self.recent.dues.insert(func, due);
        self.changes.push(Change::DueCame(func, due));
    }

    fn delete_due(&mut self, tables: &Tables, txn: &mut RwTxn, func: &[u8], due: Due) -> heed::Result<()> {
        let (sched_at, seq) = due;
        if self.recent.frontier.has_due_of(seq) {
            return tables.due.delete(txn, Key::due(func, sched_at, seq).as_bytes()).map(drop);
        }
        if let Some(func) = self.recent.dues.remove(func, due) {
            self.changes.push(Change::DueWent(func, due));
        }
        Ok(())
    }
}

impl Drop for RecentBatch<'_> {
    fn drop(&mut self) {
        let RecentJobs { names, dues, frontier, .. } = &mut *self.recent;
        for change in self.changes.drain(..).rev() {
            match change {
                Change::NameCame(name) => _ = names.remove(name),
                Change::NameWent(name) => names.insert(name),
                Change::DueCame(func, due) => _ = dues.remove(&func, due),
                Change::DueWent(func, due) => _ = dues.insert(&func, due),
            }
        }
        *frontier = self.frontier;
    }
}
