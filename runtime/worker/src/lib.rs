//! One job's way: grab, verify, run, record, answer.
//!
//! A [`Worker`] serves a set of [`Channel`]s. Each channel has a Periodic connection of its own with as many GRABs open
//! as it may send at once ([`Channel::concurrency`]), so a slow or hostile sender fills its own connection and nobody
//! else's. What happens to one job is in [`job`], when it happens in [`turn`], and who is told of it in [`reports`]; a sender
//! that only crashes is taken out of service ([`parking`]); what there is to count is counted in [`activity`]; this file only joins channels to connections. Channels can come, go and be exchanged while it works ([`Change`]): a new
//! version is a new connection, and the old one takes no more jobs and ends with the last message it has begun.

mod activity;
mod breaker;
mod job;
mod pace;
mod parking;
mod reports;
mod spool;
mod turn;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use periodic::worker as grabber;
use periodic::{Connect, Identity};
use pusher_core::{BreakerPolicy, Prefix, RateLimit, RetryPolicy, Sender, SenderName};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::parking::Parking;

pub use activity::{Activity, SenderActivity};
pub use pusher_core::SendEnd;
pub use reports::{ReportError, Reports};
pub use spool::{ReportSink, Spool, SpoolError, SpoolOptions, SpoolUse, Waiting};

/// A sender and how it is to be used. Native senders and components alike.
#[derive(Clone)]
pub struct Channel {
    /// What delivers.
    pub sender: Arc<dyn Sender>,
    /// How many messages it may be sending at once; at least 1. Default in manifests: 32.
    pub concurrency: usize,
    /// What happens after a failed attempt.
    pub retry: RetryPolicy,
    /// How many messages it may be given a second; what is above waits, in this worker. `None`: as many as there are.
    pub rate: Option<RateLimit>,
    /// When its messages are held back because they only fail.
    pub breaker: BreakerPolicy,
}

impl Channel {
    /// A sender with the defaults of manifests: 32 messages at once, the usual retry schedule, no limit on the rate.
    #[must_use]
    pub fn new(sender: Arc<dyn Sender>) -> Self {
        Self { sender, concurrency: 32, retry: RetryPolicy::default(), rate: None, breaker: BreakerPolicy::default() }
    }
}

/// What can become of a channel while a worker works.
#[derive(Clone)]
pub enum Change {
    /// It is there from now on; one of the same name gets no more jobs, is no longer parked, and ends what it has begun.
    Put(Channel),
    /// It gets no more jobs, and ends what it has begun. Its messages wait.
    Remove(SenderName),
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
    /// Whom to say that we are to a Periodic server that wants to know. Default: nobody.
    pub identity: Option<Identity>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self { prefix: Prefix::default(), size: 256, drain: Duration::from_secs(30), identity: None }
    }
}

/// Takes jobs and runs senders.
pub struct Worker {
    connector: Arc<dyn Connect>,
    reports: Arc<dyn Reports>,
    options: WorkerOptions,
    permits: Arc<Semaphore>,
    channels: Vec<Channel>,
    changes: Option<mpsc::Receiver<Change>>,
    activity: Activity,
}

impl Worker {
    /// A worker that takes its jobs over `connector` and tells `reports` what became of them.
    #[must_use]
    pub fn new(connector: Arc<dyn Connect>, reports: Arc<dyn Reports>, options: WorkerOptions) -> Self {
        let permits = Arc::new(Semaphore::new(options.size.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            connector,
            reports,
            options,
            permits,
            channels: Vec::new(),
            changes: None,
            activity: Activity::default(),
        }
    }

    /// Adds a channel.
    #[must_use]
    pub fn channel(mut self, channel: Channel) -> Self {
        self.channels.push(channel);
        self
    }

    /// Does as this channel says while it works, in the order of what is sent.
    #[must_use]
    pub fn changes(mut self, changes: mpsc::Receiver<Change>) -> Self {
        self.changes = Some(changes);
        self
    }

    /// The names of the channels it begins with.
    pub fn names(&self) -> impl Iterator<Item = &SenderName> {
        self.channels.iter().map(|channel| channel.sender.name())
    }

    /// What it does, to be read while it runs.
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Serves the channels until `shutdown`, then takes no more jobs, lets what is being sent finish (up to
    /// [`WorkerOptions::drain`]) and returns. A lost server is waited for, for ever. A sender that crashes ten times in a
    /// row without an answer is parked: it gets no more jobs from this worker, and its messages wait.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut changes = self.changes.take();
        let mut serving = Serving { running: JoinSet::new(), retire: HashMap::new() };
        for channel in std::mem::take(&mut self.channels) {
            serving.put(&self, channel, &shutdown);
        }
        loop {
            let change = async {
                match &mut changes {
                    Some(changes) => changes.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                change = change => match change {
                    Some(Change::Put(channel)) => serving.put(&self, channel, &shutdown),
                    Some(Change::Remove(name)) => serving.remove(&self, &name),
                    None => changes = None,
                },
                // With every sender parked there is nothing to do, but ending would only have a supervisor start it all
                // again.
                Some(ended) = serving.running.join_next() => note(ended),
            }
        }
        while let Some(ended) = serving.running.join_next().await {
            note(ended);
        }
    }
}

/// The channels that are being served.
struct Serving {
    running: JoinSet<()>,
    /// What ends each; a parked one's is cancelled already.
    retire: HashMap<SenderName, CancellationToken>,
}

impl Serving {
    fn put(&mut self, worker: &Worker, channel: Channel, shutdown: &CancellationToken) {
        let name = channel.sender.name().clone();
        let retire = CancellationToken::new();
        let options = grabber::WorkerOptions {
            grabs: channel.concurrency.max(1),
            drain: worker.options.drain,
            identity: worker.options.identity.clone(),
            ..Default::default()
        };
        let func = Bytes::copy_from_slice(worker.options.prefix.func(&name).as_str().as_bytes());
        let tally = worker.activity.of(&name);
        let runner = job::Runner::new(
            channel,
            Parking::new(retire.clone()),
            job::Stops { retire: retire.clone(), shutdown: shutdown.clone() },
            Arc::clone(&tally),
            worker.reports.clone(),
            worker.permits.clone(),
        );
        let served = grabber::Worker::new(worker.connector.clone(), options, vec![func], Arc::new(runner));
        tally.begins(retire.clone(), served.connected());
        self.running.spawn(served.run_until_retired(retire.clone(), shutdown.clone()));
        if let Some(before) = self.retire.insert(name, retire) {
            before.cancel();
        }
    }

    fn remove(&mut self, worker: &Worker, name: &SenderName) {
        worker.activity.remove(name);
        if let Some(retire) = self.retire.remove(name) {
            retire.cancel();
        }
    }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a channel's loop ended early; its jobs wait for the next start");
    }
}
