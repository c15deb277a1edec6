//! Bringing due jobs and workers with a GRAB open together.
//!
//! Funcs take turns, least recently served first, and so do the connections of a func; a flood on one func delays
//! another by one job at most.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::entry::{Holder, KeyState, Lease, State, job_weight};
use super::func::FuncId;
use super::peer::Peer;
use super::{ConnId, Loaded, Read, Scheduler};
use crate::job::Job;
use crate::store::{JobStoreError, Seq};
use crate::wire::{Command, Packet};

/// Jobs read from the store at once, at most.
const LOAD: usize = 256;
/// Bytes of jobs that are read at once even when the cache is full.
const LOAD_BYTES: usize = 1 << 20;
/// A leased job larger than this is not kept; should it have to run again, it is read again.
pub(super) const KEEP_LEASED: usize = 64 << 10;

/// An assignment that is to be acknowledged.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) deadline: Instant,
    pub(super) seq: Seq,
    pub(super) lease: u64,
    pub(super) conn: ConnId,
    /// It was noticed so late that it was given a second chance.
    pub(super) again: bool,
}

impl Scheduler {
    /// Lets the func have its turn, if it may have a job for somebody.
    pub(super) fn mark_ready(&mut self, func: FuncId) {
        let queue = &mut self.funcs[func];
        if !queue.ready && self.open_grabs > 0 && !queue.workers.is_empty() && queue.due(self.now) {
            queue.ready = true;
            self.ready.insert((queue.stamp, func));
        }
    }

    /// One job of each ready func in turn, until there is no job, or no worker for it.
    pub(super) fn dispatch(&mut self) {
        while let Some((_, func)) = self.ready.pop_first() {
            self.funcs[func].ready = false;
            if !self.stopping && self.dispatch_one(func) {
                self.served += 1;
                self.funcs[func].stamp = self.served;
                self.mark_ready(func);
            }
        }
    }

    fn dispatch_one(&mut self, func: FuncId) -> bool {
        let queue = &self.funcs[func];
        if queue.rests(self.instant) {
            return false;
        }
        let Some(conn) = self.next_worker(func) else { return false };
        loop {
            let queue = &self.funcs[func];
            let Some(position @ (sched_at, seq)) = queue.waiting.first().copied() else { return false };
            if sched_at > self.now {
                return false;
            }
            if !queue.horizon.covers(position) {
                self.refill(func);
                return false;
            }
            let Some(job) = self.entries.get(&seq).and_then(|entry| entry.job.clone()) else {
                self.load(func);
                return false;
            };
            if !self.park(seq, &job) {
                self.assign(func, seq, job, conn);
                self.refill_if_low(func);
                return true;
            }
        }
    }

    /// Which connection's turn it is, of those that can do the func and are free.
    pub(super) fn next_worker(&mut self, func: FuncId) -> Option<ConnId> {
        if self.open_grabs == 0 {
            return None;
        }
        let workers = &mut self.funcs[func].workers;
        for _ in 0..workers.len() {
            let conn = workers.pop_front()?;
            workers.push_back(conn);
            if self.peers.get(&conn).is_some_and(Peer::is_free) {
                return Some(conn);
            }
        }
        None
    }

    /// Sets a job aside if an operation on its key is under way: its result decides whether the job still is.
    fn park(&mut self, seq: Seq, job: &Job) -> bool {
        let Some(state @ KeyState { under_way: 1.., .. }) = self.keys.get_mut(&job.key) else { return false };
        state.held = Some(seq);
        if let Some(entry) = self.entries.get_mut(&seq) {
            self.funcs[entry.func].waiting.remove(&(entry.sched_at, seq));
            entry.state = State::Parked(job.key.clone());
        }
        true
    }

