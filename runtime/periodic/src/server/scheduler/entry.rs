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
    pub(super) conn: ConnId,
    pub(super) msgid: MsgId,
    pub(super) acked: bool,
    pub(super) deadline: Instant,
}

/// What is remembered about a key as long as there is reason to.
#[derive(Debug, Default)]
pub(super) struct KeyState {
    /// Operations on the key under way.
    pub(super) under_way: usize,
    /// The job in memory that is leased, orphaned or parked.
    pub(super) held: Option<u64>,
}

/// What keeping a job in memory takes.
pub(super) fn job_weight(job: &Job) -> usize {
    JOB_WEIGHT + job.key.func.len() + job.key.name.len() + job.workload.len()
}
