//! Jobs in memory, and what is remembered about keys.

use tokio::time::Instant;

use super::ConnId;
use super::func::FuncId;
use crate::job::{Job, JobKey};
use crate::wire::MsgId;

/// What a job takes in memory besides its bytes; for the cache's count.
const JOB_WEIGHT: usize = 128;

/// A stored job that is in memory. Its number is its place in the table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) func: FuncId,
    /// As it is in the store.
    pub(super) sched_at: i64,
    /// The job itself, when it is kept.
    pub(super) job: Option<Job>,
    pub(super) state: State,
}

/// Where a job in memory stands.
#[derive(Debug)]
pub(super) enum State {
    /// In its func's queue.
    Waiting,
    /// In its func's queue again, because the worker that had it is gone; what that worker still has to say about it
    /// counts.
    Orphaned(JobKey),
    /// Due, but an operation on its key is under way, whose result decides.
    Parked(JobKey),
    /// It waits for a lock.
    Locked(JobKey),
    /// A worker has it.
    Leased(Lease),
    /// An operation is under way that deletes or moves it.
    Ending,
}

/// Who has a job, and until when.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) id: u64,
    pub(super) key: JobKey,
    pub(super) deadline: Instant,
    pub(super) holder: Holder,
    /// The others that have it as well: a broadcast job goes to all who are free.
    pub(super) others: Vec<Holder>,
}

/// A connection that was given a job, under one of its GRABs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) conn: ConnId,
    pub(super) msgid: MsgId,
    pub(super) acked: bool,
}

impl Lease {
    pub(super) fn holders(&self) -> impl Iterator<Item = &Holder> {
        std::iter::once(&self.holder).chain(&self.others)
    }

    pub(super) fn holder(&self, conn: ConnId) -> Option<&Holder> {
        self.holders().find(|holder| holder.conn == conn)
    }

    pub(super) fn holder_mut(&mut self, conn: ConnId) -> Option<&mut Holder> {
        std::iter::once(&mut self.holder).chain(&mut self.others).find(|holder| holder.conn == conn)
    }

    pub(super) fn is_held_by(&self, conn: ConnId) -> bool {
        self.holder(conn).is_some()
    }

    /// Takes one of several holders off. `None`: it is the only one.
    pub(super) fn without(&mut self, conn: ConnId) -> Option<Holder> {
        if self.holder.conn == conn {
            return self.others.pop().map(|other| std::mem::replace(&mut self.holder, other));
        }
        let at = self.others.iter().position(|holder| holder.conn == conn)?;
        Some(self.others.swap_remove(at))
    }
}

/// What is remembered about a key as long as there is reason to.
#[derive(Debug, Default)]
pub(super) struct KeyState {
    /// Operations on the key under way.
    pub(super) under_way: usize,
    /// The job in memory that is leased, orphaned, parked or locked.
    pub(super) held: Option<u64>,
}

/// What keeping a job in memory takes.
pub(super) fn job_weight(job: &Job) -> usize {
    JOB_WEIGHT + job.key.func.len() + job.key.name.len() + job.workload.len()
}
