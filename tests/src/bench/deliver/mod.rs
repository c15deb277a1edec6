//! `deliver`: from a push, or a pushall, until messages are delivered by a sandboxed `sample` and that is durable.
//!
//! | case | beside | asked |
//! | --- | --- | --- |
//! | `push-to-done` | a bare axum route | 15,000/s, 0.2 of it |
//! | `log` | the same without a delivery log ([`parts`]) | 0.85 of it |
//! | `pushall-submitted` | the store alone: puts of as many jobs in commits of a page | 120,000/s, 1.1 of it |
//! | `pushall-delivered` | the store alone: the ends of as many jobs | 20,000/s |
//! | `pushall-memory` | before, in the first tenth of the deliveries; pages of the map count | flat |
//! | `pushall-memory-own` | the same without the map | flat |
//! | `failures-page-ms` | the same page of a log with a thousand deliveries | 20 ms |
//!
//! In the dev profile everything is a hundredth of its size, to see that it works.

mod failures;
pub mod parts;
mod pushall;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::load::{self, BareRoute, Plan};
use super::{Figure, median, push_request, recipients};
use crate::process::Pusher;
use crate::queue;

/// What everything is divided by.
const SMALLER: u64 = if cfg!(debug_assertions) { 100 } else { 1 };
/// Messages in `push-to-done` and in `log`: some seconds of load without a pause.
const MESSAGES: u64 = 120_000 / SMALLER;
/// How often `log` is measured, with and without.
const TIMES: usize = 5;
const LIMIT: Duration = Duration::from_secs(300);

/// What can be measured alone, as `deliver/CASE`. `pushall` is four figures.
const CASES: [&str; 4] = ["push-to-done", "log", "pushall", "failures-page-ms"];

/// Runs the benchmark, or one case of it.
///
/// # Errors
/// If there is no such case, a process or a request fails, or the messages are not delivered in time.
pub async fn run(only: Option<&str>) -> io::Result<Vec<Figure>> {
    let cases: Vec<_> = CASES.into_iter().filter(|case| only.is_none_or(|only| only == *case)).collect();
    if cases.is_empty() {
        return Err(io::Error::other(format!("name one of its cases: {}", CASES.join(", "))));
    }
    let mut figures = Vec::new();
    for case in cases {
        match case {
            "push-to-done" => figures.push(push_to_done().await?),
            "log" => figures.push(log().await?),
            "pushall" => figures.extend(pushall::run().await?),
            _ => figures.push(failures::run().await?),
        }
    }
    Ok(figures)
}

fn figure(case: &str, value: f64, unit: &'static str, baseline: f64, beside: &'static str) -> Figure {
    Figure { bench: "deliver", case: case.into(), value, unit, baseline, beside }
}

async fn push_to_done() -> io::Result<Figure> {
    let dir = tempfile::tempdir()?;
    let senders = dir.path().join("senders");
    crate::senders::sample(&senders)?;
    let server = Pusher::serve(&dir.path().join("data"), &["--senders", &senders.to_string_lossy()]).await;
    recipients(&server.api).await;
    let bare = BareRoute::start().await?;
    let before = load::run(plan(bare.address, 0, MESSAGES / 2)).await?;
    let done = pushed_and_done(&server.api, &server.periodic).await?;
    let after = load::run(plan(bare.address, 0, MESSAGES / 2)).await?;
    server.stop().await;
    let baseline = f64::midpoint(before.per_second(), after.per_second());
    Ok(figure("push-to-done", done, "jobs/s", baseline, "bare axum route"))
}

/// The same server, put together from its parts, with a delivery log and without one.
async fn log() -> io::Result<Figure> {
    let dir = tempfile::tempdir()?;
    let senders = dir.path().join("senders");
    crate::senders::sample(&senders)?;
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for time in 0..TIMES {
        for (rates, log) in [(&mut off, "off"), (&mut on, "on")] {
            let data = dir.path().join(format!("{log}{time}"));
            let server = parts::Process::start(&data, &senders, log).await?;
            recipients(&server.api).await;
            rates.push(pushed_and_done(&server.api, &server.periodic).await?);
        }
    }
    Ok(figure("log", median(on), "jobs/s", median(off), "without a delivery log"))
}

/// Messages a second, from the first push until the last job is gone.
async fn pushed_and_done(api: &str, periodic: &str) -> io::Result<f64> {
    let address = api.trim_start_matches("http://").parse().map_err(io::Error::other)?;
    let warm = 2000 / SMALLER;
    load::run(plan(address, 0, warm)).await?;
    until_empty(periodic).await?;
    let started = Instant::now();
    let accepted = load::run(plan(address, 10_000, MESSAGES)).await?;
    until_empty(periodic).await?;
    Ok(load::Done { requests: accepted.requests, time: started.elapsed() }.per_second())
}

fn plan(address: SocketAddr, first: u64, requests: u64) -> Plan {
    Plan { address, connections: 64, first, requests, time: LIMIT, request: push_request }
}

/// Waits until the Periodic server has no job left.
async fn until_empty(periodic: &str) -> io::Result<()> {
    let client = queue::client(periodic);
    let deadline = Instant::now() + LIMIT;
    while client.status().await.map_err(io::Error::other)?.iter().any(|func| func.jobs > 0) {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("not everything was delivered within {LIMIT:?}")));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
