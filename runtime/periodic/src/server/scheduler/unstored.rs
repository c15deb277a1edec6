//! Jobs that are never stored: of a RUN_JOB that a worker can have at once.
//!
//! Whoever runs a job is promised nothing before its result, and learns from a broken connection that there is none. So
//! if a worker waits and the func has no other job, the worker gets it straight away, and when it says how the job
//! ended that is told, all without the store. Two commits would take longer than most such jobs.
//!
//! That holds as long as the worker has it and somebody waits for it, and for nothing else. When a SUBMIT_JOB for the
//! same key is to be promised, when nobody waits any more, when the worker hands it back or it has to wait for a lock,
//! the job is stored like any other. Until then it has a number from [`FIRST`] on, which no store gives.

use tracing::warn;

use super::entry::{Entry, Lease, State, job_weight};
use super::func::FuncId;
use super::life::{After, Reply};
use super::waiters::{Ended, FAILED};
use super::{Scheduler, dispatch};
use crate::job::{Job, JobKey};
use crate::store::{JobOp, JobStoreError, Seq};

/// The first number of a job that is not in the store.
const FIRST: Seq = 1 << 63;

pub(super) fn is_unstored(seq: Seq) -> bool {
    seq >= FIRST
}

impl Scheduler {
    /// Gives the job to a worker without storing it. It comes back if that is not possible.
    pub(super) fn run_unstored(&mut self, job: Job) -> Result<(), Job> {
        let Some(func) = self.func_ids.get(&job.key.func).copied() else { return Err(job) };
        if !self.may_pass(func, &job) {
            return Err(job);
        }
        let Some(conn) = self.next_worker(func) else { return Err(job) };
        self.last_unstored += 1;
        let seq = FIRST + self.last_unstored;
        self.cached += job_weight(&job);
        self.funcs[func].unstored += 1;
        let entry = Entry { func, sched_at: self.now, job: Some(job.clone()), state: State::Waiting };
        self.entries.insert(seq, entry);
        self.assign(func, seq, Job { sched_at: self.now, ..job }, conn);
        Ok(())
    }

    /// Does the job overtake nothing, replace nothing, and fit into memory until it is done?
    fn may_pass(&self, func: FuncId, job: &Job) -> bool {
        let queue = &self.funcs[func];
        let is_alone = queue.stored == 0 && queue.waiting.is_empty() && !queue.broadcast && !queue.dropping;
        let fits =
            job.workload.len() <= dispatch::KEEP_LEASED && self.cached + job_weight(job) <= self.options.cache_bytes;
        let is_coming =
            |after: &After| matches!(after, After::Put { job: other, .. } if other.key.func == job.key.func);
        is_alone
            && fits
            && !self.stopping
            && job.sched_at <= self.now
            && !self.keys.contains_key(&job.key)
            && !self.under_way.iter().any(is_coming)
    }

    /// Has a job stored that was not, whatever state it is in; `reply` is answered when it is.
    pub(super) fn store_after_all(&mut self, seq: Seq, key: &JobKey, reply: Reply) {
        if let Some(replies) = self.storing.get_mut(&seq) {
            return replies.push(reply);
        }
        let Some(job) = self.entries.get(&seq).and_then(|entry| entry.job.clone()) else { return };
        let job = Job { sched_at: job.sched_at.max(self.now), ..job };
        self.storing.insert(seq, vec![reply]);
        self.keys.entry(key.clone()).or_default().under_way += 1;
        self.push(JobOp::Put(job.clone()), After::Keep { unstored: seq, job });
    }

    /// The store has the job now, or has not.
    pub(super) fn kept(&mut self, unstored: Seq, job: Job, put: &Result<(Seq, Option<Seq>), JobStoreError>) {
        let replies = self.storing.remove(&unstored).unwrap_or_default();
        let key = job.key.clone();
        match put {
            Ok((seq, replaced)) => {
                let moves = |entry: &Entry| !matches!(entry.state, State::Ending);
                if self.entries.get(&unstored).is_some_and(moves) {
                    self.count_put(&key, *seq, *replaced);
                    self.renumber(unstored, *seq, job.sched_at);
                } else {
                    // It has ended meanwhile: what deletes it from the store is under way.
                    self.put_in(job, *seq, *replaced);
                }
            }
            Err(error) => self.not_kept(unstored, &key, error),
        }
        self.settle(&key);
        for reply in replies {
            self.reply(reply, put.clone().map(|_| true));
        }
    }

