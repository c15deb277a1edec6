//! Adapters that know two crates: a Periodic server or client as core's [`Queue`].

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{ClientError, Handle, SubmitError};
use pusher_core::{JobKey, NewJob, Queue, QueueError};

/// The Periodic server in this process: an `Ok` means committed.
pub struct EmbeddedQueue(pub Handle);

/// A Periodic server elsewhere: an `Ok` means it answered SUCCESS.
pub struct RemoteQueue(pub periodic::Client);

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn submit(&self, jobs: Vec<NewJob>) -> Vec<Result<(), QueueError>> {
        let results = self.0.submit(jobs.into_iter().map(job).collect()).await;
        results.into_iter().map(|result| result.map_err(embedded_error)).collect()
    }

    async fn remove(&self, keys: Vec<JobKey>) -> Vec<Result<(), QueueError>> {
        let results = self.0.remove(keys.into_iter().map(key).collect()).await;
        results.into_iter().map(|result| result.map(drop).map_err(embedded_error)).collect()
    }
}

#[async_trait]
impl Queue for RemoteQueue {
    async fn submit(&self, jobs: Vec<NewJob>) -> Vec<Result<(), QueueError>> {
        let results = self.0.submit_many(jobs.into_iter().map(job).collect()).await;
        results.into_iter().map(|result| result.map_err(remote_error)).collect()
    }

    async fn remove(&self, keys: Vec<JobKey>) -> Vec<Result<(), QueueError>> {
        let mut results = Vec::with_capacity(keys.len());
        for removed in keys.into_iter().map(key) {
            results.push(self.0.remove(removed).await.map_err(remote_error));
        }
        results
    }
}

fn job(new: NewJob) -> periodic::Job {
    periodic::Job {
        key: key(new.key),
        workload: Bytes::from(new.workload),
        sched_at: new.sched_at,
        count: 0,
        timeout: 0,
    }
}

fn key(key: JobKey) -> periodic::JobKey {
    let JobKey { func, name } = key;
    periodic::JobKey { func: Bytes::from(String::from(func)), name: Bytes::from(String::from(name)) }
}

fn embedded_error(error: SubmitError) -> QueueError {
    match error {
        SubmitError::Full(reason) => QueueError::Full(reason),
        error => QueueError::Unavailable(error.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn remote_error(error: ClientError) -> QueueError {
    QueueError::Unavailable(error.to_string())
}
