//! What happens to one job: is it ours, what does the sender say, and what is Periodic told.
//!
//! The order of the last two steps is what keeps promise 1: a dead letter is durable before the job it came from is
//! answered, and everything that goes wrong on the way leaves the job waiting.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::worker::{Answer, Handler, Work};
use periodic::{Clock, Job, SystemClock};
use pusher_core::{
    Attempt, Attempted, Failure, Fault, JobName, Message, Outcome, PusherId, Report, Reported, RetryPolicy, SendEnd,
    SendError, Sender, Sent, Verdict, cut_text,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Channel;
use crate::activity::Tally;
use crate::breaker::Change;
use crate::parking::Parking;
use crate::reports::Reports;
use crate::turn::{Turn, Turns};

/// How long a job waits when its dead letter could not be kept, in seconds.
const DEAD_LETTER_RETRY: i64 = 60;
/// How soon a message that was not its turn may be another worker's, in seconds.
const GIVEN_BACK: i64 = 1;

/// What ends the wait for a message's time: another worker, or another version of the sender, takes it then.
pub(crate) struct Stops {
    pub(crate) retire: CancellationToken,
    pub(crate) shutdown: CancellationToken,
}

/// Runs the jobs of one channel.
pub(crate) struct Runner {
    sender: Arc<dyn Sender>,
    retry: RetryPolicy,
    turns: Turns,
    stops: Stops,
    parking: Parking,
    tally: Arc<Tally>,
    reports: Arc<dyn Reports>,
    permits: Arc<Semaphore>,
}

impl Runner {
    pub(crate) fn new(
        channel: Channel,
        parking: Parking,
        stops: Stops,
        tally: Arc<Tally>,
        reports: Arc<dyn Reports>,
        permits: Arc<Semaphore>,
    ) -> Self {
        let Channel { sender, concurrency: _, retry, rate, breaker } = channel;
        Self { sender, retry, turns: Turns::new(rate, breaker), stops, parking, tally, reports, permits }
    }

    /// Waits for this message's time, or until it is to be given back.
    async fn turn(&self) -> Result<Turn<'_>, Answer> {
        let _waiting = self.turns.may_wait().then(|| self.tally.waits());
        tokio::select! {
            turn = self.turns.wait() => Ok(turn),
            () = self.stops.retire.cancelled() => Err(back(GIVEN_BACK)),
            () = self.stops.shutdown.cancelled() => Err(back(GIVEN_BACK)),
        }
    }

    async fn send(&self, message: Message) -> Sent {
        let Ok(_permit) = self.permits.acquire().await else {
            return Sent::from(Err(Fault::Host("the worker is stopping".into()).into()));
        };
        self.sender.attempt(message).await
    }

    /// Delivered: the end of the job and that it was delivered are told together, to a server that keeps both; to others
    /// one after the other. That it cannot be told is no reason to send it again.
    async fn delivered(&self, name: JobName, attempt: Attempt) -> Answer {
        let sender = self.sender.name();
        tracing::info!(%sender, job = %name, attempt = attempt.number, ms = attempt.took_ms, "delivered");
        let said = Attempted { sender: sender.clone(), attempt: attempt.clone(), dead: None };
        if self.reports.wants_delivered() {
            let report = Report { sender: sender.clone(), name, attempt, reported: Reported::Delivered };
            self.tell(report).await;
        }
        Answer::Done(Bytes::from(said.to_bytes()))
    }

    async fn later(&self, name: JobName, attempt: Attempt, delay: u32, reason: String) -> Answer {
        let (sender, number, ms) = (self.sender.name(), attempt.number, attempt.took_ms);
        tracing::warn!(%sender, job = %name, attempt = number, ms, delay, reason, "waiting");
        let reported = Reported::Waiting { due_at: SystemClock.now() + i64::from(delay) };
        self.tell(Report { sender: sender.clone(), name, attempt, reported }).await;
        Answer::Later { delay_seconds: i64::from(delay), step: 1 }
    }

    async fn tell(&self, report: Report) {
        let (sender, name) = (report.sender.clone(), report.name.clone());
        if let Err(error) = self.reports.report(report).await {
            tracing::error!(%sender, job = %name, %error, "an attempt is missing in the delivery log");
        }
    }

    /// Has the dead letter kept, and only then lets go of the job.
    async fn bury(&self, name: JobName, attempt: Attempt, reason: String, data: String) -> Answer {
        let (sender, attempts) = (self.sender.name(), attempt.number);
        let reported = Reported::Dead { reason: cut_text(reason.clone()), data };
        let dead = Some(cut_text(reason.clone()));
        let said = Attempted { sender: sender.clone(), attempt: attempt.clone(), dead };
        let report = Report { sender: sender.clone(), name: name.clone(), attempt, reported };
        match self.reports.report(report).await {
            Ok(()) => {
                self.tally.buried();
                tracing::error!(%sender, job = %name, attempts, reason, "dead letter");
                Answer::Done(Bytes::from(said.to_bytes()))
            }
            Err(error) => {
                tracing::error!(%sender, job = %name, %error, "a dead letter could not be kept; the job stays");
                back(DEAD_LETTER_RETRY)
            }
        }
    }

    /// How long ago the message's first attempt began, if that is known; this one, which ended now, began at `at` (Unix
    /// milliseconds).
    async fn age(&self, name: &JobName, attempt: u32, at: i64) -> Option<Duration> {
        self.retry.max_age?;
        let first = if attempt == 1 { at } else { self.reports.first_attempt(self.sender.name(), name).await? };
        u64::try_from(SystemClock.now_ms() - first).ok().map(Duration::from_millis)
    }

    /// Takes note of how a send ended, for the sender as a whole.
    fn note(&self, result: &Result<Outcome, SendError>) {
        let sender = self.sender.name();
        if let Some(fault) = self.parking.note(result) {
            tracing::error!(
                %sender,
                reason = %fault,
                "sender parked after ten crashes in a row: its messages wait; put a better version in its place, or start the worker again"
            );
        }
    }

    fn attempt(&self, number: u32, at: i64, took: Duration, sent: &Sent) -> Attempt {
        Attempt {
            number,
            at,
            took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            version: self.sender.version().map(str::to_owned),
            end: SendEnd::of(&sent.result),
            status: sent.status,
            message: said(&sent.result).map(cut_text),
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
        let number = u32::try_from(job.count).unwrap_or(0).saturating_add(1);
        let data = match String::from_utf8(job.workload.to_vec()) {
            Ok(data) => data,
            Err(error) => {
                let data = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let why = "its data is not UTF-8".to_owned();
                let sent = Sent::from(Err(Failure::Permanent(why.clone()).into()));
                let attempt = self.attempt(number, SystemClock.now_ms(), Duration::ZERO, &sent);
                return self.bury(name, attempt, why, data).await;
            }
        };
        let pass = match self.turn().await {
            Ok(Turn::Send(pass)) => pass,
            Ok(Turn::Back(time)) => return back(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).max(GIVEN_BACK)),
            Err(answer) => return answer,
        };
        let (at, started) = (SystemClock.now_ms(), Instant::now());
        let message = Message { id: name.clone(), sender: sender.clone(), pusher, data, attempt: number };
        let sent = self.send(message).await;
        let time = started.elapsed();
        self.tally.sent(&sent.result, time);
        self.note(&sent.result);
        match pass.judge(&sent.result) {
            Some(Change::Opened) => {
                tracing::error!(%sender, "its messages only fail: one at a time is tried, and the others wait");
            }
            Some(Change::Closed) => tracing::info!(%sender, "its messages go out again"),
            None => {}
        }
        let attempt = self.attempt(number, at, time, &sent);
        let age = match &sent.result {
            Ok(Outcome::Done) => None,
            _ => self.age(&name, number, at).await,
        };
        match self.retry.judge(number, age, &sent.result, chance()) {
            Verdict::Done => self.delivered(name, attempt).await,
            Verdict::Later { delay, reason } => self.later(name, attempt, delay, reason).await,
            Verdict::Dead { reason } => {
                let data = String::from_utf8_lossy(&job.workload).into_owned();
                self.bury(name, attempt, reason, data).await
            }
        }
    }
}

/// The job comes back, and that was no attempt.
fn back(delay_seconds: i64) -> Answer {
    Answer::Later { delay_seconds, step: 0 }
}

/// What the sender, or who ended it, says of a send.
fn said(result: &Result<Outcome, SendError>) -> Option<String> {
    match result {
        Ok(Outcome::Done) => None,
        Ok(Outcome::Later(seconds)) => Some(format!("again in {seconds} s")),
        Err(SendError::Failure(Failure::Temporary(text) | Failure::Permanent(text))) => Some(text.clone()),
        Err(error) => Some(error.to_string()),
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
