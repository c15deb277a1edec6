//! `http`: what the `http` capability adds to a request: the way out of the sandbox, the checks of the URL, the headers and
//! the address, and the answer's way back. A component makes twenty POSTs in one send, one after the other, to a server
//! that keeps its connections; the time of a send that makes none is subtracted, so that the instance does not count.
//! Baseline: as many POSTs by one pooled reqwest client to the same server.

use std::io;
use std::sync::Arc;

use pusher_core::{Outcome, Sender};
use pusher_sandbox::{Deps, Sandbox, SandboxConfig};
use reqwest::redirect::Policy;
use tokio::time::Instant;

use super::load::BareRoute;
use super::sandbox::Nobody;
use super::{Figure, median};
use crate::crowd::message;

/// Requests in a send.
const CALLS: u32 = 20;
const WARM_UP: usize = 50;
const SENDS: usize = 1_000;
/// What is posted, by either.
const BODY: usize = 100;

/// Runs the benchmark.
///
/// # Errors
/// If the sender cannot be loaded, or a request fails.
pub async fn run() -> io::Result<Vec<Figure>> {
    let bare = BareRoute::start().await?;
    let origin = format!("http://{}", bare.address);
    let url = format!("{origin}/pusher/pushers/");
    let dir = tempfile::tempdir()?;
    let manifest = format!("component = \"faulty.wasm\"\n[http]\nallow = [\"{origin}\"]\nprivate = true\n");
    crate::senders::write(dir.path(), "faulty", "faulty.wasm", &manifest)?;
    let deps = Deps { pushers: Arc::new(Nobody), env: Arc::new(|_| None) };
    let sandbox = Sandbox::new(SandboxConfig::default(), deps).map_err(io::Error::other)?;
    let report = sandbox.load_dir(dir.path()).await.map_err(io::Error::other)?;
    let sender = &report.senders.first().ok_or_else(|| io::Error::other(format!("{:?}", report.refused)))?.sender;
    let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().map_err(io::Error::other)?;

    let (mut none, mut many, mut natively) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..WARM_UP + SENDS {
        // In turns, so that a machine that slows down shows in all.
        let sent = (send(&**sender, 0, &url).await?, send(&**sender, CALLS, &url).await?, post(&client, &url).await?);
        if n >= WARM_UP {
            none.push(sent.0);
            many.push(sent.1);
            natively.push(sent.2);
        }
    }
    let calls = f64::from(CALLS);
    let (sandboxed, bare) = ((median(many) - median(none)) / calls, median(natively) / calls);
    let figure = |case: &str, value| Figure {
        bench: "http",
        case: case.into(),
        value,
        unit: "µs",
        baseline: bare,
        beside: "a POST by reqwest alone",
    };
    Ok(vec![figure("post-p50", sandboxed), figure("post-overhead", sandboxed - bare)])
}

/// One send with so many POSTs, in microseconds.
async fn send(sender: &dyn Sender, calls: u32, url: &str) -> io::Result<f64> {
    let message = message(sender, &format!("posts:{calls} {BODY} {url}"))?;
    let started = Instant::now();
    let outcome = sender.send(message).await.map_err(io::Error::other)?;
    let elapsed = started.elapsed();
    if outcome == Outcome::Done { Ok(elapsed.as_secs_f64() * 1e6) } else { Err(io::Error::other("not done")) }
}

/// As many POSTs without a sandbox, in microseconds. Their bodies are read, as they are for a sender.
async fn post(client: &reqwest::Client, url: &str) -> io::Result<f64> {
    let started = Instant::now();
    for _ in 0..CALLS {
        let request = client.post(url).header("content-type", "application/octet-stream").body(vec![b'x'; BODY]);
        let response = request.send().await.and_then(reqwest::Response::error_for_status).map_err(io::Error::other)?;
        response.bytes().await.map_err(io::Error::other)?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6)
}