    pub(super) fn assign(&mut self, func: FuncId, seq: Seq, mut job: Job, conn: ConnId) {
        let Some(holder) = self.hand_to(conn, seq) else { return };
        let mut others = Vec::new();
        if self.funcs[func].broadcast {
            let is_free = |other: &ConnId| *other != conn && self.peers.get(other).is_some_and(Peer::is_free);
            let free: Vec<_> = self.funcs[func].workers.iter().copied().filter(is_free).collect();
            others.extend(free.into_iter().filter_map(|other| self.hand_to(other, seq)));
        }
        if job.timeout <= 0 {
            job.timeout = i32::try_from(self.settings.timeout).unwrap_or(i32::MAX);
        }
        let may_take = Duration::from_secs(job.timeout.unsigned_abs().into());
        self.last_lease += 1;
        let lease =
            Lease { id: self.last_lease, key: job.key.clone(), deadline: self.instant + may_take, holder, others };
        self.await_acks(seq, &lease);
        let holders: Vec<_> = lease.others.iter().map(|other| (other.conn, other.msgid)).collect();
        self.keys.entry(job.key.clone()).or_default().held = Some(seq);
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        entry.state = State::Leased(lease);
        if job.workload.len() > KEEP_LEASED
            && let Some(job) = entry.job.take()
        {
            self.cached -= job_weight(&job);
        }
        let queue = &mut self.funcs[func];
        queue.waiting.remove(&(entry.sched_at, seq));
        queue.running += 1;
        for (conn, msgid) in holders {
            self.send(conn, Packet { msgid, command: Command::JobAssign(job.clone()) });
        }
        self.send(conn, Packet { msgid: holder.msgid, command: Command::JobAssign(job) });
    }

    /// Expects whoever has the job to say so in time.
    pub(super) fn await_acks(&mut self, seq: Seq, lease: &Lease) {
        let deadline = self.instant + Duration::from_secs(self.settings.assign_wait.into());
        let acks = lease.holders().map(|to| Ack { deadline, seq, lease: lease.id, conn: to.conn, again: false });
        self.acks.extend(acks);
    }

    /// Uses up a GRAB of a connection's for the job.
    fn hand_to(&mut self, conn: ConnId, seq: Seq) -> Option<Holder> {
        let peer = self.peers.get_mut(&conn)?;
        let msgid = peer.grabs.take()?;
        self.open_grabs -= 1;
        peer.leases.insert(seq);
        peer.unacked.insert(msgid, seq);
        Some(Holder { conn, msgid, acked: false })
    }

    /// `run-job-aggressive`: a job goes to a worker with a GRAB open before those that wait.
    pub(super) fn assign_at_once(&mut self, seq: Seq) {
        let Some(entry) = self.entries.get(&seq) else { return };
        let (func, due) = (entry.func, entry.sched_at <= self.now && matches!(entry.state, State::Waiting));
        if let Some(job) = entry.job.clone()
            && due
            && !self.stopping
            && let Some(conn) = self.next_worker(func)
            && !self.park(seq, &job)
        {
            self.assign(func, seq, job, conn);
        }
    }

    /// Has the jobs at the head of the queue read from the store, as many as the cache has room for.
    fn load(&mut self, func: FuncId) {
        let queue = &mut self.funcs[func];
        if queue.loading {
            return;
        }
        queue.loading = true;
        let room = self.options.cache_bytes.saturating_sub(self.cached).max(LOAD_BYTES);
        let limit = (room / queue.usual_weight.max(1)).clamp(1, LOAD);
        let due = queue.waiting.iter().take(limit).take_while(|(sched_at, _)| *sched_at <= self.now);
        let unread = |seq: &Seq| self.entries.get(seq).is_some_and(|entry| entry.job.is_none());
        let seqs: Vec<Seq> = due.map(|(_, seq)| *seq).filter(unread).collect();
        self.loads += 1;
        let (store, loaded) = (Arc::clone(&self.store), self.loaded.clone());
        tokio::spawn(async move {
            let wanted = seqs.clone();
            // In a task of its own, so that a store that panics is a store that failed.
            let jobs = tokio::spawn(async move { store.load(&wanted).await }).await;
            let jobs = jobs.unwrap_or_else(|error| Err(JobStoreError::Failed(error.to_string())));
            // Nobody waits for them once the scheduler is gone.
            let _scheduler_gone = loaded.send(Read::Jobs(Loaded { func, seqs, jobs }));
        });
    }
}
