//! The server for its own process: submit, remove and ask without a socket, or connect through memory.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::scheduler::Message;
use super::{FuncStatus, Origin, Shared};
use crate::job::{Job, JobKey};
use crate::store::JobStoreError;
use crate::transport::{Connect, Stream};
use crate::wire::MAX_NAME;

/// What fits into one direction of an in-process connection before its writer has to wait, in bytes.
const PIPE: usize = 64 << 10;

/// Why a job was not taken, or not removed. It is certain that nothing was changed, except with
/// [`SubmitError::Stopped`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The store has no room.
    #[error("{0}")]
    Full(String),
    /// The store failed.
    #[error("{0}")]
    Failed(String),
    /// The note that came with the jobs does not hold.
    #[error("{0}")]
    Refused(String),
    /// The job cannot be sent to any worker.
    #[error("the job is not valid: {0}")]
    Invalid(String),
    /// The server has stopped, or stopped before it could answer.
    #[error("the Periodic server has stopped")]
    Stopped,
}

impl From<JobStoreError> for SubmitError {
    fn from(error: JobStoreError) -> Self {
        match error {
            JobStoreError::Full(_) => Self::Full(error.to_string()),
            JobStoreError::Failed(_) => Self::Failed(error.to_string()),
            JobStoreError::Refused(reason) => Self::Refused(reason),
        }
    }
}

/// A server, to those who live in the same process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Submits jobs; a result for each, in the same order. When this returns, the jobs that were taken are durable. The
    /// rules are SUBMIT_JOB's: one job per key; a waiting one is replaced; a submit for one that runs is dropped, which
    /// counts as taken. Jobs submitted at once share a commit. Cancelling it takes back nothing. The bytes of a job are
    /// kept as they are given: parts of a large buffer are better copied before ([`Job::compact`]).
    pub async fn submit(&self, jobs: Vec<Job>) -> Vec<Result<(), SubmitError>> {
        if jobs.iter().all(|job| self.check(job).is_ok()) {
            return self.submit_good(jobs).await;
        }
        let mut results: Vec<_> = jobs.iter().map(|job| self.check(job)).collect();
        let good = jobs.into_iter().zip(&results).filter(|(_, checked)| checked.is_ok()).map(|(job, _)| job).collect();
        let answers = self.submit_good(good).await;
        for (result, answer) in results.iter_mut().filter(|result| result.is_ok()).zip(answers) {
            *result = answer;
        }
        results
    }

    /// Submits jobs with a note for the store ([`JobOp::PutAll`](crate::JobOp::PutAll)): all of it is durable when this
    /// returns, or nothing was done. The rules are those of [`submit`](Self::submit); the jobs' keys differ.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] if the note does not hold; [`SubmitError::Invalid`] if one of the jobs cannot be sent; or the
    /// store failed.
    pub async fn submit_noted(&self, jobs: Vec<Job>, note: Bytes) -> Result<(), SubmitError> {
        jobs.iter().try_for_each(|job| self.check(job))?;
        let (reply, answer) = oneshot::channel();
        match self.shared.scheduler.send(Message::SubmitNoted { jobs, note, reply }).await {
            Ok(()) => answer.await.unwrap_or(Err(SubmitError::Stopped)),
            Err(_) => Err(SubmitError::Stopped),
        }
    }

    /// Stores a job in the place of one with its key that waits. False: none does, because there is none or it runs, and
    /// nothing was done. It may have a new time, data and count.
    ///
    /// # Errors
    /// As [`submit`](Self::submit)'s.
    pub async fn replace(&self, job: Job) -> Result<bool, SubmitError> {
        self.check(&job)?;
        let (reply, answer) = oneshot::channel();
        match self.shared.scheduler.send(Message::Replace { job, reply }).await {
            Ok(()) => answer.await.ok().and_then(|mut replaced| replaced.pop()).unwrap_or(Err(SubmitError::Stopped)),
            Err(_) => Err(SubmitError::Stopped),
        }
    }

    async fn submit_good(&self, jobs: Vec<Job>) -> Vec<Result<(), SubmitError>> {
        let asked = jobs.len();
        if asked == 0 {
            return Vec::new();
        }
        let (reply, answer) = oneshot::channel();
        if self.shared.scheduler.send(Message::Submit { jobs, reply }).await.is_ok()
            && let Ok(results) = answer.await
        {
            return results;
        }
        vec![Err(SubmitError::Stopped); asked]
    }

    fn check(&self, job: &Job) -> Result<(), SubmitError> {
        let max = self.shared.options.max_payload;
        // The msgid, the command, and all that frames the three texts.
        let size = 32 + job.key.func.len() + job.key.name.len() + job.workload.len();
        if job.key.func.len() > MAX_NAME || job.key.name.len() > MAX_NAME {
            Err(SubmitError::Invalid(format!("its func or name is over {MAX_NAME} bytes")))
        } else if size > max {
            Err(SubmitError::Invalid(format!("it takes {size} bytes, the limit is {max}")))
        } else {
            Ok(())
        }
    }

    /// Deletes jobs, also those that run; a result for each, in the same order: was there one? When this returns, they
    /// are durably gone.
    pub async fn remove(&self, keys: Vec<JobKey>) -> Vec<Result<bool, SubmitError>> {
        let asked = keys.len();
        let (reply, answer) = oneshot::channel();
        if self.shared.scheduler.send(Message::Remove { keys, reply }).await.is_ok()
            && let Ok(results) = answer.await
        {
            return results;
        }
        vec![Err(SubmitError::Stopped); asked]
    }

    /// For each of these, in the same order: does a worker have it? All false when the server has stopped.
    pub async fn running(&self, keys: Vec<JobKey>) -> Vec<bool> {
        let asked = keys.len();
        let (reply, answer) = oneshot::channel();
        match self.shared.scheduler.send(Message::Running { keys, reply }).await {
            Ok(()) => answer.await.unwrap_or_else(|_| vec![false; asked]),
            Err(_) => vec![false; asked],
        }
    }

    /// Tells about every func, in byte order of their names. Empty when the server has stopped.
    pub async fn status(&self) -> Vec<FuncStatus> {
        let (reply, answer) = oneshot::channel();
        match self.shared.scheduler.send(Message::Status(reply)).await {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// Does the server still take requests?
    pub fn is_running(&self) -> bool {
        !self.shared.scheduler.is_closed()
    }

    /// Opens connections to this server through memory, for the same clients and workers that use sockets.
    pub fn connector(&self) -> Connector {
        Connector { shared: Arc::clone(&self.shared) }
    }
}

/// Connects to a server in the same process.
#[derive(Debug, Clone)]
pub struct Connector {
    shared: Arc<Shared>,
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        if self.shared.closing.is_cancelled() {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the Periodic server has stopped"));
        }
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let theirs: Box<dyn Stream> = Box::new(theirs);
        self.shared.open(theirs.into(), Origin::Inside);
        Ok(Box::new(ours))
    }

    fn peer(&self) -> String {
        "the server in this process".to_owned()
    }
}
