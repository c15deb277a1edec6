//! `sandbox`: what it costs to send one message with a component: a fresh instance, its `send`, and its end; and how many
//! messages a second all processors send so, 64 at once, with the limits and the log of every sender. Baseline: the same
//! function as a native sender behind the same trait. Their difference is the sandbox's overhead.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use pusher_core::{
    FanOutProgress, FanOutRequest, JobName, Message, Outcome, PushRequest, Pusher, PusherId, PusherList, Pushers,
    PushersError, SendError, Sender, SenderName,
};
use pusher_sandbox::{Deps, Sandbox, SandboxConfig};
use tokio::time::Instant;

use super::{Figure, median};
use crate::crowd::{self, message};

const WARM_UP: usize = 2_000;
const SENDS: usize = 20_000;
/// Messages under way when all processors are measured.
const AT_ONCE: usize = 64;

/// Runs the benchmark.
///
/// # Errors
/// If the sender cannot be loaded or does not answer as it should.
pub async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let manifest = format!("component = \"sample.wasm\"\n[limits]\nconcurrency = {AT_ONCE}\n");
    crate::senders::write(dir.path(), "sample", "sample.wasm", &manifest)?;
    let deps = Deps { pushers: Arc::new(Nobody), env: Arc::new(|_| None) };
    let sandbox = Sandbox::new(SandboxConfig::default(), deps).map_err(io::Error::other)?;
    let report = sandbox.load_dir(dir.path()).await.map_err(io::Error::other)?;
    let component = report.senders.first().ok_or_else(|| io::Error::other(format!("{:?}", report.refused)))?;
    let native: Arc<dyn Sender> = Arc::new(Native(SenderName::parse("sample").map_err(io::Error::other)?));
    // In turns, so that a machine that slows down shows in both.
    let (mut fresh, mut bare) = (Vec::with_capacity(SENDS), Vec::with_capacity(SENDS));
    for n in 0..WARM_UP + SENDS {
        let (sandboxed, natively) = (time(&*component.sender, n).await?, time(&*native, n).await?);
        if n >= WARM_UP {
            fresh.push(sandboxed);
            bare.push(natively);
        }
    }
    let figure = |case: &str, value, unit, baseline| Figure {
        bench: "sandbox",
        case: case.into(),
        value,
        unit,
        baseline,
        beside: "the same sender, native",
    };
    let latency = figure("fresh-instance-p50", median(fresh), "µs", median(bare));
    let sandboxed = crowd::delivered(&component.sender, "hello", AT_ONCE).await?;
    let natively = crowd::delivered(&native, "hello", AT_ONCE).await?;
    Ok(vec![latency, figure("sends-per-second", sandboxed, "msg/s", natively)])
}

/// One send in microseconds.
async fn time(sender: &dyn Sender, n: usize) -> io::Result<f64> {
    let message = message(sender, &format!("message number {n}"))?;
    let started = Instant::now();
    let outcome = sender.send(message).await.map_err(io::Error::other)?;
    let elapsed = started.elapsed();
    if outcome == Outcome::Done { Ok(elapsed.as_secs_f64() * 1e6) } else { Err(io::Error::other("not done")) }
}

/// What `sample` does, without a sandbox.
struct Native(SenderName);

#[async_trait]
impl Sender for Native {
    fn name(&self) -> &SenderName {
        &self.0
    }

    async fn send(&self, message: Message) -> Result<Outcome, SendError> {
        Ok(if message.data == "1" { Outcome::Later(10) } else { Outcome::Done })
    }
}

/// What these benchmarks load asks nobody about pushers.
pub(crate) struct Nobody;

#[async_trait]
impl Pushers for Nobody {
    async fn get(&self, _: &PusherId) -> Result<Option<Pusher>, PushersError> {
        Ok(None)
    }

    async fn search(&self, _: &str, _: u64, _: usize) -> Result<PusherList, PushersError> {
        Ok(PusherList { total: 0, pushers: Vec::new() })
    }

    async fn push(&self, _: PushRequest) -> Result<JobName, PushersError> {
        Err(PushersError::Refused("there is nobody to push to".into()))
    }

    async fn fan_out(&self, _: &FanOutRequest) -> Result<FanOutProgress, PushersError> {
        Ok(FanOutProgress { pushed: 0, done: true })
    }
}
