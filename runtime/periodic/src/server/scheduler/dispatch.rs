//! Bringing due jobs and workers with a GRAB open together, and watching what becomes of it.
//!
//! Funcs take turns, least recently served first, and so do the connections of a func; a flood on one func delays
//! another by one job at most.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::entry::{Holder, KeyState, Lease, State, job_weight};
use super::func::FuncId;
use super::life::Reply;
use super::{ConnId, Loaded, Read, Scheduler};
use crate::job::{Job, JobKey};
use crate::store::{JobStoreError, Seq};
use crate::wire::{Command, MsgId, Packet};

/// Jobs read from the store at once, at most.
const LOAD: usize = 256;
/// Bytes of jobs that are read at once even when the cache is full.
const LOAD_BYTES: usize = 1 << 20;
/// An acknowledgement that is noticed to be overdue by more than this is one the server slept through.
const STALL: Duration = Duration::from_millis(500);
/// A leased job larger than this is not kept; should it have to run again, it is read again.
const KEEP_LEASED: usize = 64 << 10;

/// An assignment that is to be acknowledged.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) deadline: Instant,
    seq: Seq,
    lease: u64,
    conn: ConnId,
    /// It was noticed so late that it was given a second chance.
    again: bool,
}

/// Giving jobs out.
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
        if queue.rests_until > self.now {
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

    /// Which connection's turn it is, of those that can do the func and have a GRAB open.
    fn next_worker(&mut self, func: FuncId) -> Option<ConnId> {
        if self.open_grabs == 0 {
            return None;
        }
        let workers = &mut self.funcs[func].workers;
        for _ in 0..workers.len() {
            let conn = workers.pop_front()?;
            workers.push_back(conn);
            if self.peers.get(&conn).is_some_and(|peer| !peer.grabs.is_empty()) {
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

    fn assign(&mut self, func: FuncId, seq: Seq, mut job: Job, conn: ConnId) {
        let Some(holder) = self.hand_to(conn, seq) else { return };
        let mut others = Vec::new();
        if self.funcs[func].broadcast {
            let workers = self.funcs[func].workers.clone();
            others.extend(
                workers.into_iter().filter(|other| *other != conn).filter_map(|other| self.hand_to(other, seq)),
            );
        }
        let Some(entry) = self.entries.get_mut(&seq) else { return };

        if job.timeout <= 0 {
            job.timeout = i32::try_from(self.settings.timeout).unwrap_or(i32::MAX);
        }
        let may_take = Duration::from_secs(job.timeout.unsigned_abs().into());
        self.last_lease += 1;
        let lease =
            Lease { id: self.last_lease, key: job.key.clone(), deadline: self.instant + may_take, holder, others };
        let deadline = self.instant + Duration::from_secs(self.settings.assign_wait.into());
        let acks = lease.holders().map(|to| Ack { deadline, seq, lease: lease.id, conn: to.conn, again: false });
        self.acks.extend(acks);
        let holders: Vec<_> = lease.others.iter().map(|other| (other.conn, other.msgid)).collect();
        self.keys.entry(job.key.clone()).or_default().held = Some(seq);
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

/// What becomes of a job that was given out.
impl Scheduler {
    /// Takes a lease off the books.
    pub(super) fn lease_over(&mut self, func: FuncId, seq: Seq, lease: &Lease) {
        self.funcs[func].running -= 1;
        for holder in lease.holders() {
            self.lets_go(seq, holder);
        }
        self.leave_locks(&lease.key);
    }

    /// A connection does not have the job any more.
    fn lets_go(&mut self, seq: Seq, holder: &Holder) {
        if let Some(peer) = self.peers.get_mut(&holder.conn) {
            peer.leases.remove(&seq);
            if peer.unacked.get(&holder.msgid) == Some(&seq) {
                peer.unacked.remove(&holder.msgid);
            }
        }
    }

    /// Takes the job from one of several connections that have it. False: it is the only one.
    pub(super) fn take_from(&mut self, seq: Seq, conn: ConnId) -> bool {
        let Some(State::Leased(lease)) = self.entries.get_mut(&seq).map(|entry| &mut entry.state) else { return false };
        let Some(holder) = lease.without(conn) else { return false };
        self.lets_go(seq, &holder);
        true
    }

    /// A worker lost its connection, or is taken to have: if nobody else has the job, its run has failed.
    pub(super) fn holder_lost(&mut self, seq: Seq, conn: ConnId) {
        if !self.take_from(seq, conn) {
            self.lease_lost(seq);
        }
    }

    /// The worker is gone, or its time is over: the job is ready again at once; or gone, if it was there only for those
    /// who waited for it.
    pub(super) fn lease_lost(&mut self, seq: Seq) {
        let Some(State::Leased(lease)) = self.entries.get(&seq).map(|entry| &entry.state) else { return };
        let key = lease.key.clone();
        match self.fail_waiters(&key) {
            Some(ended) => self.finish(seq, key, Some(ended), Reply::Nobody),
            None => self.give_back(seq, State::Orphaned),
        }
    }

    fn give_back(&mut self, seq: Seq, state: impl FnOnce(JobKey) -> State) {
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        match std::mem::replace(&mut entry.state, State::Waiting) {
            State::Leased(lease) => {
                let (func, position) = (entry.func, (entry.sched_at, seq));
                let key = lease.key.clone();
                entry.state = state(key);
                let held = matches!(entry.state, State::Orphaned(_));
                self.lease_over(func, seq, &lease);
                if !held {
                    self.unhold(&lease.key);
                }
                self.enqueue(func, position);
            }
            other => entry.state = other,
        }
    }

    pub(super) fn job_assigned(&mut self, conn: ConnId, msgid: MsgId) {
        if let Some(seq) = self.peers.get_mut(&conn).and_then(|peer| peer.unacked.remove(&msgid))
            && let Some(State::Leased(lease)) = self.entries.get_mut(&seq).map(|entry| &mut entry.state)
            && let Some(holder) = lease.holder_mut(conn)
        {
            holder.acked = true;
        }
        self.no_answer(conn);
    }

    pub(super) fn job_unassigned(&mut self, conn: ConnId, msgid: MsgId) {
        if let Some(seq) = self.peers.get_mut(&conn).and_then(|peer| peer.unacked.remove(&msgid))
            && !self.take_from(seq, conn)
        {
            self.give_back(seq, |_| State::Waiting);
        }
        self.no_answer(conn);
    }

    /// A worker that speaks about a job has taken it, acknowledged or not. Workers from before there were
    /// acknowledgements do just that.
    pub(super) fn acknowledged_by_answer(&mut self, conn: ConnId, key: &JobKey) {
        let Some(seq) = self.keys.get(key).and_then(|state| state.held) else { return };
        if let Some(State::Leased(lease)) = self.entries.get_mut(&seq).map(|entry| &mut entry.state)
            && let Some(holder) = lease.holder_mut(conn)
            && !holder.acked
        {
            holder.acked = true;
            let msgid = holder.msgid;
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.unacked.remove(&msgid);
                peer.never_acks = true;
            }
        }
    }

    /// A worker that does not acknowledge its jobs is not there: its connection is closed, which gives all its jobs
    /// back. One that never has, and yet has done jobs, loses the one. And if it is the server that was not there, for
    /// want of a processor, the acknowledgement may be waiting to be read.
    pub(super) fn expire_acks(&mut self) {
        while let Some(ack) = self.acks.pop_front_if(|ack| ack.deadline <= self.instant) {
            if let Some(State::Leased(lease)) = self.entries.get(&ack.seq).map(|entry| &entry.state)
                && lease.id == ack.lease
                && lease.holder(ack.conn).is_some_and(|holder| !holder.acked)
            {
                if !ack.again && self.instant - ack.deadline > STALL {
                    self.acks.push_back(Ack { deadline: self.instant + STALL, again: true, ..ack });
                } else if self.peers.get(&ack.conn).is_some_and(|peer| peer.never_acks) {
                    self.holder_lost(ack.seq, ack.conn);
                } else {
                    self.close_peer(ack.conn, "it does not acknowledge its jobs");
                }
            }
        }
    }

    /// A new second: jobs have become due.
    pub(super) fn wake_funcs(&mut self) {
        for func in 0..self.funcs.len() {
            self.refill_if_low(func);
            self.mark_ready(func);
        }
    }

    /// Jobs whose time is over are ready again.
    pub(super) fn expire_leases(&mut self) {
        let overdue = |seq: &Seq| match self.entries.get(seq).map(|entry| &entry.state) {
            Some(State::Leased(lease)) => lease.deadline <= self.instant,
            _ => false,
        };
        let overdue: Vec<Seq> =
            self.peers.values().flat_map(|peer| peer.leases.iter().copied()).filter(overdue).collect();
        // Once each, however many have it.
        for seq in overdue {
            debug!(seq, "a worker took too long");
            self.lease_lost(seq);
        }
    }
}
