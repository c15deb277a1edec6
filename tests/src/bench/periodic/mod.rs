//! `periodic`: the Periodic server alone (`pusher periodicd`, a process of its own), over TCP on loopback, with workloads
//! of 100 bytes.
//!
//! The load is written by hand on blocking sockets with the codec of `periodic::wire` ([`crate::line`]), because this crate's
//! client and worker would take as much of the two cores as the server. Rates are medians of several measurements, each
//! right behind one of its baseline. What the cases are asked to reach:
//!
//! | case | asked |
//! | --- | --- |
//! | `submit-pipelined` | 0.7 of the store alone, 80,000/s |
//! | `submit-single` | 1.3 times a commit of the store alone |
//! | `drain` | 0.4 of the store alone, 40,000/s |
//! | `submit-and-work` | 0.25 of the store alone, 25,000/s |
//! | `run-job-p50` | 300 µs in memory; a commit and 300 µs with a database |
//! | `due-late-max` | 50 ms after its second, the server having started again meanwhile |
//! | `lost-back-max` | 10 ms from a worker's end until another has its job |
//! | `memory-1m`, `memory-10m` | 200 MiB, 1 GiB |

mod cases;
mod memory;
mod moments;
mod store;

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use periodic::wire::Registration;
use periodic::{Job, JobKey};

use super::{Figure, median};
use crate::line::Line;
use crate::process::Pusher;

/// How long one answer may be waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a rate is measured.
const TIMES: usize = 3;
/// Jobs in `submit-pipelined`: enough that entries of the store's indexes are moved to the disk meanwhile.
const SUBMITS: usize = 400_000;
/// Jobs in `drain` and in `submit-and-work`.
const JOBS: usize = 100_000;
/// Requests in a case that has one at a time.
const SINGLES: usize = 2_000;

/// What can be measured alone, as `periodic/CASE`. `memory` is several figures.
const CASES: [&str; 9] = [
    "submit-pipelined",
    "drain",
    "submit-and-work",
    "submit-single",
    "run-job-durable-p50",
    "run-job-p50",
    "due-late-max",
    "lost-back-max",
    "memory",
];

/// Runs the benchmark, or one case of it.
///
/// # Errors
/// If there is no such case, a process does not start, or something is not answered as it should be.
pub async fn run(only: Option<&str>) -> io::Result<Vec<Figure>> {
    let cases: Vec<_> = CASES.into_iter().filter(|case| only.is_none_or(|only| only == *case)).collect();
    if cases.is_empty() {
        return Err(io::Error::other(format!("name one of its cases: {}", CASES.join(", "))));
    }
    let mut figures = Vec::new();
    for case in cases {
        figures.push(match case {
            "submit-pipelined" => rate(case, "job/s", || puts(SUBMITS), cases::submit_pipelined).await?,
            "drain" => {
                let finishes = || aside(|| store::finishes_per_second(JOBS));
                rate(case, "job/s", finishes, cases::drain).await?
            }
            "submit-and-work" => rate(case, "job/s", || puts(JOBS), cases::submit_and_work).await?,
            "submit-single" => rate(case, "µs", commits, cases::submit_single).await?,
            "run-job-durable-p50" => rate(case, "µs", commits, async || cases::run_job(true).await).await?,
            "run-job-p50" => rate(case, "µs", cases::ping, async || cases::run_job(false).await).await?,
            "due-late-max" => rate(case, "ms", ping_ms, moments::due_late).await?,
            "lost-back-max" => rate(case, "ms", ping_ms, moments::lost_back).await?,
            _ => {
                figures.extend(memory::run().await?);
                continue;
            }
        });
    }
    Ok(figures)
}

async fn puts(count: usize) -> io::Result<f64> {
    aside(move || store::puts_per_second(count)).await
}

async fn commits() -> io::Result<f64> {
    aside(|| store::micros_per_commit(SINGLES)).await
}

async fn ping_ms() -> io::Result<f64> {
    Ok(cases::ping().await? / 1e3)
}

/// Measures the baseline and the case in turn.
async fn rate<B: Future<Output = io::Result<f64>>, V: Future<Output = io::Result<f64>>>(
    case: &str,
    unit: &'static str,
    baseline: impl Fn() -> B,
    value: impl Fn() -> V,
) -> io::Result<Figure> {
    let (mut baselines, mut values) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        baselines.push(baseline().await?);
        values.push(value().await?);
    }
    let of_server = ["run-job-p50", "due-late-max", "lost-back-max"];
    let beside = if of_server.contains(&case) { "PING" } else { "the store alone" };
    let (value, baseline) = (median(values), median(baselines));
    Ok(Figure { bench: "periodic", case: case.into(), value, unit, baseline, beside })
}

/// Runs what blocks.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// `pusher periodicd` on a free port of loopback, with a database in `dir` or without one.
async fn server(dir: Option<&Path>) -> io::Result<Pusher> {
    let dir = dir.map(|dir| dir.to_string_lossy().into_owned());
    let keep = dir.as_deref().map_or_else(|| vec!["--memory"], |dir| vec!["--work-dir", dir]);
    Pusher::periodicd(&keep).await.map_err(io::Error::other)
}

/// A client's connection.
fn client(url: &str) -> io::Result<Line> {
    Line::open(url, &Registration::Client, PATIENCE)
}

/// Job number `n`, with a workload of 100 bytes, due at once.
fn job(n: usize) -> Job {
    let key = JobKey { func: Bytes::from_static(b"bench"), name: Bytes::from(format!("job number {n}")) };
    Job { key, workload: Bytes::from_static(&[b'x'; 100]), sched_at: 0, count: 0, timeout: 0 }
}
