//! `inflight`: how much memory a process takes while a thousand sends wait for a provider that takes its time; all of
//! them must be done in the end. Baseline: the same process before the first send, with the sender loaded. Asked: less
//! than 300 MiB.
//!
//! The process is one of its own, so that nothing counts that another benchmark or the provider has taken.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pusher_core::{Outcome, Sender};
use pusher_sandbox::{Deps, LoadedSender, Sandbox, SandboxConfig};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Figure;
use super::load::{BareRoute, this_program};
use super::resident::Resident;
use super::sandbox::Nobody;
use crate::crowd::message;

/// Sends at once.
const SENDS: usize = 1_000;
/// How long it may take until all of them wait. The provider answers none before that.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the benchmark.
///
/// # Errors
/// If a process does not start, or not every send is done.
pub async fn run() -> io::Result<Vec<Figure>> {
    let provider = BareRoute::start().await?;
    // The first process compiles the sender, the second one is measured: compiling takes far more memory than sending.
    let cache = tempfile::tempdir()?;
    let args = |address: SocketAddr| [address.to_string(), cache.path().join("cache").to_string_lossy().into_owned()];
    let mut measured = String::new();
    for _ in 0..2 {
        let output = this_program("inflight-process").args(args(provider.address)).output().await?;
        if !output.status.success() {
            return Err(io::Error::other(format!("the process said: {}", String::from_utf8_lossy(&output.stderr))));
        }
        measured = String::from_utf8_lossy(&output.stdout).into_owned();
    }
    let numbers: Vec<f64> = measured.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let &[before, waiting, peak] = &numbers[..] else {
        return Err(io::Error::other(format!("the process said {measured:?}")));
    };
    let figure = |case: &str, value| Figure {
        bench: "inflight",
        case: format!("{case}-of-{SENDS}-sends"),
        value,
        unit: "MiB",
        baseline: before,
        beside: "before the first send",
    };
    Ok(vec![figure("memory", waiting), figure("peak", peak)])
}

/// What the process does: prints how many MiB it takes before, while all sends wait, and at most.
///
/// # Errors
/// If not every send is done.
pub async fn process(provider: &str, cache: &str) -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let loaded = load(dir.path(), provider, Path::new(cache)).await?;
    let before = Resident::own()?.all;
    let (sandbox, sender) = &loaded;
    let message = message(&*sender.sender, &format!("posts:1 100 http://{provider}/held"))?;
    let mut sends = JoinSet::new();
    for _ in 0..SENDS {
        let (sender, message): (Arc<dyn Sender>, _) = (sender.sender.clone(), message.clone());
        sends.spawn(async move { sender.send(message).await });
    }
    let deadline = Instant::now() + PATIENCE;
    while held(provider).await? < SENDS {
        if let Some(ended) = sends.try_join_next() {
            return Err(io::Error::other(format!("a send did not wait: {ended:?}")));
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("not all wait: {:?}", sandbox.pool_use())));
        }
        sleep(Duration::from_millis(20)).await;
    }
    let waiting = Resident::own()?.all;
    release(provider).await?;
    while let Some(sent) = sends.join_next().await {
        match sent.map_err(io::Error::other)? {
            Ok(Outcome::Done) => {}
            other => return Err(io::Error::other(format!("{other:?}"))),
        }
    }
    println!("{before} {waiting} {}", Resident::own()?.most);
    Ok(())
}

/// A sandbox with room for all, and the sender that posts.
async fn load(dir: &Path, provider: &str, cache: &Path) -> io::Result<(Sandbox, LoadedSender)> {
    let manifest = format!(
        "component = \"faulty.wasm\"\n[http]\nallow = [\"http://{provider}\"]\nprivate = true\n\
         [limits]\nconcurrency = {SENDS}\ntime = \"2m\"\n"
    );
    crate::senders::write(dir, "faulty", "faulty.wasm", &manifest)?;
    let deps = Deps { pushers: Arc::new(Nobody), env: Arc::new(|_| None) };
    let config = SandboxConfig { max_sends: SENDS, cache: Some(cache.to_owned()), ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config, deps).map_err(io::Error::other)?;
    let report = sandbox.load_dir(dir).await.map_err(io::Error::other)?;
    let refused = io::Error::other(format!("{:?}", report.refused));
    Ok((sandbox, report.senders.into_iter().next().ok_or(refused)?))
}

/// How many requests the provider holds.
async fn held(provider: &str) -> io::Result<usize> {
    let answer = reqwest::get(format!("http://{provider}/held")).await.map_err(io::Error::other)?;
    answer.text().await.map_err(io::Error::other)?.parse().map_err(io::Error::other)
}

/// Has the provider answer them.
async fn release(provider: &str) -> io::Result<()> {
    let answer = reqwest::get(format!("http://{provider}/release")).await.map_err(io::Error::other)?;
    answer.error_for_status().map(drop).map_err(io::Error::other)
}
