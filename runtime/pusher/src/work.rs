//! What `pusher worker` does: takes jobs from a Periodic server and runs the senders in a directory; and, if it is told
//! where, tells operators how it is.

use std::sync::Arc;

use async_trait::async_trait;
use periodic::{ClientOptions, TlsError};
use pusher_client::{Client, ClientError, Options};
use pusher_worker::{Activity, Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;

use crate::adapters::{DeadLetters, RemoteQueue};
use crate::config::{Connections, PeriodicConfig, WorkConfig};
use crate::http::{ListenError, listen};
use crate::metrics::process::Process;
use crate::operator::{self, Operator, Ready};
use crate::senders::{Senders, SendersConfig, SendersError};

/// Why the worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The client of the API server cannot be set up.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// The certificates for the Periodic server cannot be used.
    #[error("--periodic: {0}")]
    Tls(#[from] TlsError),
    /// There are no senders to run.
    #[error(transparent)]
    Senders(#[from] SendersError),
    /// The operator listener cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Runs a worker until `stop`. `say` is given a line for each thing a person wants to know, and `ready` last. Neither
/// server need be there yet: the worker waits for them.
///
/// # Errors
/// [`WorkError`], before `ready`.
pub async fn run(config: WorkConfig, stop: CancellationToken, say: impl Fn(&str)) -> Result<(), WorkError> {
    let admin_listener = match &config.admin {
        Some(address) => Some(listen("--admin", address).await?),
        None => None,
    };
    let options = Options { credentials: config.credentials, ..Options::default() };
    let client = Client::new(config.api, options)?;
    let senders = SendersConfig { dir: config.senders, hooks: config.hooks, cache: config.cache, size: config.size };
    let senders = Senders::load_some(senders, Arc::new(client)).await?;
    let PeriodicConfig { endpoint, link } = config.periodic;
    let connect = link.tls.connector(&endpoint)?;
    // Dead letters are a worker's own.
    let options = ClientOptions { identity: link.identity.clone(), as_worker: true, ..ClientOptions::default() };
    let queue = RemoteQueue(periodic::Client::new(connect.clone(), options));
    let letters = DeadLetters::new(Arc::new(queue), config.prefix.clone());
    let options =
        WorkerOptions { prefix: config.prefix, size: config.size, identity: link.identity, ..WorkerOptions::default() };
    let (worker, numbers) = senders.join(Worker::new(connect, Arc::new(letters), options), stop.clone());
    say(&format!("taking jobs from {endpoint}"));
    say(&format!("senders: {}", worker.names().map(ToString::to_string).collect::<Vec<_>>().join(" ")));
    let operator = admin_listener.map(|listener| {
        let parts = Parts { activity: worker.activity(), server: endpoint.to_string(), stop: stop.clone() };
        let router = operator::router(Arc::new(parts), vec![Arc::new(Process), Arc::new(numbers)]);
        Operator::start(listener, router, Connections::default(), &say)
    });
    say("ready");
    worker.run(stop).await;
    if let Some(operator) = operator {
        operator.stop().await;
    }
    Ok(())
}

/// What must work for `/readyz` to say so.
struct Parts {
    activity: Activity,
    /// The Periodic server, as a URL.
    server: String,
    stop: CancellationToken,
}

#[async_trait]
impl Ready for Parts {
    async fn ready(&self) -> Result<Option<String>, String> {
        if self.stop.is_cancelled() {
            return Err("stopping".into());
        }
        let senders = self.activity.read();
        let parked: Vec<_> =
            senders.iter().filter(|(_, sender)| sender.is_parked).map(|(name, _)| name.as_str()).collect();
        if senders.is_empty() {
            return Err("there is no sender; put one into the directory of senders".into());
        }
        if parked.len() == senders.len() {
            return Err(format!("every sender is parked ({}); the log says why", parked.join(", ")));
        }
        // Each sender has a connection of its own. One that came a moment ago may still be connecting.
        if !senders.values().any(|sender| sender.is_connected) {
            return Err(format!("the Periodic server at {} does not answer", self.server));
        }
        Ok((!parked.is_empty()).then(|| format!("parked: {}; the log says why", parked.join(", "))))
    }
}
