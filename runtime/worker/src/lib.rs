//! One job's way: grab, verify, run, record, answer.
//!
//! A [`Worker`] serves a set of [`Channel`]s. Each channel has a Periodic connection of its own with as many GRABs open
//! as it may send at once ([`Channel::concurrency`]), so a slow or hostile sender fills its own connection and nobody
//! else's. What happens to one job is in [`job`]; a sender that only crashes is taken out of service ([`parking`]); this
//! file only joins channels to connections.

mod job;
mod parking;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use periodic::Connect;
use periodic::worker as grabber;
use pusher_core::{Prefix, Queue, RetryPolicy, Sender, SenderName};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::parking::Parking;

/// A sender and how it is to be used. Native senders and components alike.
#[derive(Clone)]
pub struct Channel {
    /// What delivers.
    pub sender: Arc<dyn Sender>,
    /// How many messages it may be sending at once; at least 1. Default in manifests: 32.
    pub concurrency: usize,
    /// What happens after a failed attempt.
    pub retry: RetryPolicy,
}

/// What a worker needs to know besides its channels.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// What stands before a sender's name in its func. Default: `pusher:`.
    pub prefix: Prefix,
    /// How many messages may be being sent at once over all channels; what is above waits. Default: 256.
    pub size: usize,
    /// How long to wait at shutdown for messages that are being sent. One that takes longer is sent again by the next
    /// worker. Default: 30 s.
    pub drain: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self { prefix: Prefix::default(), size: 256, drain: Duration::from_secs(30) }
    }
}

/// Takes jobs and runs senders.
pub struct Worker {
    connector: Arc<dyn Connect>,
    queue: Arc<dyn Queue>,
    options: WorkerOptions,
    permits: Arc<Semaphore>,
    channels: Vec<Channel>,
}

impl Worker {
    /// A worker that takes its jobs over `connector` and leaves dead letters in `queue`, which should be the same
    /// Periodic server.
    #[must_use]
    pub fn new(connector: Arc<dyn Connect>, queue: Arc<dyn Queue>, options: WorkerOptions) -> Self {
        let permits = Arc::new(Semaphore::new(options.size.clamp(1, Semaphore::MAX_PERMITS)));
        Self { connector, queue, options, permits, channels: Vec::new() }
    }

    /// Adds a channel.
    #[must_use]
    pub fn channel(mut self, channel: Channel) -> Self {
        self.channels.push(channel);
        self
    }

    /// The names of the channels.
    pub fn names(&self) -> impl Iterator<Item = &SenderName> {
        self.channels.iter().map(|channel| channel.sender.name())
    }

    /// Serves the channels until `shutdown`, then takes no more jobs, lets what is being sent finish (up to
    /// [`WorkerOptions::drain`]) and returns. A lost server is waited for, for ever. A sender that crashes ten times in a
    /// row without an answer is parked: it gets no more jobs from this worker, and its messages wait.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut running = JoinSet::new();
        for channel in self.channels {
            let func = self.options.prefix.func(channel.sender.name());
            let options = grabber::WorkerOptions {
                grabs: channel.concurrency.max(1),
                drain: self.options.drain,
                ..Default::default()
            };
            let stop = shutdown.child_token();
            let parking = Parking::new(stop.clone());
            let runner = job::Runner::new(
                channel,
                parking,
                self.options.prefix.clone(),
                self.queue.clone(),
                self.permits.clone(),
            );
            let funcs = vec![Bytes::copy_from_slice(func.as_str().as_bytes())];
            let worker = grabber::Worker::new(self.connector.clone(), options, funcs, Arc::new(runner));
            running.spawn(worker.run(stop));
        }
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a channel's loop ended early; its jobs wait for the next start");
            }
        }
        // With every sender parked there is nothing to do, but ending would only have a supervisor start it all again.
        shutdown.cancelled().await;
    }
}
