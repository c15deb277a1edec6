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

/// A client of a Periodic server.
///
/// # Panics
/// If `url` is no address: this is for tests.
#[must_use]
pub fn client(url: &str) -> Client {
    let endpoint: Endpoint = url.parse().unwrap_or_else(|e| panic!("{url}: {e}"));
    Client::new(Arc::new(endpoint), ClientOptions::default())
}

async fn status(server: &Pusher, func: &str) -> Option<FuncStatus> {
    let status = client(&server.periodic).status().await.unwrap_or_else(|e| panic!("STATUS: {e}"));
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
