//! Many jobs whose results are waited for, or no longer: they are in nobody's way, and the connection stays alive.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{PATIENCE, Peer, Running, job, key};
use periodic::transport::Stream;
use periodic::wire::Command;
use periodic::{Client, ClientError, ClientOptions, Connect, Endpoint, Job, RunError};
use tokio::task::JoinHandle;

/// Counts connections.
struct Counted {
    to: Endpoint,
    opened: AtomicUsize,
    open: Arc<AtomicUsize>,
}

impl Counted {
    fn new(to: &Endpoint) -> Arc<Self> {
        Arc::new(Self { to: to.clone(), opened: AtomicUsize::new(0), open: Arc::default() })
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Connect for Counted {
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let mut far = self.to.connect().await?;
        let (near, mut middle) = tokio::io::duplex(64 << 10);
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Arc::clone(&self.open);
        tokio::spawn(async move {
            let _broken = tokio::io::copy_bidirectional(&mut middle, &mut far).await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(Box::new(near))
    }

    fn peer(&self) -> String {
        "a line that is counted".to_owned()
    }
}

fn client(connect: &Arc<Counted>) -> Client {
    // Longer than the test waits for anything else.
    let options =
        ClientOptions { timeout: PATIENCE * 2, ping_interval: Duration::from_millis(200), ..ClientOptions::default() };
    Client::new(Arc::clone(connect) as Arc<dyn Connect>, options)
}

async fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

type Result = std::result::Result<Bytes, RunError>;

fn run(client: &Client, name: &str) -> JoinHandle<Result> {
    let (client, job) = (client.clone(), Job { timeout: 600, ..job("f", name) });
    tokio::spawn(async move { client.run_job(job).await })
}

async fn result(running: JoinHandle<Result>) -> Result {
    tokio::time::timeout(PATIENCE, running).await.expect("an answer in time").unwrap()
}

async fn has_jobs(server: &Running, jobs: u64) {
    eventually("the jobs come", async || server.status("f").await.jobs >= jobs).await;
}

/// Asks for results and stops waiting for them when the server has the jobs.
async fn abandon(server: &Running, client: &Client, name: &str, count: u64) {
    let before = server.status("f").await.jobs;
    let running: Vec<_> = (0..count).map(|index| run(client, &format!("{name} {index}"))).collect();
    has_jobs(server, before + count).await;
    for task in running {
        task.abort();
        let _aborted = task.await;
    }
}

/// Does every job there is, with its name as the result.
async fn do_all(server: &Running, worker: &mut Peer) {
    while server.status("f").await.jobs > 0 {
        let job = worker.take().await;
        worker.ok(Command::WorkDone { result: job.key.name.clone(), key: job.key }).await;
    }
}

#[tokio::test]
async fn more_jobs_than_the_window_has_room_for_do_not_make_the_connection_look_dead() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let counted = Counted::new(&server.endpoint);
    let client = client(&counted);
    let names: HashSet<_> = (0..1100).map(|index| index.to_string()).collect();
    let running: Vec<_> = names.iter().map(|name| run(&client, name)).collect();
    has_jobs(&server, 700).await;
    // So long without an answer, and it is given up twice.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let short = async { (client.ping().await, client.submit(job("g", "a")).await) };
    let short = tokio::time::timeout(PATIENCE, short).await;
    assert_eq!(short, Ok((Ok(()), Ok(()))), "short requests have room");
    do_all(&server, &mut worker).await;
    let mut seen = HashSet::new();
    for task in running {
        seen.insert(String::from_utf8(result(task).await.unwrap().to_vec()).unwrap());
    }
    assert_eq!(seen, names);
    assert_eq!(counted.opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn jobs_of_many_bytes_leave_room_for_short_requests() {
    let server = Running::start().await;
    let _worker = server.worker(&["f"]).await;
    let client = client(&Counted::new(&server.endpoint));
    for index in 0..10 {
        let (client, job) = (client.clone(), Job { workload: vec![0; 1 << 20].into(), ..job("f", &index.to_string()) });
        tokio::spawn(async move { client.run_job(job).await });
    }
    has_jobs(&server, 10).await;
    assert_eq!(tokio::time::timeout(PATIENCE, client.submit(job("g", "a"))).await, Ok(Ok(())));
}

#[tokio::test]
async fn results_that_nobody_waits_for_any_more_keep_nobody_from_theirs() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let counted = Counted::new(&server.endpoint);
    let client = client(&counted);
    let mut chunks = client.recv_data(key("f", "new"), 600).await.unwrap();
    let kept = run(&client, "kept");
    has_jobs(&server, 1).await;
    for round in 0..6 {
        abandon(&server, &client, &round.to_string(), 400).await;
    }
    client.submit(job("g", "a")).await.unwrap();
    let new = run(&client, "new");
    has_jobs(&server, 6 * 400 + 2).await;
    // What is no longer of use is closed; the first one is.
    eventually("two are open", async || counted.open() == 2).await;

    let first = worker.take().await;
    assert_eq!(first.key, key("f", "kept"));
    worker.ok(Command::WorkDone { key: first.key, result: Bytes::from_static(b"kept") }).await;
    assert_eq!(result(kept).await.unwrap(), "kept");
    for _ in 0..6 * 400 {
        let abandoned = worker.take().await;
        worker.done(&abandoned).await;
    }
    assert_eq!(counted.open(), 2, "somebody listens on the first");
    let last = worker.take().await;
    assert_eq!(last.key, key("f", "new"));
    worker.ok(Command::WorkData { key: last.key.clone(), chunk: Bytes::from_static(b"chunk") }).await;
    assert_eq!(chunks.next().await, Some(Ok(Bytes::from_static(b"chunk"))));
    worker.ok(Command::WorkDone { key: last.key, result: Bytes::from_static(b"new") }).await;
    assert_eq!(chunks.next().await, None);
    assert_eq!(result(new).await.unwrap(), "new");
    eventually("one is open", async || counted.open() == 1).await;
}

#[tokio::test]
async fn a_client_that_is_closed_waits_for_what_is_awaited_on_all_its_connections_and_for_nothing_else() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let counted = Counted::new(&server.endpoint);
    let client = client(&counted);
    let kept = run(&client, "kept");
    let mut chunks = client.recv_data(key("f", "another"), 600).await.unwrap();
    has_jobs(&server, 1).await;
    for round in 0..3 {
        abandon(&server, &client, &round.to_string(), 400).await;
    }
    eventually("two are open", async || counted.open() == 2).await;
    let closing = tokio::spawn(async move { client.close().await });
    tokio::time::sleep(common::A_WHILE).await;
    assert!(!closing.is_finished(), "a result is awaited");
    let first = worker.take().await;
    worker.ok(Command::WorkDone { key: first.key, result: Bytes::from_static(b"kept") }).await;
    tokio::time::timeout(PATIENCE, closing).await.expect("it closes").unwrap();
    assert_eq!(result(kept).await.unwrap(), "kept");
    assert_eq!(chunks.next().await, Some(Err(ClientError::Closed)));
    eventually("none is open", async || counted.open() == 0).await;
}
