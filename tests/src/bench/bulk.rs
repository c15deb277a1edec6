//! `bulk`: importing a million recipients by bulk requests, and reading the list of them. Baselines: a bare axum route
//! that reads the same bodies, and one that answers a GET. And importing them from a file in no order by the command, which
//! sorts what it sends; baseline: the same lines in bulk requests as they come.
//!
//! The recipients have an e-mail address, a nickname, a telephone number, one or two senders and two tags, and are
//! imported in the order of their ids and times of creation, or in no order.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::load::{self, BareRoute, Done};
use super::{Figure, median};
use crate::command::command;
use crate::process::Pusher;

const PUSHERS: u64 = 1_000_000;
/// Lines in a request: as many as the server takes.
const LINES: u64 = 10_000;
/// Requests at once: enough that one is parsed while another is written.
const CONNECTIONS: usize = 4;
/// Pages of the list that are timed.
const PAGES: u64 = 2_000;
/// Recipients on a page: as many as the server gives.
const PAGE: u64 = 100;

/// Which recipient comes at which place of the import.
type Place = fn(u64) -> u64;

/// Runs the benchmark.
///
/// # Errors
/// If a process or a request fails, or not everybody is there in the end.
pub async fn run() -> io::Result<Vec<Figure>> {
    let bare = BareRoute::start().await?;
    let mut figures = Vec::new();
    let orders: [(&str, Place); 2] = [("random", shuffled), ("sorted", |n| n)];
    for (order, place) in orders {
        let bodies: Arc<[Vec<u8>]> = (0..PUSHERS / LINES).map(|n| request(n, place)).collect();
        let dir = tempfile::tempdir()?;
        let server = Pusher::serve(dir.path(), &[]).await;
        let address = server.api.trim_start_matches("http://").parse().map_err(io::Error::other)?;
        let imported = import(address, bodies.clone(), r#"{"created":10000,"#).await?;
        let baseline = import(bare.address, bodies, "{").await?;
        figures.push(Figure {
            bench: "bulk",
            case: format!("bulk-import-{order}"),
            value: imported.per_second(),
            unit: "pusher/s",
            baseline: baseline.per_second(),
            beside: "bare axum route, same bodies",
        });
        if order == "sorted" {
            figures.extend(pages(address, bare.address).await?);
        }
        server.stop().await;
        if order == "random" {
            let value = import_by_command(place).await?;
            figures.push(Figure {
                bench: "bulk",
                case: "import-random".into(),
                value,
                unit: "pusher/s",
                baseline: imported.per_second(),
                beside: "bulk requests as they come",
            });
        }
    }
    Ok(figures)
}

/// How many recipients a second `pusher pushers import` imports from a file of them all.
async fn import_by_command(place: Place) -> io::Result<f64> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("pushers.jsonl");
    let mut lines = io::BufWriter::new(std::fs::File::create(&file)?);
    for n in 0..PUSHERS {
        lines.write_all(pusher(place(n)).as_bytes())?;
    }
    lines.into_inner()?.sync_all()?;
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let args = ["pushers", "import", &file.to_string_lossy(), "--api", &server.api, "--json"];
    let started = Instant::now();
    let ended = command(&args).output().await?;
    let done = Done { requests: PUSHERS, time: started.elapsed() };
    server.stop().await;
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    if said != format!("{{\"created\":{PUSHERS},\"changed\":0,\"unchanged\":0,\"failed\":0}}\n") {
        return Err(io::Error::other(format!("{said}{}", String::from_utf8_lossy(&ended.stderr))));
    }
    Ok(done.per_second())
}

/// Sends all requests; each answer must begin as it should.
async fn import(address: SocketAddr, requests: Arc<[Vec<u8>]>, begins: &'static str) -> io::Result<Done> {
    let started = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (requests, next) = (requests.clone(), next.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = connection.ask(request).await?;
                if !answer.starts_with(begins.as_bytes()) {
                    return Err(io::Error::other(format!("answered: {}", String::from_utf8_lossy(answer))));
                }
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(io::Error::other)??;
    }
    Ok(Done { requests: PUSHERS, time: started.elapsed() })
}

