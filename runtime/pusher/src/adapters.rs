//! Adapters that know two crates: a Periodic server or client as core's [`Queue`], and who keeps a worker's reports.

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{Handle, SubmitError};
use pusher_client::{Client, ClientError, ReportBatch};
use pusher_core::{
    Delivery, DeliveryEvent, DeliveryLog, JobKey, JobName, NewJob, Note, Queue, QueueError, Report, SenderName,
};
use pusher_worker::{ReportError, ReportSink, Reports};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The Periodic server in this process, whose jobs are in the same store as the delivery log: an `Ok` means committed.
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

    fn keeps_notes(&self) -> bool {
        true
    }

    async fn submit_noted(&self, jobs: Vec<NewJob>, notes: Vec<Note>) -> Result<(), QueueError> {
        let (jobs, note) = (jobs.into_iter().map(job).collect(), Note::to_bytes(&notes).into());
        self.0.submit_noted(jobs, note).await.map_err(embedded_error)
    }

    async fn replace(&self, new: NewJob) -> Result<bool, QueueError> {
        self.0.replace(job(new)).await.map_err(embedded_error)
    }

    async fn running(&self, keys: &[JobKey]) -> Vec<bool> {
        self.0.running(keys.iter().cloned().map(key).collect()).await
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

/// The delivery log in this process, for a worker in it.
pub struct LogReports {
    /// Where reports go.
    pub log: Arc<dyn DeliveryLog>,
    /// Does the log keep what was delivered with the end of the job? It does if the Periodic server is in this process.
    pub keeps_ends: bool,
}

#[async_trait]
impl Reports for LogReports {
    async fn report(&self, report: Report) -> Result<(), ReportError> {
        let recorded = self.log.record(vec![DeliveryEvent::Attempted(report)]).await.pop();
        recorded.transpose().map(drop).map_err(|error| ReportError::Unavailable(error.to_string()))
    }

    fn wants_delivered(&self) -> bool {
        !self.keeps_ends
    }

    async fn first_attempt(&self, sender: &SenderName, name: &JobName) -> Option<i64> {
        first_of(&self.log.get(name).await.ok()?, sender)
    }
}

/// An API server elsewhere, which keeps the delivery log: what a worker's [`Spool`](pusher_worker::Spool) tells.
pub struct ApiReports(pub Client);

#[async_trait]
impl ReportSink for ApiReports {
    async fn send(&self, reports: Vec<Report>) -> Result<(), ReportError> {
        let mut batch = ReportBatch::new();
        for report in &reports {
            if batch.add(report).is_ok() {
                continue;
            }
            self.tell(std::mem::take(&mut batch)).await?;
            // One that does not even fit alone never will.
            batch.add(report).map_err(|error| ReportError::Refused(error.to_string()))?;
        }
        self.tell(batch).await
    }

    async fn first_attempt(&self, sender: &SenderName, name: &JobName) -> Option<i64> {
        // A message that failed is not to wait for long until a server that is away does not say how old it is.
        let found = timeout(PATIENCE, self.0.delivery(name)).await.ok()?.ok()?;
        first_of(&found, sender)
    }
}

impl ApiReports {
    async fn tell(&self, batch: ReportBatch) -> Result<(), ReportError> {
        if batch.is_empty() {
            return Ok(());
        }
        match self.0.report(batch).await {
            Ok(()) => Ok(()),
            Err(ClientError::Refused { status: NO_REPORT, sentence }) => Err(ReportError::Refused(sentence)),
            // A wrong key, another server's address, a server that is older: an operator can mend that, and until then
            // the reports wait.
            Err(error) => Err(ReportError::Unavailable(error.to_string())),
        }
    }
}

/// When the message was tried first in the life that it has now, of what is known under its name.
fn first_of(found: &[Delivery], sender: &SenderName) -> Option<i64> {
    found.iter().find(|delivery| delivery.sender == *sender)?.tried_since()
}

/// How long an API server has to say when a message was tried first; after that its age is not known.
const PATIENCE: Duration = Duration::from_secs(2);
/// The status by which an API server says that a report is none.
const NO_REPORT: u16 = 422;

fn job(new: NewJob) -> periodic::Job {
    periodic::Job {
        key: key(new.key),
        workload: Bytes::from(new.workload),
        sched_at: new.sched_at,
        count: i32::try_from(new.count).unwrap_or(i32::MAX),
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
        SubmitError::Refused(reason) => QueueError::Refused(reason),
        error => QueueError::Unavailable(error.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn remote_error(error: periodic::ClientError) -> QueueError {
    QueueError::Unavailable(error.to_string())
}
