//! Locks that jobs take while they run (PROTOCOL §10): a name, so many holders at once, and a queue of jobs that wait.
//!
//! A job that has to wait stops running: its worker forgets it, and it runs again from the start when it has its place.
//! It waits for one lock at a time and holds none meanwhile, so jobs that take several cannot block one another for good.
//! Locks are in memory only; after a restart every job waits to be run, and takes its locks anew.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::entry::State;
use super::life::Reply;
use super::unstored::is_unstored;
use super::{ConnId, Scheduler};
use crate::job::JobKey;
use crate::wire::{Command, MsgId};

/// Most locks that one job may hold at once.
const MAX_HELD: usize = 64;

/// One lock that is held.
#[derive(Debug)]
struct Lock {
    /// The largest number of holders that anybody has asked for since it was last free.
    capacity: usize,
    holders: Vec<JobKey>,
    queue: VecDeque<JobKey>,
}

/// What a job has to do with locks.
#[derive(Debug)]
struct Place {
    locks: Vec<Bytes>,
    since: Instant,
}

/// Every lock that is held.
#[derive(Debug, Default)]
pub(super) struct Locks {
    by_name: HashMap<Bytes, Lock>,
    /// Which locks a job holds or waits for.
    by_key: HashMap<JobKey, Place>,
}

impl Locks {
    /// Takes a place, or the one that the job has already. False: there is none.
    fn take(&mut self, name: &Bytes, capacity: i16, key: &JobKey, now: Instant) -> bool {
        let lock = self.lock(name, capacity);
        if lock.holders.contains(key) {
            return true;
        }
        if lock.holders.len() >= lock.capacity {
            return false;
        }
        lock.holders.push(key.clone());
        self.note(key, name, now);
        true
    }

    /// Has the job wait for a place.
    fn wait(&mut self, name: &Bytes, capacity: i16, key: &JobKey, now: Instant) {
        self.lock(name, capacity).queue.push_back(key.clone());
        self.note(key, name, now);
    }

    fn lock(&mut self, name: &Bytes, capacity: i16) -> &mut Lock {
        let capacity = usize::try_from(capacity).unwrap_or(0).max(1);
        let new = || Lock { capacity, holders: Vec::new(), queue: VecDeque::new() };
        let lock = self.by_name.entry(name.clone()).or_insert_with(new);
        lock.capacity = lock.capacity.max(capacity);
        lock
    }

    fn note(&mut self, key: &JobKey, name: &Bytes, now: Instant) {
        let place = self.by_key.entry(key.clone()).or_insert_with(|| Place { locks: Vec::new(), since: now });
        place.since = now;
        if !place.locks.contains(name) {
            place.locks.push(name.clone());
        }
    }

    /// May the job take this lock, beside those that it has?
    fn may_take(&self, name: &[u8], key: &JobKey) -> bool {
        let has = self.by_key.get(key).map_or(&[][..], |place| &place.locks);
        has.len() < MAX_HELD || has.iter().any(|lock| lock == name)
    }

    /// Gives one place back, or leaves its queue. Returns whose turn it is now.
    fn release(&mut self, name: &[u8], key: &JobKey) -> Vec<JobKey> {
        if let Some(place) = self.by_key.get_mut(key) {
            place.locks.retain(|lock| lock != name);
            if place.locks.is_empty() {
                self.by_key.remove(key);
            }
        }
        let Some(lock) = self.by_name.get_mut(name) else { return Vec::new() };
        lock.holders.retain(|holder| holder != key);
        lock.queue.retain(|waiting| waiting != key);
        let mut next = Vec::new();
        while lock.holders.len() < lock.capacity
            && let Some(waiting) = lock.queue.pop_front()
        {
            lock.holders.push(waiting.clone());
            next.push(waiting);
        }
        if lock.holders.is_empty() {
            self.by_name.remove(name);
        }
        next
    }

    /// Gives every place of the job back.
    fn leave(&mut self, key: &JobKey) -> Vec<JobKey> {
        let Some(place) = self.by_key.remove(key) else { return Vec::new() };
        place.locks.iter().flat_map(|lock| self.release(lock, key)).collect()
    }

    /// Who has had a place, or has waited for one, since before `then`.
    fn since_before(&self, then: Instant) -> Vec<JobKey> {
        self.by_key.iter().filter(|(_, place)| place.since < then).map(|(key, _)| key.clone()).collect()
    }
}

impl Scheduler {
    /// A job's worker asks for a lock. Only a job that this connection has can take one: whoever asks for another is
    /// told to forget it, as one does who has to wait.
    pub(super) fn acquire(&mut self, conn: ConnId, msgid: MsgId, name: &Bytes, capacity: i16, key: &JobKey) {
        let acquired = self.speaks_for(conn, key) && {
            if !self.locks.may_take(name, key) {
                return self.close_peer(conn, "one of its jobs takes too many locks");
            }
            let taken = self.locks.take(name, capacity, key, self.instant);
            if !taken {
                self.lock_job(name, capacity, key);
            }
            taken
        };
        self.answer(conn, msgid, Command::Acquired(acquired));
    }

