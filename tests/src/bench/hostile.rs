//! `hostile`: how many messages a well-behaved sender delivers while another one misbehaves, one case for each way to.
//! Baseline: the same sender without the other, measured just before. A ratio of 0.8 or more is what we want.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pusher_core::{JobName, Message, PusherId, Sender};
use pusher_sandbox::{Deps, Sandbox, SandboxConfig};
use tokio::time::Instant;

use super::Figure;
use super::sandbox::Nobody;

/// What the message tells `faulty` to do, and what the case is called.
const CASES: [(&str, &str); 12] = [
    ("spin", "loop"),
    ("loop:clock", "loop-of-clock"),
    ("loop:config", "loop-of-config"),
    ("loop:http", "loop-of-denied-http"),
    ("loop:pushers", "loop-of-denied-pushers"),
    ("loop:log", "log-flood"),
    ("loop:sleep", "short-sleeps"),
    ("alloc", "memory-in-steps"),
    ("grow", "memory-at-once"),
    ("trap", "crash"),
    ("key:100000000", "huge-argument"),
    ("sleep:60000", "wait"),
];

/// Messages that each of the two has under way: the default of `[limits] concurrency`.
const AT_ONCE: usize = 32;
/// How long the good sender's provider takes to answer.
const PROVIDER: &str = "sleep:10";
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_secs(2);

/// Runs the benchmark.
///
/// # Errors
/// If the senders cannot be loaded, or the good one does not deliver.
pub async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    crate::senders::write(dir.path(), "good", "faulty.wasm", "component = \"faulty.wasm\"\n")?;
    crate::senders::write(dir.path(), "hostile", "faulty.wasm", "component = \"faulty.wasm\"\n")?;
    let deps = Deps { pushers: Arc::new(Nobody), env: Arc::new(|_| None) };
    let sandbox = Sandbox::new(SandboxConfig::default(), deps).map_err(io::Error::other)?;
    let report = sandbox.load_dir(dir.path()).await.map_err(io::Error::other)?;
    let [good, hostile] = &report.senders[..] else {
        return Err(io::Error::other(format!("{:?}", report.refused)));
    };
    let (good, hostile) = (&good.sender, &hostile.sender);

    let mut figures = Vec::with_capacity(CASES.len());
    for (data, case) in CASES {
        let alone = delivered(good).await?;
        let crowd = Crowd::start(hostile, data)?;
        let beside = delivered(good).await;
        crowd.end().await;
        figures.push(Figure {
            bench: "hostile",
            case: case.into(),
            value: beside?,
            unit: "msg/s",
            baseline: alone,
            beside: "without the other sender",
        });
    }
    Ok(figures)
}

/// How many messages a second the sender delivers.
async fn delivered(sender: &Arc<dyn Sender>) -> io::Result<f64> {
    let crowd = Crowd::start(sender, PROVIDER)?;
    tokio::time::sleep(WARM_UP).await;
    let (before, start) = (crowd.done.load(Relaxed), Instant::now());
    tokio::time::sleep(MEASURED).await;
    let (done, elapsed) = (crowd.done.load(Relaxed) - before, start.elapsed());
    if crowd.end().await > 0 {
        return Err(io::Error::other("the well-behaved sender failed"));
    }
    Ok(f64::from(u32::try_from(done).unwrap_or(u32::MAX)) / elapsed.as_secs_f64())
}

/// Sends of one kind, each followed by the next until the crowd is told to end.
struct Crowd {
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    tasks: tokio::task::JoinSet<()>,
}

impl Crowd {
    fn start(sender: &Arc<dyn Sender>, data: &str) -> io::Result<Self> {
        let pusher = PusherId::parse("lupino").map_err(io::Error::other)?;
        let id = JobName::for_push(&pusher, data);
        let message = Message { id, sender: sender.name().clone(), pusher, data: data.into(), attempt: 1 };
        let mut crowd =
            Self { over: Arc::default(), done: Arc::default(), failed: Arc::default(), tasks: Default::default() };
        for _ in 0..AT_ONCE {
            let (sender, message) = (Arc::clone(sender), message.clone());
            let (over, done, failed) = (Arc::clone(&crowd.over), Arc::clone(&crowd.done), Arc::clone(&crowd.failed));
            crowd.tasks.spawn(async move {
                while !over.load(Relaxed) {
                    let counter = if sender.send(message.clone()).await.is_ok() { &done } else { &failed };
                    counter.fetch_add(1, Relaxed);
                    // A worker gets each message from the network, and so has other work between two of them.
                    tokio::task::yield_now().await;
                }
            });
        }
        Ok(crowd)
    }

    /// Ends it, without waiting for those that wait. How many sends failed?
    async fn end(mut self) -> u64 {
        self.over.store(true, Relaxed);
        self.tasks.shutdown().await;
        self.failed.load(Relaxed)
    }
}
