//! `hostile`: how many messages a well-behaved sender delivers while another one misbehaves, one case for each way to.
//! Baseline: the same sender without the other, measured just before. A ratio of 0.8 or more is what we want.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pusher_core::Sender;
use pusher_sandbox::{Deps, Sandbox, SandboxConfig};
use tokio::time::Instant;

use super::Figure;
use super::sandbox::Nobody;
use crate::crowd::{Crowd, HOSTILE};

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

    let mut figures = Vec::with_capacity(HOSTILE.len());
    for (data, case) in HOSTILE {
        let alone = delivered(good).await?;
        let crowd = Crowd::start(hostile, data, AT_ONCE)?;
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
    let crowd = Crowd::start(sender, PROVIDER, AT_ONCE)?;
    tokio::time::sleep(WARM_UP).await;
    let (before, start) = (crowd.done(), Instant::now());
    tokio::time::sleep(MEASURED).await;
    let (done, elapsed) = (crowd.done() - before, start.elapsed());
    if crowd.end().await > 0 {
        return Err(io::Error::other("the well-behaved sender failed"));
    }
    Ok(f64::from(u32::try_from(done).unwrap_or(u32::MAX)) / elapsed.as_secs_f64())
}
