//! A worker whose rights the server takes away for a while: it comes back to work by itself, and what it has done is
//! done.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::scripted::Scripted;
use common::{A_WHILE, PATIENCE, Running, job, key};
use periodic::wire::{Command, Packet};
use periodic::{
    Answer, AuthFile, Client, ClientError, ClientOptions, Connect, Handler, Identity, Job, Listener, ServerOptions,
    Work, Worker, WorkerOptions,
};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// A handler whose jobs end when a permit is there.
struct Gated {
    gate: Semaphore,
    runs: AtomicUsize,
}

#[async_trait]
impl Handler for Gated {
    async fn run(&self, _job: Job, _work: Work) -> Answer {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        Answer::Done(Bytes::new())
    }
}

impl Gated {
    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

/// Starts a worker of `press`, with room for one job, that ends with the runtime.
fn work(connect: impl Connect + 'static, funcs: &[&'static str]) -> Arc<Gated> {
    let options = WorkerOptions {
        identity: Some(press()),
        ping_interval: Duration::from_millis(100),
        grabs: 1,
        ..WorkerOptions::default()
    };
    let gated = Arc::new(Gated { gate: Semaphore::new(0), runs: AtomicUsize::new(0) });
    let funcs = funcs.iter().map(|func| Bytes::from_static(func.as_bytes())).collect();
    let worker = Worker::new(Arc::new(connect), options, funcs, Arc::clone(&gated) as Arc<dyn Handler>);
    tokio::spawn(worker.run(CancellationToken::new()));
    gated
}

fn press() -> Identity {
    Identity::new("press", "hush")
}

async fn eventually(mut happened: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens");
}

/// A server that looks into a file for who may do what.
struct Strict {
    server: Running,
    file: PathBuf,
    _dir: TempDir,
}

impl Strict {
    async fn start(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("auth");
        std::fs::write(&file, lines).unwrap();
        let auth = Some(AuthFile::read(Path::new(&file)).unwrap());
        let server = Running::with_options(ServerOptions { auth, ..ServerOptions::default() }).await;
        Self { server, file, _dir: dir }
    }

    fn says(&self, lines: &str) {
        std::fs::write(&self.file, lines).unwrap();
    }

    async fn workers(&self, func: &str) -> u64 {
        let all = self.server.handle().status().await;
        all.iter().find(|status| status.func == func.as_bytes()).map_or(0, |status| status.workers)
    }

    /// May `press` do anything?
    async fn knows_press(&self) -> bool {
        let options = ClientOptions { identity: Some(press()), as_worker: true, ..ClientOptions::default() };
        let client = Client::new(Arc::new(self.server.endpoint.clone()), options);
        client.ping().await != Err(ClientError::Refused)
    }
}

#[tokio::test]
async fn a_worker_whose_rights_come_back_has_its_answers_heard_and_takes_jobs_again() {
    let strict = Strict::start("worker press hush f\n").await;
    let server = &strict.server;
    let gated = work(server.endpoint.clone(), &["f"]);
    server.submit(job("f", "done meanwhile")).await;
    eventually(async || gated.runs() == 1).await;
    strict.says("worker another x f\n");
    eventually(async || !strict.knows_press().await).await;
    gated.gate.add_permits(1);
    tokio::time::sleep(A_WHILE).await;
    let status = server.status("f").await;
    assert_eq!((status.jobs, status.running, status.workers), (1, 1, 0), "its answer was refused");

    strict.says("worker press hush f\n");
    eventually(async || server.status("f").await.jobs == 0).await;
    server.submit(job("f", "after")).await;
    eventually(async || gated.runs() == 2).await;
    gated.gate.add_permits(1);
    eventually(async || server.status("f").await.jobs == 0).await;
    assert_eq!(gated.runs(), 2, "what was done was not run again");
}

#[tokio::test]
async fn a_worker_that_loses_one_func_for_a_while_without_a_word_has_it_back() {
    let strict = Strict::start("worker press hush f,g\n").await;
    let server = &strict.server;
    let gated = work(server.endpoint.clone(), &["f", "g"]);
    gated.gate.add_permits(100);
    eventually(async || strict.workers("f").await == 1).await;
    strict.says("worker press hush g\n");
    eventually(async || strict.workers("f").await == 0).await;
    strict.says("worker press hush f,g\n");
    eventually(async || strict.workers("f").await == 1).await;
    server.submit(job("f", "a")).await;
    eventually(async || server.status("f").await.jobs == 0).await;
}

#[tokio::test]
async fn an_answer_that_is_refused_is_said_again_until_it_is_taken() {
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).await.unwrap();
    let gated = work(listener.endpoint().clone(), &["f"]);
    gated.gate.add_permits(1);
    let mut server = Scripted::accept(&listener).await;
    // CAN_DO is the worker's first request, and the GRAB follows.
    let grab = 2_u32.to_be_bytes();
    server.send(grab, Command::JobAssign(job("f", "a"))).await;
    assert_eq!(server.next().await, Packet { msgid: grab, command: Command::JobAssigned });
    let done = Command::WorkDone { key: key("f", "a"), result: Bytes::new() };
    for _ in 0..3 {
        let said = server.next().await;
        assert_eq!(said.command, done);
        server.send(said.msgid, Command::NoWorker).await;
    }
    let said = server.next().await;
    assert_eq!(said.command, done);
    server.send(said.msgid, Command::Success).await;
    let early = tokio::time::timeout(A_WHILE * 3, server.next()).await;
    assert!(early.is_err(), "it was confirmed, and is not said again: {early:?}");
}