    /// A job in memory has got its number in the store.
    fn renumber(&mut self, unstored: Seq, seq: Seq, sched_at: i64) {
        let Some(mut entry) = self.entries.remove(&unstored) else { return };
        let func = entry.func;
        self.funcs[func].unstored -= 1;
        let is_queued = matches!(entry.state, State::Waiting | State::Orphaned(_));
        if is_queued {
            self.funcs[func].waiting.remove(&(entry.sched_at, unstored));
        }
        entry.sched_at = sched_at;
        match &entry.state {
            State::Orphaned(key) | State::Parked(key) | State::Locked(key) => self.held_as(key, seq),
            State::Leased(lease) => {
                self.held_as(&lease.key, seq);
                self.leased_as(lease, unstored, seq);
            }
            State::Waiting | State::Ending => {}
        }
        self.entries.insert(seq, entry);
        if is_queued && self.funcs[func].horizon.covers((sched_at, seq)) {
            self.enqueue(func, (sched_at, seq));
        } else if is_queued {
            self.drop_entry(seq);
            self.refill_if_low(func);
        }
    }

    fn held_as(&mut self, key: &JobKey, seq: Seq) {
        if let Some(state) = self.keys.get_mut(key) {
            state.held = Some(seq);
        }
    }

    fn leased_as(&mut self, lease: &Lease, before: Seq, seq: Seq) {
        for holder in lease.holders() {
            if let Some(peer) = self.peers.get_mut(&holder.conn)
                && peer.leases.remove(&before)
            {
                peer.leases.insert(seq);
                peer.unacked.entry(holder.msgid).and_modify(|of| {
                    if *of == before {
                        *of = seq;
                    }
                });
            }
        }
        // Those under its old number lead nowhere.
        self.await_acks(seq, lease);
    }

    /// A job that cannot be stored stays as long as a worker has it. If none has, it ends here, and those who wait are
    /// told that it failed.
    fn not_kept(&mut self, seq: Seq, key: &JobKey, error: &JobStoreError) {
        warn!(%error, "a job that is run cannot be stored");
        let is_leased = |entry: &Entry| matches!(entry.state, State::Leased(_) | State::Ending);
        if self.entries.get(&seq).is_some_and(|entry| !is_leased(entry)) {
            self.forget(seq);
            let ended = self.take_waiters(key, FAILED);
            self.tell_ended(ended);
        }
    }

    /// A job that may not be in the store is over.
    pub(super) fn finish_unstored(&mut self, seq: Seq, key: JobKey, ended: Option<Box<Ended>>, reply: Reply) {
        if self.storing.contains_key(&seq) {
            return self.delete(key, ended, reply);
        }
        self.forget(seq);
        self.tell_ended(ended);
        self.reply(reply, Ok(true));
    }

    /// A job that may not be in the store is to run again, and nobody waits for it.
    pub(super) fn put_off_unstored(&mut self, seq: Seq, sched_at: i64, step: i32, reply: Reply) {
        let job = self.entries.get(&seq).and_then(|entry| entry.job.clone());
        self.forget(seq);
        match job {
            Some(job) => self.store_job(Job { sched_at, count: job.count.saturating_add(step), ..job }, reply),
            None => self.reply(reply, Ok(true)),
        }
    }

    /// Nobody waits for the job of this key any more. It runs all the same, and what runs is kept until it is done.
    pub(super) fn keep_running(&mut self, key: &JobKey) {
        if let Some(seq) = self.keys.get(key).and_then(|state| state.held).filter(|seq| is_unstored(*seq)) {
            self.store_after_all(seq, key, Reply::Nobody);
        }
    }

    /// A func has been dropped: its jobs are gone.
    pub(super) fn unstored_dropped(&mut self, func: FuncId) {
        let gone = |seq: &Seq| self.entries.get(seq).is_some_and(|entry| entry.func == func);
        for seq in self.unstored().filter(gone).collect::<Vec<_>>() {
            self.forget(seq);
        }
    }

    /// Every job that a worker has and the store does not.
    pub(super) fn unstored_jobs(&self) -> Vec<Job> {
        self.unstored().filter_map(|seq| self.entries.get(&seq)?.job.clone()).collect()
    }

    fn unstored(&self) -> impl Iterator<Item = Seq> {
        self.peers.values().flat_map(|peer| peer.leases.iter().copied()).filter(|seq| is_unstored(*seq))
    }
}
