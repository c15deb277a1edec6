//! The transport of `sender run`: the network or a recording in its place, and in either case a list of what was said.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pusher::sandbox::transport::{Network, Request, Response, Transport, TransportError};
use tokio::time::Instant;

use super::recording::{Answer, Exchange, NoResponse, Sent, differences};
use super::scrub::Scrub;

/// Carries requests, and keeps what was said, without secrets.
pub(super) struct Tape {
    source: Source,
    scrub: Scrub,
    said: Mutex<Vec<Said>>,
    unexpected: Mutex<Vec<String>>,
}

/// Where answers come from.
pub(super) enum Source {
    Network(Network),
    /// What is left of a recording.
    Recording(Mutex<VecDeque<Exchange>>),
}

/// A request, what came of it, and how long that took. Without an answer it was given up when its time was up.
pub(super) struct Said {
    pub(super) exchange: Exchange,
    pub(super) time: Duration,
}

impl Tape {
    pub(super) fn new(source: Source, scrub: Scrub) -> Self {
        Self { source, scrub, said: Mutex::default(), unexpected: Mutex::default() }
    }

    /// What was said so far.
    pub(super) fn said(&self) -> MutexGuard<'_, Vec<Said>> {
        lock(&self.said)
    }

    /// How what was said differs from the recording, in the end.
    pub(super) fn differences(&self) -> Vec<String> {
        let mut lines = lock(&self.unexpected).clone();
        if let Source::Recording(left) = &self.source {
            for exchange in lock(left).iter() {
                let Sent { method, url, .. } = &exchange.request;
                lines.push(format!("a recorded request was not made: {method} {url}"));
            }
        }
        lines
    }

    /// The text without secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        self.scrub.text(text)
    }

    /// What the recording has for this request.
    fn recall(&self, left: &Mutex<VecDeque<Exchange>>, sent: &Sent) -> Result<Response, TransportError> {
        let Some(expected) = lock(left).pop_front() else {
            lock(&self.unexpected).push(format!("a request that was not recorded: {} {}", sent.method, sent.url));
            return Err(TransportError::Other("the recording has no more requests".to_owned()));
        };
        let differences = differences(&expected.request, sent);
        if differences.is_empty() {
            return expected.answer.again().unwrap_or_else(|reason| Err(TransportError::Other(reason)));
        }
        let mut unexpected = lock(&self.unexpected);
        unexpected.push(format!("request {} is not the recorded one:", lock(&self.said).len()));
        unexpected.extend(differences.into_iter().map(|line| format!("  {line}")));
        Err(TransportError::Other("the recording has another request".to_owned()))
    }
}

#[async_trait]
impl Transport for Tape {
    async fn exchange(&self, request: Request, private: bool) -> Result<Response, TransportError> {
        let sent = Sent::of(&request, &self.scrub);
        let begun = Instant::now();
        let place = {
            let mut said = lock(&self.said);
            // Stays if the exchange is given up in the middle.
            let exchange = Exchange { request: sent.clone(), answer: Answer::Error(NoResponse::Timeout) };
            said.push(Said { exchange, time: Duration::ZERO });
            said.len() - 1
        };
        let answer = match &self.source {
            Source::Network(network) => network.exchange(request, private).await,
            Source::Recording(left) => self.recall(left, &sent),
        };
        let said = &mut lock(&self.said)[place];
        said.exchange.answer = Answer::of(&answer, &self.scrub);
        said.time = begun.elapsed();
        answer
    }
}

/// What is behind the lock is whole between two statements, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
