//! What becomes of a job that was given out: acknowledged or not, given back, lost.

use std::time::Duration;

use tracing::debug;

use super::dispatch::Ack;
use super::entry::{Holder, Lease, State};
use super::func::FuncId;
use super::life::Reply;
use super::unstored::is_unstored;
use super::{ConnId, Scheduler};
use crate::job::JobKey;
use crate::store::Seq;
use crate::wire::MsgId;

/// An acknowledgement that is noticed to be overdue by more than this is one the server slept through.
const STALL: Duration = Duration::from_millis(500);

impl Scheduler {
    /// Does a worker have the job of this key?
    pub(super) fn is_running(&self, key: &JobKey) -> bool {
        let held = self.keys.get(key).and_then(|state| self.entries.get(&state.held?));
        held.is_some_and(|entry| matches!(entry.state, State::Leased(_)))
    }

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
            Some(ended) => self.give_up(seq, key, Some(ended), Reply::Nobody),
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
                if is_unstored(seq) {
                    self.store_after_all(seq, &lease.key, Reply::Nobody);
                }
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

    /// Has this connection the job with this key? A worker that speaks about a job has taken it, acknowledged or not:
    /// workers from before there were acknowledgements do just that.
    pub(super) fn speaks_for(&mut self, conn: ConnId, key: &JobKey) -> bool {
        self.keys.get(key).and_then(|state| state.held).is_some_and(|seq| self.acknowledge(conn, seq).is_some())
    }

    /// The connection has said something about a job; `None`: it does not have it. True when that is the acknowledgement.
    pub(super) fn acknowledge(&mut self, conn: ConnId, seq: Seq) -> Option<bool> {
        let State::Leased(lease) = &mut self.entries.get_mut(&seq)?.state else { return None };
        let holder = lease.holder_mut(conn)?;
        let is_first = !std::mem::replace(&mut holder.acked, true);
        if is_first {
            let msgid = holder.msgid;
            self.peers.get_mut(&conn)?.unacked.remove(&msgid);
        }
        Some(is_first)
    }

    /// `assign-wait` may be shorter than it was: nobody has longer than that from now on, so the oldest is still due
    /// first.
    pub(super) fn shorten_acks(&mut self) {
        let latest = self.instant + Duration::from_secs(self.settings.assign_wait.into());
        for ack in &mut self.acks {
            ack.deadline = ack.deadline.min(latest);
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