    /// A job stops running and waits for a lock.
    fn lock_job(&mut self, name: &Bytes, capacity: i16, key: &JobKey) {
        let Some(seq) = self.keys.get(key).and_then(|state| state.held) else { return };
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        let func = entry.func;
        match std::mem::replace(&mut entry.state, State::Locked(key.clone())) {
            State::Leased(lease) => self.lease_over(func, seq, &lease),
            other => return entry.state = other,
        }
        self.funcs[func].locked += 1;
        self.locks.wait(name, capacity, key, self.instant);
        if is_unstored(seq) {
            self.store_after_all(seq, key, Reply::Nobody);
        }
    }

    /// Gives one lock back. A job that waits for one keeps its place: it is nobody's, and would only run to wait again.
    pub(super) fn release(&mut self, conn: ConnId, msgid: MsgId, name: &Bytes, key: &JobKey) {
        if self.speaks_for(conn, key) {
            let next = self.locks.release(name, key);
            self.unlock_jobs(next);
        }
        self.answer(conn, msgid, Command::Success);
    }

    /// A job's run is over, or the job is: its locks are free.
    pub(super) fn leave_locks(&mut self, key: &JobKey) {
        if !self.locks.by_key.is_empty() {
            let next = self.locks.leave(key);
            self.unlock_jobs(next);
        }
    }

    /// These jobs have their place now, and are to be run. One that does not wait any more gives it back.
    fn unlock_jobs(&mut self, mut keys: Vec<JobKey>) {
        while let Some(key) = keys.pop() {
            if !self.unlock_job(&key) {
                keys.extend(self.locks.leave(&key));
            }
        }
    }

    /// A job waits for a worker again instead of for a lock. False: it did not.
    pub(super) fn unlock_job(&mut self, key: &JobKey) -> bool {
        let Some(seq) = self.keys.get(key).and_then(|state| state.held) else { return false };
        let Some(entry) = self.entries.get_mut(&seq).filter(|entry| matches!(entry.state, State::Locked(_))) else {
            return false;
        };
        entry.state = State::Waiting;
        let (func, position) = (entry.func, (entry.sched_at, seq));
        self.funcs[func].locked -= 1;
        self.unhold(key);
        self.enqueue(func, position);
        true
    }

    /// A func has been dropped: its jobs are gone.
    pub(super) fn locks_dropped(&mut self, func: &[u8]) {
        let keys: Vec<_> = self.locks.by_key.keys().filter(|key| key.func == func).cloned().collect();
        for key in keys {
            self.leave_locks(&key);
        }
    }

    /// Jobs that have waited for a lock, or with one, for longer than `lock-timeout` give it up and wait to be run like
    /// others. One that runs keeps its locks: its own timeout ends it.
    pub(super) fn expire_locks(&mut self) {
        let timeout = Duration::from_secs(self.settings.lock_timeout.into());
        let Some(then) = self.instant.checked_sub(timeout) else { return };
        for key in self.locks.since_before(then) {
            if !self.is_leased(&key) {
                let next = self.locks.leave(&key);
                self.unlock_job(&key);
                self.unlock_jobs(next);
            }
        }
    }

    /// Has any worker the job with this key?
    pub(super) fn is_leased(&self, key: &JobKey) -> bool {
        let held = self.keys.get(key).and_then(|state| state.held);
        held.and_then(|seq| self.entries.get(&seq)).is_some_and(|entry| matches!(entry.state, State::Leased(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &'static str) -> JobKey {
        JobKey { func: Bytes::from_static(b"f"), name: Bytes::from_static(name.as_bytes()) }
    }

    #[test]
    fn places_are_given_in_order_and_a_free_lock_is_forgotten() {
        let (mut locks, now) = (Locks::default(), Instant::now());
        let lock = Bytes::from_static(b"lock");
        assert!(locks.take(&lock, 2, &key("a"), now) && locks.take(&lock, 1, &key("b"), now));
        assert!(locks.take(&lock, 1, &key("a"), now), "it has its place already");
        for waiting in ["c", "d", "e"] {
            assert!(!locks.take(&lock, 1, &key(waiting), now));
            locks.wait(&lock, 1, &key(waiting), now);
        }
        assert_eq!(locks.leave(&key("d")), []);
        assert_eq!(locks.release(b"lock", &key("a")), [key("c")]);
        assert_eq!(locks.leave(&key("b")), [key("e")]);
        assert_eq!(locks.leave(&key("c")), []);
        assert_eq!(locks.leave(&key("e")), []);
        assert!(locks.by_name.is_empty() && locks.by_key.is_empty());
    }

    #[test]
    fn a_larger_capacity_lets_more_in() {
        let (mut locks, now) = (Locks::default(), Instant::now());
        let lock = Bytes::from_static(b"lock");
        assert!(locks.take(&lock, -1, &key("a"), now), "at least one fits");
        assert!(!locks.take(&lock, 0, &key("b"), now));
        assert!(locks.take(&lock, 2, &key("b"), now));
    }
}
