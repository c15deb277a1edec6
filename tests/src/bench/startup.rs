//! `startup`: how long it takes until two hundred senders are ready, each a component of its own, when they were compiled
//! before. Baseline: the same when they were not.

use std::io;
use std::path::Path;
use std::sync::Arc;

use pusher_sandbox::{Deps, Sandbox, SandboxConfig};
use tokio::time::Instant;

use super::Figure;
use super::sandbox::Nobody;
use crate::build;

const SENDERS: u8 = 200;

/// Runs the benchmark.
///
/// # Errors
/// If a sender cannot be loaded, or is compiled when it should not be.
pub async fn run() -> io::Result<Vec<Figure>> {
    let (dir, cache) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let component = std::fs::read(build::components().join("sendmail.wasm"))?;
    for n in 0..SENDERS {
        // A custom section of one byte: the same code under another hash.
        let own = [&component[..], &[0, 3, 1, b'n', n]].concat();
        std::fs::write(dir.path().join(format!("sender-{n}.wasm")), own)?;
        std::fs::write(dir.path().join(format!("sender-{n}.toml")), "")?;
    }
    let cache = cache.path().join("cache");
    let cold = load(dir.path(), &cache, false).await?;
    let warm = load(dir.path(), &cache, true).await?;
    Ok(vec![Figure {
        bench: "startup",
        case: format!("startup-{SENDERS}-cached"),
        value: warm,
        unit: "s",
        baseline: cold,
        beside: "compiled anew",
    }])
}

/// How many seconds it takes.
async fn load(dir: &Path, cache: &Path, from_cache: bool) -> io::Result<f64> {
    let deps = Deps { pushers: Arc::new(Nobody), env: Arc::new(|_| None) };
    let config = SandboxConfig { cache: Some(cache.to_owned()), ..SandboxConfig::default() };
    let started = Instant::now();
    let sandbox = Sandbox::new(config, deps).map_err(io::Error::other)?;
    let report = sandbox.load_dir(dir).await.map_err(io::Error::other)?;
    let elapsed = started.elapsed().as_secs_f64();
    let used = sandbox.cache_use().ok_or_else(|| io::Error::other("there is no cache"))?;
    if report.senders.len() != usize::from(SENDERS) || (used.compiled == 0) != from_cache {
        return Err(io::Error::other(format!("{} senders, {used}; {:?}", report.senders.len(), report.refused)));
    }
    Ok(elapsed)
}
