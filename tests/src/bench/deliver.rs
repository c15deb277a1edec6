//! `deliver`: pushes over HTTP, a sandboxed `sample`, done and durable. Baseline: a bare axum route.

use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use periodic::Endpoint;
use periodic::client::{Client, ClientOptions};
use tokio::time::{Instant, sleep};

use super::load::{self, BareRoute, Plan};
use super::{Figure, push_request, recipients};
use crate::process::Pusher;

const MESSAGES: u64 = 60_000;
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the benchmark.
///
/// # Errors
/// If a process or a request fails, or the messages are not delivered in time.
pub async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let senders = dir.path().join("senders");
    crate::senders::sample(&senders)?;
    let senders = senders.to_string_lossy();
    let server = Pusher::serve(&dir.path().join("data"), &["--senders", &senders]).await;
    recipients(&server.api).await;
    let endpoint = Endpoint::from_str(&server.periodic).map_err(io::Error::other)?;
    let client = Client::new(Arc::new(endpoint), ClientOptions::default());
    let address = server.api.trim_start_matches("http://").parse().map_err(io::Error::other)?;
    let bare = BareRoute::start().await?;
    let plan = |address, first, requests| Plan {
        address,
        connections: 64,
        first,
        requests,
        time: LIMIT,
        request: push_request,
    };

    load::run(plan(address, 0, 2000)).await?;
    empty(&client).await?;
    let baseline = load::run(plan(bare.address, 0, MESSAGES)).await?;
    let started = Instant::now();
    let accepted = load::run(plan(address, 10_000, MESSAGES)).await?;
    empty(&client).await?;
    let done = load::Done { requests: accepted.requests, time: started.elapsed() };
    server.stop().await;
    Ok(vec![Figure {
        bench: "deliver",
        case: "push-to-done".into(),
        value: done.per_second(),
        unit: "jobs/s",
        baseline: baseline.per_second(),
        beside: "bare axum route",
    }])
}

/// Waits until the Periodic server has no job left.
async fn empty(client: &Client) -> io::Result<()> {
    let deadline = Instant::now() + LIMIT;
    while client.status().await.map_err(io::Error::other)?.iter().any(|func| func.jobs > 0) {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("not everything was delivered within {LIMIT:?}")));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