/// How long a page of the list takes: anywhere by offset, and followed by cursor.
async fn pages(address: SocketAddr, bare: SocketAddr) -> io::Result<[Figure; 2]> {
    let mut baseline = Vec::new();
    let mut connection = Connection::open(bare).await?;
    for n in 0..PAGES {
        baseline.push(connection.timed(&format!("/pusher/pushers/p{n}/")).await?.0);
    }
    let (mut by_offset, mut by_cursor) = (Vec::new(), Vec::new());
    let mut connection = Connection::open(address).await?;
    for n in 0..PAGES {
        let from = shuffled(n) / PAGE * PAGE;
        let (time, page) = connection.timed(&format!("/pusher/pushers/?from={from}&size={PAGE}")).await?;
        expect(&page, from)?;
        by_offset.push(time);
    }
    let mut after = String::new();
    for n in 0..PAGES {
        let (time, page) = connection.timed(&format!("/pusher/pushers/?after={after}&size={PAGE}")).await?;
        after = expect(&page, n * PAGE)?["next"].as_str().unwrap_or_default().to_owned();
        by_cursor.push(time);
    }
    let baseline = median(baseline);
    let figure = |how: &str, times: Vec<f64>| Figure {
        bench: "bulk",
        case: format!("list-page-p50-{how}"),
        value: median(times),
        unit: "ms",
        baseline,
        beside: "bare axum route",
    };
    Ok([figure("offset", by_offset), figure("cursor", by_cursor)])
}

/// The page as JSON, if it is the one behind the first `from` recipients.
fn expect(page: &[u8], from: u64) -> io::Result<Value> {
    let page: Value = serde_json::from_slice(page)?;
    let (total, first) = (&page["total"], &page["pushers"][0]["createdAt"]);
    if *total == PUSHERS && *first == created_at(PUSHERS - 1 - from) {
        return Ok(page);
    }
    Err(io::Error::other(format!("after {from} of {total} came one of {first}")))
}

/// One connection, one request at a time.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The body of the answer.
    async fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.stream.write_all(request).await?;
        let body = load::answer(&mut self.stream, &mut self.buffer).await?;
        Ok(&self.buffer[body..])
    }

    /// How many milliseconds a GET took, and what it gave.
    async fn timed(&mut self, target: &str) -> io::Result<(f64, Vec<u8>)> {
        let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let started = Instant::now();
        let body = self.ask(request.as_bytes()).await?.to_vec();
        Ok((started.elapsed().as_secs_f64() * 1000.0, body))
    }
}

/// All numbers below [`PUSHERS`] in no order: the factor has no divisor in common with it.
fn shuffled(n: u64) -> u64 {
    n * 387_420_489 % PUSHERS
}

fn created_at(n: u64) -> u64 {
    1_500_000_000 + n
}

/// Bulk request number `n`. `place` says which recipients its lines are.
fn request(n: u64, place: fn(u64) -> u64) -> Vec<u8> {
    let body: String = (n * LINES..(n + 1) * LINES).map(|line| pusher(place(line))).collect();
    format!(
        "POST /pusher/pushers/_bulk HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn pusher(n: u64) -> String {
    let senders = if n.is_multiple_of(2) { r#""sendmail""# } else { r#""sendmail","sendsms""# };
    format!(
        "{{\"id\":\"user-{n:08}\",\"email\":\"user{n}@example.com\",\"nickname\":\"User {n}\",\
         \"phoneNumber\":\"+49{n:010}\",\"senders\":[{senders}],\"tags\":[\"city-{}\",\"plan-{}\"],\"createdAt\":{}}}\n",
        n % 97,
        n % 5,
        created_at(n),
    )
}
