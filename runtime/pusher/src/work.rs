//! What `pusher worker` does: takes jobs from a Periodic server and runs the senders in a directory.

use std::sync::Arc;

use periodic::ClientOptions;
use pusher_client::{Client, ClientError, Options};
use pusher_worker::{Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;

use crate::adapters::RemoteQueue;
use crate::config::WorkConfig;
use crate::senders::{Senders, SendersConfig, SendersError};

/// Why the worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The client of the API server cannot be set up.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// There are no senders to run.
    #[error(transparent)]
    Senders(#[from] SendersError),
}

/// Runs a worker until `stop`. `say` is given a line for each thing a person wants to know, and `ready` last. Neither
/// server need be there yet: the worker waits for them.
///
/// # Errors
/// [`WorkError`], before `ready`.
pub async fn run(config: WorkConfig, stop: CancellationToken, say: impl Fn(&str)) -> Result<(), WorkError> {
    let options = Options { credentials: config.credentials, ..Options::default() };
    let client = Client::new(config.api, options)?;
    let senders = SendersConfig { dir: config.senders, hooks: config.hooks, cache: config.cache, size: config.size };
    let senders = Senders::load_some(senders, Arc::new(client)).await?;
    let endpoint = Arc::new(config.periodic.clone());
    let queue = RemoteQueue(periodic::Client::new(endpoint.clone(), ClientOptions::default()));
    let options = WorkerOptions { prefix: config.prefix, size: config.size, ..WorkerOptions::default() };
    let worker = senders.add_to(Worker::new(endpoint, Arc::new(queue), options), stop.clone());
    say(&format!("taking jobs from {}", config.periodic));
    say(&format!("senders: {}", worker.names().map(ToString::to_string).collect::<Vec<_>>().join(" ")));
    say("ready");
    worker.run(stop).await;
    Ok(())
}
