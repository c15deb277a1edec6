//! Where the server keeps its jobs: the [`JobStore`] port.
//!
//! The server owns the order of things: it hands the store one stream of operations and takes the results in the same
//! order. That is also why reading what is due is an operation in the stream ([`JobOp::Due`]): its result stands exactly
//! between the writes before it and the writes after it, so the server's memory and the store can never disagree.

use async_trait::async_trait;
use bytes::Bytes;

use crate::job::{Job, JobKey};

/// A job's number in a store: given when the job is put, never given again.
pub type Seq = u64;

/// A new job's number, and that of the job it replaced.
pub type NewSeq = (Seq, Option<Seq>);

/// One operation on the stored jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOp {
    /// Store a job under the next number. A job with the same key is replaced: it is deleted, its number is gone.
    Put(Job),
    /// Delete the job with this key.
    Remove(JobKey),
    /// Store jobs as [`Put`](Self::Put) does, all of them or none, and keep a note with them. What it says is between who
    /// submits and the store: the note may refuse the operation ([`JobStoreError::Refused`]), or leave jobs out. A store to
    /// which it says nothing stores the jobs.
    PutAll {
        /// The jobs; their keys differ.
        jobs: Vec<Job>,
        /// The note.
        note: Bytes,
    },
    /// Store a job in the place of the one with the same key; if there is none, do nothing.
    Replace(Job),
    /// Delete the job with this number, which is done.
    Finish {
        /// Which job.
        seq: Seq,
        /// What its worker said with WORK_DONE. A store may keep that, in the same commit.
        result: Bytes,
    },
    /// Delete the job with this number, which is not done.
    Discard(Seq),
    /// Set when a job is to run next, and add `step` to its count (saturating). Its number stays.
    Reschedule {
        /// Which job.
        seq: Seq,
        /// Unix seconds.
        sched_at: i64,
        /// How much to add to the job's count.
        step: i32,
    },
    /// Read the jobs of a func that are due next, in ascending order of (sched_at, number).
    Due {
        /// Which func.
        func: Bytes,
        /// Only what comes after this position; `None`: from the beginning.
        after: Option<(i64, Seq)>,
        /// At most so many.
        limit: usize,
    },
}

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOpDone {
    /// The job is stored.
    Put {
        /// Its number.
        seq: Seq,
        /// The number of the job it replaced.
        replaced: Option<Seq>,
    },
    /// For each job, in the same order, its number and that of the job it replaced; `None`: it was left out.
    PutAll(Vec<Option<NewSeq>>),
    /// Its number and that of the job it replaced, if there was one ([`JobOp::Replace`]).
    Replaced(Option<(Seq, Seq)>),
    /// The number of the job that was deleted, if there was one ([`JobOp::Remove`], [`JobOp::Finish`], [`JobOp::Discard`]).
    Deleted(Option<Seq>),
    /// Was there such a job ([`JobOp::Reschedule`])?
    Rescheduled(bool),
    /// The positions of the jobs that are due next; fewer than the limit: there are no more.
    Due(Vec<(i64, Seq)>),
}

/// Why the store did not do as asked. Nothing was changed by the operation that got it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobStoreError {
    /// There is no room. Deleting makes room.
    #[error("the job store is full: {0}")]
    Full(String),
    /// The note of a [`JobOp::PutAll`] does not hold.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("the job store failed: {0}")]
    Failed(String),
}

/// A func that has jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFunc {
    /// Its name.
    pub func: Bytes,
    /// How many jobs it has.
    pub jobs: u64,
}

/// Keeps jobs. Uniqueness is by (func, name). [`conformance`](crate) (a feature) is the suite every backend must pass.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Carries the operations out in order, as one durable commit where it can; one result for each, in the same order.
    /// When this returns, what it reports as done is durable. An operation that fails leaves the others in force.
    ///
    /// The server does not wait for one call before it makes the next: calls take effect in the order in which their
    /// futures were polled first, and a store does well to join those that wait into one commit.
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>>;

    /// The jobs with these numbers, in the same order; `None` where there is none.
    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError>;

    /// Every func that has jobs, in ascending byte order.
    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError>;
}
