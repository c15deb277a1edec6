//! The Periodic server: keeps jobs in a [`JobStore`] and hands each to one worker when it is due.
//!
//! ```text
//!  sockets ── connection ──┐
//!  Connector ─ connection ─┼──► scheduler ◄──► JobStore
//!  Handle ─────────────────┘   (one task)
//! ```
//!
//! What it promises: a submit is answered when the job is durable; a job is deleted only when its worker has said that
//! it is done and that is durable; what has not been answered so is run, again if need be. At most one worker has a job
//! at a time, as long as workers keep to the job's timeout. Jobs of a func run in the order they became due; equal ones
//! first in, first out.
//!
//! Where it departs from the reference server, on purpose: an answer about a job counts only from its worker (or from
//! the worker that lost its connection while it had it); order among equal jobs is that of submission; no job runs
//! before its second, and one that failed waits a whole second.

mod auth;
mod connection;
mod handle;
mod options;
mod scheduler;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

pub use auth::{AuthFile, AuthFileError};
pub use handle::{Connector, Handle, SubmitError};
pub use options::{ServerOptions, Settings};
pub use scheduler::FuncStatus;

use self::scheduler::{Message, Scheduler};
use crate::clock::Clock;
use crate::store::{JobStore, JobStoreError};
use crate::transport::{Incoming, Listener};

/// Messages that may wait for the scheduler; senders beyond it wait themselves.
const INTAKE: usize = 256;
/// How long connections may take to send what they still have when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted, as when the process has no file left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running server. Dropping it leaves what it started running as long as connections or [`Handle`]s are there;
/// [`Server::stop`] ends it in order.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    scheduler: JoinHandle<()>,
}

/// What connections and handles need.
#[derive(Debug)]
struct Shared {
    scheduler: mpsc::Sender<Message>,
    options: Arc<ServerOptions>,
    last_conn: AtomicU64,
    connections: TaskTracker,
    /// Cancelled when the server has stopped.
    closing: CancellationToken,
    /// Cancelled when a client has asked for the end.
    shutdown: CancellationToken,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A listener.
    Outside,
    /// This process, which needs no identity.
    Inside,
}

impl Shared {
    /// Serves a connection in a task of its own. One too many is closed.
    fn open(&self, incoming: Incoming, from: Origin) {
        if self.connections.len() >= self.options.max_connections {
            return warn!(max = self.options.max_connections, "too many connections");
        }
        let id = self.last_conn.fetch_add(1, Ordering::Relaxed) + 1;
        let (scheduler, options) = (self.scheduler.clone(), Arc::clone(&self.options));
        let closing = self.closing.child_token();
        self.connections.spawn(async move {
            let opened = tokio::select! {
                () = closing.cancelled() => return,
                opened = incoming.open() => opened,
            };
            match opened {
                Ok(stream) => connection::run(stream, from, id, scheduler, options, closing).await,
                Err(error) => debug!(conn = id, %error, "no connection"),
            }
        });
    }
}

impl Server {
    /// Starts a server on the jobs in `store`. It serves nobody until [`serve`](Self::serve) or
    /// [`handle`](Self::handle) is used. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn start(
        store: Arc<dyn JobStore>,
        clock: Arc<dyn Clock>,
        options: ServerOptions,
    ) -> Result<Self, JobStoreError> {
        let options = Arc::new(options);
        // Unbounded, because the scheduler itself bounds how many reads are under way: one a func.
        let (read, loaded) = mpsc::unbounded_channel();
        let (intake, messages) = mpsc::channel(INTAKE);
        let (closing, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let scheduler = Scheduler::open(store, clock, Arc::clone(&options), read, shutdown.clone()).await?;
        let scheduler = tokio::spawn(scheduler.run(messages, loaded));
        if let Some(file) = options.auth.clone() {
            tokio::spawn(file.watch(intake.clone(), closing.clone()));
        }
        let shared = Shared {
            scheduler: intake,
            options,
            last_conn: AtomicU64::new(0),
            connections: TaskTracker::new(),
            closing,
            shutdown,
        };
        Ok(Self { shared: Arc::new(shared), scheduler })
    }

    /// For clients, workers and questions in this process.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Completes when a client has asked for the server's end, which [`ServerOptions::remote_shutdown`] must allow.
    /// Whoever runs the server then stops it.
    pub fn shutdown_requested(&self) -> impl Future<Output = ()> + Send + use<> + 'static {
        self.shared.shutdown.clone().cancelled_owned()
    }

    /// Takes connections until `shutdown` is cancelled; those that are open then stay open. The listener is closed, and
    /// its socket file removed, when this is over. Any number of listeners may be served at once; the future does not
    /// borrow the server.
    pub fn serve(
        &self,
        listener: Listener,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> + 'static {
        let shared = Arc::clone(&self.shared);
        async move {
            loop {
                let accepted = tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = shared.closing.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok(incoming) => shared.open(incoming, Origin::Outside),
                    Err(error) => {
                        warn!(endpoint = %listener.endpoint(), %error, "a connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    /// Assigns nothing more and waits, at most for `limit`, until the workers have answered for the jobs they have.
    /// Everything else goes on. To be used before [`stop`](Self::stop), so that what is nearly done is not done again.
    pub async fn drain(&self, limit: Duration) {
        let (reply, drained) = oneshot::channel();
        if self.shared.scheduler.send(Message::Drain(reply)).await.is_ok()
            && tokio::time::timeout(limit, drained).await.is_err()
        {
            warn!(?limit, "some workers did not finish in time; their jobs run again");
        }
    }

    /// Ends the server: assigns nothing more, finishes and answers the requests it has read, closes every connection.
    /// Jobs that workers have stay stored and run again under the next server. When this returns, the server does not
    /// use the store any more.
    pub async fn stop(self) {
        // A scheduler that is gone has stopped.
        let _stopped = self.shared.scheduler.send(Message::Stop).await;
        if let Err(error) = self.scheduler.await {
            warn!(%error, "the scheduler ended badly");
        }
        self.shared.closing.cancel();
        self.shared.connections.close();
        if tokio::time::timeout(LAST_WORDS, self.shared.connections.wait()).await.is_err() {
            warn!(connections = self.shared.connections.len(), "some connections did not end in time");
        }
    }
}
