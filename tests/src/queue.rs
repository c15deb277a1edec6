//! What is in the Periodic server's queues, asked over its own protocol.

use std::sync::Arc;

use periodic::client::{Client, ClientOptions};
use periodic::{Endpoint, FuncStatus};

use crate::process::Pusher;
use crate::wait::until;

/// How many jobs `func` has.
///
/// # Panics
/// If the server does not say: this is for tests.
pub async fn jobs(server: &Pusher, func: &str) -> u64 {
    status(server, func).await.map_or(0, |line| line.jobs)
}

/// How many workers serve `func`.
///
/// # Panics
/// As [`jobs`].
pub async fn workers(server: &Pusher, func: &str) -> u64 {
    status(server, func).await.map_or(0, |line| line.workers)
}

async fn status(server: &Pusher, func: &str) -> Option<FuncStatus> {
    let endpoint: Endpoint = server.periodic.parse().unwrap_or_else(|e| panic!("{}: {e}", server.periodic));
    let client = Client::new(Arc::new(endpoint), ClientOptions::default());
    let status = client.status().await.unwrap_or_else(|e| panic!("STATUS: {e}"));
    status.into_iter().find(|line| line.func == func.as_bytes())
}

/// Waits until `func` has `count` jobs.
///
/// # Panics
/// If that takes too long.
pub async fn until_jobs(server: &Pusher, func: &str, count: u64) {
    let what = format!("{count} jobs in {func}");
    until(&what, async || (jobs(server, func).await == count).then_some(())).await;
}
