//! `search`: one million recipients. How long the index takes to be built from the records, beside how long the records
//! took to be stored; and how long a search by a tag and a sender takes, beside a bare axum route.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use pusher_core::{Change, ContactFields, PusherChange, PusherId, SenderName, Storer, Tag};
use pusher_store::{Store, StoreOptions};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::Figure;
use super::load::{self, BareRoute};
use crate::process::Pusher;
use crate::rest::Rest;

const PUSHERS: u64 = 1_000_000;
/// Each recipient has one of so many tags, by turns.
const TAGS: u64 = 100;
/// Searches that are timed, after a few that are not.
const SEARCHES: usize = 1_000;
const WARM_UP: usize = 100;

/// Runs the benchmark.
///
/// # Errors
/// If a process or a request fails, or a search does not find whom it should.
pub async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let stored = fill(dir.path()).await?;
    let started = Instant::now();
    let server = Pusher::serve(dir.path(), &[]).await;
    let operator = Rest::new(&server.admin);
    while operator.try_get("/readyz").await.map_err(io::Error::other)?.body != "ready\n" {
        sleep(std::time::Duration::from_millis(20)).await;
    }
    let built = started.elapsed();
    let mut figures = vec![Figure {
        bench: "search",
        case: "search-build".into(),
        value: built.as_secs_f64(),
        unit: "s",
        baseline: stored.as_secs_f64(),
        beside: "storing the same recipients, in s",
    }];
    let address = server.api.trim_start_matches("http://").parse().map_err(io::Error::other)?;
    let bare = BareRoute::start().await?;
    let cases: [(&str, fn(usize) -> String, u64); 2] = [
        // One in a hundred has the tag, every second one the sender.
        ("search-and-p50", |n| format!("%2Btags:tag-{}+%2Bsenders:sendmail", n as u64 * 2 % TAGS), PUSHERS / TAGS),
        // Every second one has either, so every fourth one both.
        ("search-and-dense-p50", |_| "%2Btags:half+%2Bsenders:sendmail".into(), PUSHERS / 4),
    ];
    for (case, query, expected) in cases {
        let before = p50(bare.address, bare_request).await?;
        let searched = p50(address, |n| get(&format!("/pusher/search/?q={}", query(n)))).await?;
        let after = p50(bare.address, bare_request).await?;
        let found = Rest::new(&server.api).get(&format!("/pusher/search/?q={}", query(0))).await;
        let total = serde_json::from_str::<Value>(&found.body).map_err(io::Error::other)?["total"].as_u64();
        if total != Some(expected) {
            return Err(io::Error::other(format!("{case}: {expected} should be found, and the answer is {found:?}")));
        }
        figures.push(Figure {
            bench: "search",
            case: case.into(),
            value: searched,
            unit: "ms",
            baseline: f64::midpoint(before, after),
            beside: "bare axum route, in ms",
        });
    }
    server.stop().await;
    Ok(figures)
}

/// Stores the recipients, without a server, and says how long that took.
async fn fill(work_dir: &Path) -> io::Result<std::time::Duration> {
    let store = Store::open(work_dir, StoreOptions::default()).map_err(io::Error::other)?;
    let started = Instant::now();
    for first in (0..PUSHERS).step_by(5_000) {
        let mut changes = Vec::new();
        for n in first..(first + 5_000).min(PUSHERS) {
            changes.extend(recipient(n).map_err(io::Error::other)?);
        }
        for result in Storer::apply(&store, changes).await {
            result.map_err(io::Error::other)?;
        }
    }
    Ok(started.elapsed())
}

/// What makes recipient number `n`: an address, a name, a telephone number, one of two senders, one of the tags, and for
/// every second one, by no rule that goes with the others, the tag `half`.
fn recipient(n: u64) -> Result<Vec<PusherChange>, pusher_core::WordError> {
    let id = PusherId::parse(&format!("user-{n}"))?;
    let contact = ContactFields {
        email: Some(format!("user{n}@mail{}.example.com", n % 50)),
        nickname: Some(format!("Nick {} {}", n % 997, n % 31)),
        phone_number: Some(format!("+49{n:010}")),
        created_at: Some(1_456_403_493 + i64::try_from(n).unwrap_or_default()),
    };
    let mut changes = vec![
        Change::Put(contact),
        Change::AddSender(SenderName::parse(if n.is_multiple_of(2) { "sendmail" } else { "sendsms" })?),
        Change::AddTag(Tag::parse(&format!("tag-{}", n % TAGS))?),
    ];
    if n / 2 % 2 == 0 {
        changes.push(Change::AddTag(Tag::parse("half")?));
    }
    Ok(changes.into_iter().map(|change| PusherChange { id: id.clone(), change }).collect())
}

/// The median time of one request after the other, in milliseconds.
async fn p50(address: SocketAddr, request: impl Fn(usize) -> Vec<u8>) -> io::Result<f64> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 << 10);
    let mut times = Vec::with_capacity(SEARCHES);
    for n in 0..WARM_UP + SEARCHES {
        let request = request(n);
        let started = Instant::now();
        stream.write_all(&request).await?;
        load::answer(&mut stream, &mut buffer).await?;
        if n >= WARM_UP {
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

fn bare_request(_: usize) -> Vec<u8> {
    b"POST /pusher/sample/push HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".to_vec()
}
