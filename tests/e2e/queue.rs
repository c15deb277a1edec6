//! What is in the Periodic server's queues, asked over its own protocol.

use std::str::FromStr;
use std::sync::Arc;

use periodic::client::{Client, ClientOptions};
use periodic::{Endpoint, FuncStatus};
use pusher_tests::process::Pusher;
use pusher_tests::wait::until;

/// How many jobs `func` has.
pub(crate) async fn jobs(server: &Pusher, func: &str) -> u64 {
    status(server, func).await.map_or(0, |line| line.jobs)
}

/// How many workers serve `func`.
pub(crate) async fn workers(server: &Pusher, func: &str) -> u64 {
    status(server, func).await.map_or(0, |line| line.workers)
}

async fn status(server: &Pusher, func: &str) -> Option<FuncStatus> {
    let endpoint = Endpoint::from_str(&server.periodic).unwrap();
    let client = Client::new(Arc::new(endpoint), ClientOptions::default());
    let status = client.status().await.unwrap();
    status.into_iter().find(|line| line.func == func.as_bytes())
}

/// Waits until `func` has `count` jobs.
pub(crate) async fn until_jobs(server: &Pusher, func: &str, count: u64) {
    let what = format!("{count} jobs in {func}");
    until(&what, async || (jobs(server, func).await == count).then_some(())).await;
}
