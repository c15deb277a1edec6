//! `hostile`: how many messages a well-behaved sender delivers while another one misbehaves, one case for each way to.
//!
//! Two baselines, each measured just before: the same sender without the other, and (the cases that end in `fair`) beside
//! one that is its equal. The first tells what the other costs, of which 0.8 and more is what we want; the second tells
//! harm from sharing: a ratio of 1 means that the other takes no more than an honest one would.
//!
//! The other sender is driven by the benchmark, which goes on for ever. Only in the case `crash-parked` a worker has it, as
//! in earnest: it is parked after ten crashes in a row.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{Job, JobKey, MemoryStore, Server, ServerOptions, SystemClock};
use pusher_core::{Prefix, Report, Sender};
use pusher_sandbox::{Deps, LoadedSender, Sandbox, SandboxConfig};
use pusher_worker::{Channel, ReportError, Reports, Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;

use super::Figure;
use super::sandbox::Nobody;
use crate::crowd::{self, Crowd, HOSTILE, WARM_UP};

/// Messages that each of the two has under way: the default of `[limits] concurrency`.
const AT_ONCE: usize = 32;
/// How long the good sender's provider takes to answer.
const PROVIDER: &str = "sleep:10";
/// How many messages the sender has to crash with that is parked.
const CRASHES: usize = 1_000;

/// Runs the benchmark.
///
/// # Errors
/// If the senders cannot be loaded, or the good one does not deliver.
pub async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    for name in ["equal", "good", "hostile"] {
        crate::senders::write(dir.path(), name, "faulty.wasm", "component = \"faulty.wasm\"\n")?;
    }
    let deps = Deps { pushers: Arc::new(Nobody), env: Arc::new(|_| None) };
    let sandbox = Sandbox::new(SandboxConfig::default(), deps).map_err(io::Error::other)?;
    let report = sandbox.load_dir(dir.path()).await.map_err(io::Error::other)?;
    let [equal, good, hostile] = &report.senders[..] else {
        return Err(io::Error::other(format!("{:?}", report.refused)));
    };
    let good = &good.sender;

    let mut figures = Vec::with_capacity(2 * HOSTILE.len() + 2);
    for (data, case) in HOSTILE {
        let baselines = Baselines::measure(good, &equal.sender).await?;
        let crowd = Crowd::start(&hostile.sender, data, AT_ONCE)?;
        let beside = delivered(good).await;
        crowd.end().await;
        figures.extend(baselines.figures(case, beside?));
    }
    let baselines = Baselines::measure(good, &equal.sender).await?;
    figures.extend(baselines.figures("crash-parked", beside_a_worker(good, hostile).await?));
    Ok(figures)
}

async fn delivered(sender: &Arc<dyn Sender>) -> io::Result<f64> {
    crowd::delivered(sender, PROVIDER, AT_ONCE).await
}

/// What the good sender delivers when nobody misbehaves.
struct Baselines {
    alone: f64,
    fair: f64,
}

impl Baselines {
    async fn measure(good: &Arc<dyn Sender>, equal: &Arc<dyn Sender>) -> io::Result<Self> {
        let alone = delivered(good).await?;
        let crowd = Crowd::start(equal, PROVIDER, AT_ONCE)?;
        let fair = delivered(good).await;
        crowd.end().await;
        Ok(Self { alone, fair: fair? })
    }

    fn figures(&self, case: &str, value: f64) -> [Figure; 2] {
        let figure = |case, baseline, beside| Figure { bench: "hostile", case, value, unit: "msg/s", baseline, beside };
        [
            figure(case.to_owned(), self.alone, "without the other sender"),
            figure(format!("{case}-fair"), self.fair, "beside an equal sender"),
        ]
    }
}

/// What the good sender delivers while a worker has the hostile one's messages, from the first crash on.
async fn beside_a_worker(good: &Arc<dyn Sender>, hostile: &LoadedSender) -> io::Result<f64> {
    let (store, clock) = (Arc::new(MemoryStore::default()), Arc::new(SystemClock));
    let server = Server::start(store, clock, ServerOptions::default()).await.map_err(io::Error::other)?;
    let func = Prefix::default().func(hostile.sender.name());
    let jobs = (0..CRASHES).map(|n| {
        let message = crowd::message(&*hostile.sender, &format!("trap:{n}"))?;
        let name = Bytes::from(String::from(message.id));
        let key = JobKey { func: Bytes::copy_from_slice(func.as_str().as_bytes()), name };
        Ok(Job { key, workload: Bytes::from(message.data), sched_at: 0, count: 0, timeout: 0 })
    });
    let submitted = server.handle().submit(jobs.collect::<io::Result<_>>()?).await;
    submitted.into_iter().collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;

    let connector = Arc::new(server.handle().connector());
    let LoadedSender { sender, concurrency, retry, .. } = hostile;
    let channel = Channel { concurrency: *concurrency, retry: retry.clone(), ..Channel::new(sender.clone()) };
    let worker = Worker::new(connector, Arc::new(Untold), WorkerOptions::default()).channel(channel);
    let (activity, stop) = (worker.activity(), CancellationToken::new());
    let working = async {
        tokio::time::sleep(WARM_UP).await;
        worker.run(stop.clone()).await;
        Ok(())
    };
    let measuring = async {
        let beside = delivered(good).await;
        stop.cancel();
        beside
    };
    let (beside, ()) = tokio::try_join!(measuring, working)?;
    server.stop().await;
    if activity.read().values().all(|sender| sender.is_parked) {
        Ok(beside)
    } else {
        Err(io::Error::other("the sender that only crashes was not parked"))
    }
}

/// Nobody is told what became of messages.
struct Untold;

#[async_trait]
impl Reports for Untold {
    async fn report(&self, _: Report) -> Result<(), ReportError> {
        Ok(())
    }
}
