//! What happens to one job: is it ours, what does the sender say, and what is Periodic told.
//!
//! The order of the last two steps is what keeps promise 1: a dead letter is durable before the job it came from is
//! answered, and everything that goes wrong on the way leaves the job waiting.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::Job;
use periodic::worker::{Answer, Handler, Work};
use pusher_core::{
    DeadLetter, Fault, JobKey, JobName, Message, NewJob, Outcome, Prefix, PusherId, Queue, RetryPolicy, SendError,
    Sender, Verdict,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Channel;
use crate::activity::Tally;
use crate::pace::Pace;
use crate::parking::Parking;

/// How long a job waits when its dead letter could not be stored, in seconds.
const DEAD_LETTER_RETRY: i64 = 60;

/// What ends the wait for a message's time: another worker, or another version of the sender, takes it then.
pub(crate) struct Stops {
    pub(crate) retire: CancellationToken,
    pub(crate) shutdown: CancellationToken,
}

/// Runs the jobs of one channel.
pub(crate) struct Runner {
    sender: Arc<dyn Sender>,
    retry: RetryPolicy,
    pace: Option<Pace>,
    stops: Stops,
    parking: Parking,
    tally: Arc<Tally>,
    prefix: Prefix,
    queue: Arc<dyn Queue>,
    permits: Arc<Semaphore>,
}

impl Runner {
    pub(crate) fn new(
        channel: Channel,
        parking: Parking,
        stops: Stops,
        tally: Arc<Tally>,
        prefix: Prefix,
        queue: Arc<dyn Queue>,
        permits: Arc<Semaphore>,
    ) -> Self {
        let pace = channel.rate.map(Pace::new);
        Self { sender: channel.sender, retry: channel.retry, pace, stops, parking, tally, prefix, queue, permits }
    }

    /// Waits for this message's time. `false`: it is to be given back instead.
    async fn wait_for_turn(&self) -> bool {
        let Some(pace) = &self.pace else { return true };
        let _waiting = self.tally.waits();
        tokio::select! {
            () = tokio::time::sleep_until(pace.take(Instant::now())) => true,
            () = self.stops.retire.cancelled() => false,
            () = self.stops.shutdown.cancelled() => false,
        }
    }

    async fn send(&self, message: Message) -> Result<Outcome, SendError> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(Fault::Host("the worker is stopping".into()).into());
        };
        self.sender.send(message).await
    }

    /// Stores the dead letter, and only then lets go of the job.
    async fn bury(&self, name: JobName, letter: DeadLetter) -> Answer {
        let sender = self.sender.name();
        let key = JobKey { func: self.prefix.dead_func(sender), name };
        let workload = match pusher_core::gojson::to_string(&letter) {
            Ok(workload) => workload,
            Err(error) => {
                tracing::error!(%sender, job = %key.name, %error, "a dead letter has no JSON form; the job stays");
                return Answer::Later { delay_seconds: DEAD_LETTER_RETRY, step: 0 };
            }
        };
        let job = NewJob { key: key.clone(), workload, sched_at: 0 };
        match self.queue.submit(vec![job]).await.pop() {
            Some(Ok(())) => {
                self.tally.buried();
                tracing::error!(%sender, job = %key.name, attempts = letter.attempts, reason = letter.reason, "dead letter");
                Answer::Done(Bytes::new())
            }
            failed => {
                let error = failed.and_then(Result::err).map_or_else(|| "no answer".to_owned(), |e| e.to_string());
                tracing::error!(%sender, job = %key.name, error, "a dead letter could not be stored; the job stays");
                Answer::Later { delay_seconds: DEAD_LETTER_RETRY, step: 0 }
            }
        }
    }
}

#[async_trait]
impl Handler for Runner {
    async fn run(&self, job: Job, _work: Work) -> Answer {
        let sender = self.sender.name();
        let Some((name, pusher)) = verified(&job) else {
            let job = String::from_utf8_lossy(&job.key.name);
            tracing::warn!(%sender, %job, "dropped: its name was not made from its workload, so it is no push");
            return Answer::Done(Bytes::new());
        };
        let attempt = u32::try_from(job.count).unwrap_or(0).saturating_add(1);
        let dead = |data: String, reason: String| DeadLetter {
            func: self.prefix.func(sender).to_string(),
            data,
            reason,
            attempts: attempt,
        };
        let data = match String::from_utf8(job.workload.to_vec()) {
            Ok(data) => data,
            Err(error) => {
                let data = String::from_utf8_lossy(error.as_bytes()).into_owned();
                return self.bury(name, dead(data, "its data is not UTF-8".into())).await;
            }
        };
        if !self.wait_for_turn().await {
            // Not an attempt.
            return Answer::Later { delay_seconds: 1, step: 0 };
        }
        let started = Instant::now();
        let message = Message { id: name.clone(), sender: sender.clone(), pusher, data, attempt };
        let result = self.send(message).await;
        let time = started.elapsed();
        self.tally.sent(&result, time);
        if let Some(fault) = self.parking.note(&result) {
            tracing::error!(
                %sender,
                reason = %fault,
                "sender parked after ten crashes in a row: its messages wait; put a better version in its place, or start the worker again"
            );
        }
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match self.retry.judge(attempt, &result, chance()) {
            Verdict::Done => {
                tracing::info!(%sender, job = %name, attempt, ms, "delivered");
                Answer::Done(Bytes::new())
            }
            Verdict::Later { delay, reason } => {
                tracing::warn!(%sender, job = %name, attempt, ms, delay, reason, "waiting");
                Answer::Later { delay_seconds: i64::from(delay), step: 1 }
            }
            Verdict::Dead { reason } => {
                let data = String::from_utf8_lossy(&job.workload).into_owned();
                self.bury(name, dead(data, reason)).await
            }
        }
    }
}

/// The job's name and whom it is for, if the name was made from the workload.
fn verified(job: &Job) -> Option<(JobName, PusherId)> {
    let name = JobName::parse(std::str::from_utf8(&job.key.name).ok()?).ok()?;
    let pusher = name.verify(&job.workload)?;
    Some((name, pusher))
}

/// A number from 0 to 1 that spreads retries. Without randomness retries still work, only less spread.
fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |n| f64::from(n) / f64::from(u32::MAX))
}
