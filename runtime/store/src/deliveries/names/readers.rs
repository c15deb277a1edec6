//! Who reads, and since when: so that the writer knows whether somebody still sees the store as it was before a commit.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts certain commits, and who has begun to read after how many of them.
#[derive(Default)]
pub(super) struct Readers(Mutex<Since>);

#[derive(Default)]
struct Since {
    commits: u64,
    /// How many readers began after so many commits.
    reading: BTreeMap<u64, usize>,
}

/// Somebody reads.
pub(super) struct Reading<'r> {
    readers: &'r Readers,
    since: u64,
}

impl Readers {
    /// Somebody begins to read, in a transaction that is still to be opened: it sees all commits that were counted.
    pub(super) fn begin(&self) -> Reading<'_> {
        let mut now = self.since();
        let since = now.commits;
        *now.reading.entry(since).or_default() += 1;
        Reading { readers: self, since }
    }

    /// Counts a commit, which is durable; how many that makes.
    pub(super) fn advance(&self) -> u64 {
        let mut now = self.since();
        now.commits += 1;
        now.commits
    }

    /// Does everybody who reads, now or later, see this commit?
    pub(super) fn all_since(&self, commit: u64) -> bool {
        self.since().reading.first_key_value().is_none_or(|(since, _)| *since >= commit)
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        // Each change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut now = self.readers.since();
        if let Some(reading) = now.reading.get_mut(&self.since) {
            *reading -= 1;
            if *reading == 0 {
                now.reading.remove(&self.since);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_seen_by_all_when_those_who_were_there_before_have_ended() {
        let readers = Readers::default();
        let before = readers.begin();
        assert_eq!(readers.advance(), 1);
        let (after, also_after) = (readers.begin(), readers.begin());
        assert!(!readers.all_since(1));
        drop(before);
        assert!(readers.all_since(1));
        assert_eq!(readers.advance(), 2);
        drop(after);
        assert!(!readers.all_since(2) && readers.all_since(1));
        drop(also_after);
        assert!(readers.all_since(2));
    }
}
