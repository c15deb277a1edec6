//! What a handler can do about its job while it runs: send data, and take locks.

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::Id;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Answer;

/// Why something could not be done for a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The connection over which the job came has broken, or the handler has answered. What the handler answers is told to
    /// the server all the same.
    #[error("the job's connection broke, or the job has ended")]
    Lost,
    /// The server does not let this worker.
    #[error("refused: role or identity may not do this on the Periodic server")]
    Refused,
    /// It cannot be sent to any server.
    #[error("it cannot be sent: {0}")]
    Invalid(String),
}

/// What a handler asks for.
#[derive(Debug)]
pub(super) struct Ask {
    /// The task that runs the job.
    pub(super) task: Id,
    pub(super) what: What,
    pub(super) reply: oneshot::Sender<Result<bool, WorkError>>,
}

#[derive(Debug)]
pub(super) enum What {
    Data(Bytes),
    Acquire { lock: Bytes, capacity: i16 },
    Release(Bytes),
}

/// A job that runs, as its handler sees it. Clones are the same job.
///
/// Each method waits for the server's answer; dropping its future stops the waiting only.
#[derive(Debug, Clone)]
pub struct Work {
    task: Id,
    asks: mpsc::Sender<Ask>,
    lost: CancellationToken,
}

impl Work {
    pub(super) fn new(task: Id, asks: mpsc::Sender<Ask>, lost: CancellationToken) -> Self {
        Self { task, asks, lost }
    }

    /// Sends a chunk to everybody who listens to this job now ([`Client::recv_data`](crate::Client::recv_data)). `Ok`:
    /// the server has it; perhaps nobody listens. A chunk that is exactly `EOF` ends the listeners' streams.
    ///
    /// # Errors
    /// See [`WorkError`].
    pub async fn send_data(&self, chunk: impl Into<Bytes>) -> Result<(), WorkError> {
        self.ask(What::Data(chunk.into())).await.map(drop)
    }

    /// Takes a place in a lock (a name of at most 255 bytes, the same for all funcs) that at most `capacity` jobs can hold
    /// at once; if workers disagree, the largest number counts. `Ok`: the job holds it until it is released, or the job
    /// ends, or the connection breaks ([`Work::lost`]).
    ///
    /// # Errors
    /// What the handler must answer now. [`Answer::Locked`]: there is no place, and the server runs the job again, from
    /// the start, when there is one; or it runs it again because the connection broke. Whatever the handler answers in
    /// that case, the server is not told: the job is no longer this worker's. [`Answer::Fail`]: the lock cannot be had at
    /// all, the log says why.
    ///
    /// ```
    /// # use periodic::{Answer, Job, Work};
    /// # use bytes::Bytes;
    /// async fn run(job: Job, work: Work) -> Answer {
    ///     if let Err(answer) = work.acquire("the printer", 1).await {
    ///         return answer;
    ///     }
    ///     Answer::Done(Bytes::new())
    /// }
    /// ```
    pub async fn acquire(&self, lock: impl Into<Bytes>, capacity: i16) -> Result<(), Answer> {
        match self.ask(What::Acquire { lock: lock.into(), capacity }).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(WorkError::Lost) => Err(Answer::Locked),
            Err(error) => {
                warn!(%error, "a lock cannot be acquired");
                Err(Answer::Fail)
            }
        }
    }

    /// Gives a lock back. It is free at the latest when the job ends or the connection breaks, so this cannot fail.
    pub async fn release(&self, lock: impl Into<Bytes>) {
        if let Err(error @ (WorkError::Refused | WorkError::Invalid(_))) = self.ask(What::Release(lock.into())).await {
            warn!(%error, "a lock cannot be released before its job ends");
        }
    }

    /// Waits until the connection over which the job came has broken. The job's locks are gone then, and the server may
    /// have another worker run it. A handler that only needs its answer to arrive can go on: the answer is told when
    /// there is a connection again.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    async fn ask(&self, what: What) -> Result<bool, WorkError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask { task: self.task, what, reply };
        self.asks.send(ask).await.map_err(|_| WorkError::Lost)?;
        answer.await.unwrap_or(Err(WorkError::Lost))
    }
}
