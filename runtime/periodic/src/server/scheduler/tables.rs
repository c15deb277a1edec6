//! Keeping the tables in step: every way in which a job comes into memory, changes its place there, or leaves it.

use std::time::Duration;

use bytes::Bytes;

use super::Scheduler;
use super::entry::{KeyState, State, job_weight};
use super::func::{Func, FuncId, Horizon, Position};
use super::unstored::is_unstored;
use crate::job::{Job, JobKey};
use crate::store::Seq;

/// A job that is due later than this many seconds from now is not kept in memory, only its place is.
const KEEP_AHEAD: i64 = 60;
/// How long a func rests when the store failed on one of its jobs.
const REST: Duration = Duration::from_secs(2);

impl Scheduler {
    pub(super) fn func(&mut self, name: &Bytes) -> FuncId {
        match self.func_ids.get(name) {
            Some(id) => *id,
            None => self.new_func(Bytes::copy_from_slice(name)),
        }
    }

    pub(super) fn new_func(&mut self, name: Bytes) -> FuncId {
        let id = self.funcs.len();
        self.funcs.push(Func::new(name.clone()));
        self.func_ids.insert(name, id);
        id
    }

    /// The job, if it may stay in memory.
    pub(super) fn keep(&mut self, job: Job) -> Option<Job> {
        let weight = job_weight(&job);
        if job.sched_at > self.now.saturating_add(KEEP_AHEAD) || self.cached + weight > self.options.cache_bytes {
            return None;
        }
        self.cached += weight;
        Some(job)
    }

    /// Puts a job that is in memory into its queue, and the last one out of memory if there are too many.
    pub(super) fn enqueue(&mut self, func: FuncId, position: Position) {
        let queue = &mut self.funcs[func];
        queue.waiting.insert(position);
        if queue.waiting.len() > self.options.queue_cap.max(1)
            && let Some((_, last)) = queue.waiting.pop_last()
        {
            let complete = queue.waiting.last().map_or(Horizon::Unread, |last| Horizon::Through(*last));
            queue.horizon = queue.horizon.min(complete);
            self.drop_entry(last);
        }
        self.mark_ready(func);
    }

    /// Takes a job out of its queue or from its worker; an operation that ends or moves it is under way.
    pub(super) fn retire(&mut self, seq: Seq) {
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        let (func, position) = (entry.func, (entry.sched_at, seq));
        match std::mem::replace(&mut entry.state, State::Ending) {
            State::Waiting => {
                self.funcs[func].waiting.remove(&position);
            }
            State::Orphaned(key) => {
                self.funcs[func].waiting.remove(&position);
                self.unhold(&key);
            }
            State::Parked(key) => self.unhold(&key),
            State::Locked(key) => {
                self.funcs[func].locked -= 1;
                self.unhold(&key);
                self.leave_locks(&key);
            }
            State::Leased(lease) => {
                self.lease_over(func, seq, &lease);
                self.unhold(&lease.key);
            }
            State::Ending => {}
        }
    }

    /// Brings back a job whose end did not come about. If nothing else is known about its key, what its worker still
    /// says about it counts.
    pub(super) fn revive(&mut self, seq: Seq, key: Option<&JobKey>) {
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        let (func, position) = (entry.func, (entry.sched_at, seq));
        entry.state = State::Waiting;
        if let Some(key) = key
            && let Some(state @ KeyState { under_way: 1, held: None }) = self.keys.get_mut(key)
        {
            state.held = Some(seq);
            entry.state = State::Orphaned(key.clone());
        }
        self.rest(func);
        self.enqueue(func, position);
    }

    /// A job is gone from the store.
    pub(super) fn forget(&mut self, seq: Seq) {
        self.retire(seq);
        if let Some(func) = self.drop_entry(seq) {
            self.refill_if_low(func);
        }
    }

    /// Takes a job out of memory that is in no queue any more.
    pub(super) fn drop_entry(&mut self, seq: Seq) -> Option<FuncId> {
        let entry = self.entries.remove(&seq)?;
        if let Some(job) = &entry.job {
            self.cached -= job_weight(job);
        }
        if let State::Orphaned(key) = &entry.state {
            self.unhold(key);
        }
        if is_unstored(seq) {
            self.funcs[entry.func].unstored -= 1;
        }
        Some(entry.func)
    }

    /// No job in memory holds the key any more.
    pub(super) fn unhold(&mut self, key: &JobKey) {
        if let Some(state) = self.keys.get_mut(key) {
            state.held = None;
            if state.under_way == 0 {
                self.keys.remove(key);
            }
        }
    }

    /// An operation on the key has its result. After the last, a job that was parked for it waits again.
    pub(super) fn settle(&mut self, key: &JobKey) {
        let Some(state) = self.keys.get_mut(key) else { return };
        state.under_way -= 1;
        if state.under_way > 0 {
            return;
        }
        match state.held.map(|seq| (seq, self.entries.get_mut(&seq))) {
            Some((seq, Some(entry))) if matches!(entry.state, State::Parked(_)) => {
                entry.state = State::Waiting;
                let (func, position) = (entry.func, (entry.sched_at, seq));
                self.keys.remove(key);
                self.enqueue(func, position);
            }
            Some((_, Some(_))) => {}
            _ => {
                self.keys.remove(key);
            }
        }
    }

    /// The store failed on one of the func's jobs: nothing is tried with it for a moment.
    pub(super) fn rest(&mut self, func: FuncId) {
        self.funcs[func].rests_until = Some(self.instant + REST);
    }
}
