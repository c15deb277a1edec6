//! A pushall to a million recipients: how fast its messages are submitted, how fast they are delivered, and how much memory
//! that takes.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use periodic::{Job, JobKey, JobOp, JobOpDone, JobStore};
use pusher_core::{JobName, PusherId};
use pusher_store::{Store, StoreOptions};
use tokio::time::{Instant, sleep};

use super::{LIMIT, SMALLER, figure};
use crate::bench::Figure;
use crate::bench::resident::Resident;
use crate::build;
use crate::metrics::Metrics;
use crate::process::Pusher;
use crate::queue;
use crate::rest::Rest;

const RECIPIENTS: u64 = 1_000_000 / SMALLER;
/// Recipients on a page of the fan-out, and jobs in a commit of the store alone.
const PAGE: usize = 1000;
/// Recipients in a bulk request.
const BULK: u64 = 10_000;
const DATA: &str = "a message to everybody, of some words";

pub(super) async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let senders = dir.path().join("senders");
    std::fs::create_dir(&senders)?;
    let pushall = std::fs::read_to_string(build::root().join("senders-wasm/pushall/pushall.toml"))?;
    crate::senders::write(&senders, "pushall", "pushall.wasm", &pushall)?;
    let server = Pusher::serve(&dir.path().join("data"), &["--senders", &senders.to_string_lossy()]).await;
    let rest = Rest::new(&server.api);
    recipients(&rest).await?;
    let alone = alone().await?;

    let started = Instant::now();
    let reply = rest.post("/pusher/sample/pushall", &[("data", DATA)]).await;
    if reply.status != 200 {
        return Err(io::Error::other(format!("{reply:?}")));
    }
    until(started, || async { Ok((fanned_out(&server).await? == RECIPIENTS).then_some(())) }).await?;
    let submitted = per_second(RECIPIENTS, started.elapsed());

    // The sender comes, and with it a worker's connection.
    crate::senders::sample(&senders)?;
    let client = queue::client(&server.periodic);
    let left = async || -> io::Result<u64> {
        let status = client.status().await.map_err(io::Error::other)?;
        Ok(status.into_iter().find(|line| line.func == "pusher:sample").map_or(0, |line| line.jobs))
    };
    let started = Instant::now();
    until(started, || async { Ok((left().await? < RECIPIENTS).then_some(())) }).await?;
    let started = Instant::now();
    let before = left().await?;
    // All that is resident, and its own: in the first tenth, and at any time.
    let (mut first, mut peak) = ([0.0_f64; 2], [0.0_f64; 2]);
    loop {
        let now = left().await?;
        let Resident { all, own, .. } = Resident::of(server.pid())?;
        let raise = |most: &mut [f64; 2]| *most = [most[0].max(all), most[1].max(own)];
        if now > RECIPIENTS / 10 * 9 {
            raise(&mut first);
        }
        raise(&mut peak);
        if now == 0 {
            break;
        }
        if started.elapsed() > LIMIT {
            return Err(io::Error::other(format!("not everything was delivered within {LIMIT:?}")));
        }
        sleep(Duration::from_millis(20)).await;
    }
    let delivered = per_second(before, started.elapsed());
    server.stop().await;
    Ok(vec![
        figure("pushall-submitted", submitted, "jobs/s", alone.puts, "the store alone"),
        figure("pushall-delivered", delivered, "jobs/s", alone.ends, "the store alone"),
        figure("pushall-memory", peak[0], "MiB", first[0], "in the first tenth"),
        figure("pushall-memory-own", peak[1], "MiB", first[1], "in the first tenth"),
    ])
}

/// Creates them, and waits until the search index has them and does not work beside what is measured.
async fn recipients(rest: &Rest) -> io::Result<()> {
    for first in (0..RECIPIENTS).step_by(usize::try_from(BULK).unwrap_or(1)) {
        let lines: String = (first..RECIPIENTS.min(first + BULK))
            .map(|n| format!("{{\"id\":\"{}\",\"senders\":[\"sample\"]}}\n", id(n)))
            .collect();
        let reply = rest.post_as("/pusher/pushers/_bulk", "application/x-ndjson", &lines).await;
        if reply.status != 200 || !reply.body.contains("\"failed\":0") {
            return Err(io::Error::other(format!("the recipients were not created: {}", reply.status)));
        }
    }
    until(Instant::now(), || async {
        Ok((rest.get("/pusher/search/?q=senders:sample&size=1").await.status == 200).then_some(()))
    })
    .await
}

fn id(n: u64) -> String {
    format!("recipient-{n}")
}

async fn fanned_out(server: &Pusher) -> io::Result<u64> {
    let count = Metrics::of(&server.admin).await.value("pusher_pushes_accepted_total", &[("kind", "fan-out")]);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a count")]
    count.map(|count| count as u64).ok_or_else(|| io::Error::other("fan-outs are not counted"))
}

async fn until<F: Future<Output = io::Result<Option<()>>>>(started: Instant, is: impl Fn() -> F) -> io::Result<()> {
    while is().await?.is_none() {
        if started.elapsed() > LIMIT {
            return Err(io::Error::other(format!("it takes longer than {LIMIT:?}")));
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count of jobs is far below 2^52")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// What the store does alone.
struct Alone {
    /// Jobs that are put a second.
    puts: f64,
    /// Jobs that are ended a second.
    ends: f64,
}

/// Puts the same jobs in an order that nobody has sorted, a page in each commit, and ends them.
async fn alone() -> io::Result<Alone> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(Path::new(dir.path()), StoreOptions::default()).map_err(io::Error::other)?;
    let jobs: Vec<_> = (0..RECIPIENTS).map(|n| job(n).map(JobOp::Put)).collect::<io::Result<_>>()?;
    let started = Instant::now();
    let put = all(&store, jobs).await?;
    let puts = per_second(RECIPIENTS, started.elapsed());
    let ends = put.into_iter().filter_map(|done| match done {
        JobOpDone::Put { seq, .. } => Some(JobOp::Finish { seq, result: Bytes::new() }),
        _ => None,
    });
    let ends: Vec<_> = ends.collect();
    let started = Instant::now();
    all(&store, ends).await?;
    let ends = per_second(RECIPIENTS, started.elapsed());
    store.close().await;
    Ok(Alone { puts, ends })
}

fn job(n: u64) -> io::Result<Job> {
    let name = JobName::for_push(&PusherId::parse(&id(n)).map_err(io::Error::other)?, DATA);
    // Of a func that is no sender's: the store alone keeps no log.
    let key = JobKey { func: Bytes::from_static(b"alone.:sample"), name: Bytes::from(String::from(name)) };
    Ok(Job { key, workload: Bytes::from_static(DATA.as_bytes()), sched_at: 0, count: 0, timeout: 0 })
}

async fn all(store: &Store, mut ops: Vec<JobOp>) -> io::Result<Vec<JobOpDone>> {
    let mut done = Vec::with_capacity(ops.len());
    while !ops.is_empty() {
        let rest = ops.split_off(ops.len().min(PAGE));
        let results = JobStore::apply(store, std::mem::replace(&mut ops, rest)).await;
        done.extend(results.into_iter().collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?);
    }
    Ok(done)
}
