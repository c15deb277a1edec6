//! The worker: takes jobs from a server, has a [`Handler`] run them, and says how they ended.
//!
//! A worker says how many jobs it has room for by that many open GRABs. It stays with its server through restarts and
//! broken connections: handlers go on running meanwhile, and what they answered is said again until the server has
//! confirmed it. A refusal confirms nothing: a server that takes a worker's rights away and gives them back finds it at
//! work again, with its answers and its funcs, within [`WorkerOptions::ping_interval`].

mod jobs;
mod run;
mod session;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

pub use self::work::{Work, WorkError};
use crate::identity::Identity;
use crate::job::Job;
use crate::transport::Connect;
use crate::wire::DEFAULT_MAX_PAYLOAD;

/// Runs jobs.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Runs one job. A panic is an [`Answer::Fail`]. Many calls run at once, as many as [`WorkerOptions::grabs`]; the
    /// same job may come again if an answer does not reach the server or the job's timeout is over. `work` is what can be
    /// done about the job meanwhile.
    async fn run(&self, job: Job, work: Work) -> Answer;
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done and over; the bytes are for those who wait for a result. One that does not fit into
    /// [`WorkerOptions::max_payload`] less 1 KiB is not sent: they are given an empty one, and the log has a warning.
    Done(Bytes),
    /// It failed. The server runs it again after a second, any number of times: to wait longer, or to count, answer
    /// [`Answer::Later`].
    Fail,
    /// Run it again.
    Later {
        /// In how many seconds.
        delay_seconds: i64,
        /// What to add to the job's count.
        step: i16,
    },
    /// [`Work::acquire`] said so. The server is told nothing, and runs the job again when the lock has a place for it.
    /// Without that it is an [`Answer::Fail`].
    Locked,
}

/// How a worker behaves. `Default` is right for most.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// How many jobs run at once. Default 16, at least 1.
    pub grabs: usize,
    /// How long running jobs may take to end after the worker was told to stop. Default 30 s. What runs then still is
    /// cancelled, and the server gives it to another.
    pub drain: Duration,
    /// How often the server is asked whether it is there, and told again the funcs and what it refused. One that is
    /// silent for three times as long is taken for dead. Default 10 s.
    pub ping_interval: Duration,
    /// The longest wait between two tries to connect. Default 3 s; the first is 50 ms.
    pub max_backoff: Duration,
    /// The largest payload sent and taken, in bytes. Default 16 MiB. Not more than the server's: that closes the
    /// connection over a larger one.
    pub max_payload: usize,
    /// Funcs to be registered with BROADCAST, besides those of [`Worker::new`]: every worker that has said so and has
    /// room gets each of their jobs, and the first that is done decides. Default none.
    pub broadcast: Vec<Bytes>,
    /// Who to say that we are. Default: nobody, which a server with an auth file refuses everything.
    pub identity: Option<Identity>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            grabs: 16,
            drain: Duration::from_secs(30),
            ping_interval: Duration::from_secs(10),
            max_backoff: Duration::from_secs(3),
            max_payload: DEFAULT_MAX_PAYLOAD,
            broadcast: Vec::new(),
            identity: None,
        }
    }
}

/// What tells a worker to take no more jobs.
struct Stops {
    /// Those that run may take their time.
    retire: CancellationToken,
    /// They have the time of the drain.
    shutdown: CancellationToken,
}

/// Says whether a worker has its server. Cheap to clone; when the worker has ended, it has none.
#[derive(Debug, Clone, Default)]
pub struct Connected(Arc<AtomicBool>);

impl Connected {
    /// Is there a connection on which the server has answered? One that is silently gone counts until the server has not
    /// answered for three times [`WorkerOptions::ping_interval`].
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, connected: bool) {
        self.0.store(connected, Ordering::Relaxed);
    }
}

/// A worker that has yet to [`run`](Worker::run).
pub struct Worker {
    connect: Arc<dyn Connect>,
    options: WorkerOptions,
    funcs: Vec<Bytes>,
    handler: Arc<dyn Handler>,
    connected: Connected,
}

impl Worker {
    /// A worker for the server that `connect` leads to, that can do `funcs` (of at most 255 bytes each) on one
    /// connection.
    pub fn new(
        connect: Arc<dyn Connect>,
        options: WorkerOptions,
        funcs: Vec<Bytes>,
        handler: Arc<dyn Handler>,
    ) -> Self {
        Self { connect, options, funcs, handler, connected: Connected::default() }
    }

    /// Whether it has its server, to be asked while it runs.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.connected.clone()
    }

    /// Works until `shutdown` is cancelled; then takes no more jobs, lets those that run end (at most
    /// [`WorkerOptions::drain`]), waits until the server has confirmed their answers, and returns. A server that cannot
    /// be reached is tried again for ever.
    pub async fn run(self, shutdown: CancellationToken) {
        self.run_until_retired(CancellationToken::new(), shutdown).await;
    }

    /// As [`Worker::run`], and besides: when `retire` is cancelled, takes no more jobs and returns once those that run
    /// have ended, however long that takes, and the server has confirmed their answers. For a worker whose work another
    /// one goes on with. `shutdown` bounds the wait as it does otherwise.
    pub async fn run_until_retired(self, retire: CancellationToken, shutdown: CancellationToken) {
        run::Run::new(self).run(&Stops { retire, shutdown }).await;
    }
}
