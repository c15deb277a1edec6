//! Jobs whose caller waits: RUN_JOB and RECV_DATA (PROTOCOL §9).

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::chunks::{Outlet, chunks};
use super::ledger::{Ask, Call};
use super::{Chunks, Client, ClientError, RunError, unexpected};
use crate::job::{Job, JobKey};
use crate::wire::Command;

/// What a server gives a job that does not say how long it may take, in seconds.
const DEFAULT_JOB_TIME: u64 = 60;
/// How late a server may tell that a job's time is over.
const LATE: Duration = Duration::from_secs(15);

impl Client {
    /// Submits a job, waits until a worker has done it, and returns its result. The job has [`Job::timeout`] seconds, 60
    /// if that is 0, waiting for a worker included; when they are over the server deletes it. If the same job is running
    /// already, this waits for that one's result.
    ///
    /// Dropping the future stops the waiting; the job is run all the same. At most 768 such requests are sent and not
    /// answered; further ones wait for that, no longer than [`ClientOptions::timeout`](super::ClientOptions::timeout).
    ///
    /// # Errors
    /// [`RunError`]. What the protocol has no words for, servers say in the place of the result: a result that is
    /// exactly `failed`, `removed` or `expired` cannot be told from these errors, and is returned as one. A worker whose
    /// results can be anything should wrap them.
    pub async fn run_job(&self, job: Job) -> Result<Bytes, RunError> {
        let seconds = u64::try_from(job.timeout).ok().filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_JOB_TIME);
        let within = self.timeout + Duration::from_secs(seconds) + LATE;
        match self.ask_for(Command::RunJob(job), Some(within), None).await? {
            Command::Data(result) => match result.as_ref() {
                b"failed" => Err(RunError::Failed),
                b"removed" => Err(RunError::Removed),
                b"expired" => Err(RunError::Expired),
                _ => Ok(result),
            },
            other => Err(unexpected(&other).into()),
        }
    }

    /// Listens to what a job's worker says while it works. Ask before the job runs: what was said earlier is lost. The
    /// stream ends with the job, also when that has not been submitted `timeout` seconds after it (0: 60): then the
    /// server stops listening, and some servers delete a job of that key that nobody else waits for.
    ///
    /// Take the chunks as they come: if 1024 of them, or more than
    /// [`ClientOptions::max_payload`](super::ClientOptions::max_payload) bytes, wait to be taken, the stream ends with
    /// [`ClientError::TooSlow`], because the connection serves others, too. A chunk that is exactly `EOF` ends it as
    /// well: that is the protocol's mark, and in-band.
    ///
    /// # Errors
    /// [`RunError::NoWorker`] and [`RunError::Client`].
    pub async fn recv_data(&self, key: JobKey, timeout: i32) -> Result<Chunks, RunError> {
        let job = Job { key, workload: Bytes::new(), sched_at: 0, count: 0, timeout };
        let (outlet, chunks) = chunks(self.clone(), self.max_payload);
        match self.ask_for(Command::RecvData(job), None, Some(outlet)).await? {
            Command::Success => Ok(chunks),
            other => Err(unexpected(&other).into()),
        }
    }

    pub(super) async fn ask_for(
        &self,
        command: Command,
        within: Option<Duration>,
        outlet: Option<Outlet>,
    ) -> Result<Command, ClientError> {
        self.check(&command)?;
        let (reply, answer) = oneshot::channel();
        let ask = Ask { commands: vec![command], within, outlet, reply };
        self.calls.send(Call::Ask(ask)).await.map_err(|_| ClientError::Closed)?;
        super::one(answer.await.map_err(|_| ClientError::Lost)?)
    }
}
