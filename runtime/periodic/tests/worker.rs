//! The worker against a real server: what it runs, how it says so, and how it lives through broken connections and stops.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use common::{Breakable, PATIENCE, Running, job, name};
use periodic::{
    Answer, Connect, Endpoint, Handler, Job, JobStore, MemoryStore, ServerOptions, SystemClock, Work, Worker,
    WorkerOptions,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Counts runs, and does what the job's name says.
struct Script {
    runs: Mutex<HashMap<String, usize>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// A job called "wait…" waits for a permit.
    gate: Semaphore,
}

impl Script {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            runs: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        })
    }

    fn runs(&self, name: &str) -> usize {
        self.runs.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    async fn started(&self, name: &str) {
        eventually(|| async { self.runs(name) > 0 }).await;
    }
}

#[async_trait]
impl Handler for Script {
    async fn run(&self, job: Job, _work: Work) -> Answer {
        let name = name(&job);
        *self.runs.lock().unwrap().entry(name.clone()).or_default() += 1;
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        if name.starts_with("wait") {
            self.gate.acquire().await.unwrap().forget();
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        match name.as_str() {
            "panic" if job.count == 0 && self.runs("panic") == 1 => panic!("as the script says"),
            "fail" if self.runs("fail") == 1 => Answer::Fail,
            "later" if job.count < 2 => Answer::Later { delay_seconds: 0, step: 1 },
            "long answer" => Answer::Done(vec![0; 32 << 20].into()),
            _ => Answer::Done(Bytes::from_static(b"result")),
        }
    }
}

async fn eventually<F: Future<Output = bool>>(mut happened: impl FnMut() -> F) {
    let wait = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens");
}

async fn all_done(server: &Running, func: &str) {
    eventually(|| async { server.status(func).await.jobs == 0 }).await;
}

struct Working {
    retire: CancellationToken,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Working {
    fn start(connect: impl Connect + 'static, handler: &Arc<Script>, options: WorkerOptions) -> Self {
        let funcs = vec![Bytes::from_static(b"f"), Bytes::from_static(b"g")];
        let worker = Worker::new(Arc::new(connect), options, funcs, Arc::clone(handler) as Arc<dyn Handler>);
        let (retire, stop) = (CancellationToken::new(), CancellationToken::new());
        let running = tokio::spawn(worker.run_until_retired(retire.clone(), stop.clone()));
        Self { retire, stop, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.expect("the worker stops").unwrap();
    }
}

#[tokio::test]
async fn a_worker_runs_jobs_of_all_its_funcs_as_many_at_once_as_it_was_told() {
    let server = Running::start().await;
    let script = Script::new();
    let working = Working::start(server.endpoint.clone(), &script, WorkerOptions { grabs: 3, ..Default::default() });
    server.submit_all((0..10).map(|index| job("f", &format!("wait {index}"))).collect()).await;
    server.submit(job("g", "a")).await;
    eventually(|| async { script.at_once.load(Ordering::SeqCst) == 3 }).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    script.gate.add_permits(10);
    all_done(&server, "f").await;
    all_done(&server, "g").await;
    assert_eq!(script.most_at_once.load(Ordering::SeqCst), 3);
    assert!(script.runs.lock().unwrap().values().all(|runs| *runs == 1));
    working.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_worker_says_how_each_job_ended() {
    let server = Running::start().await;
    let script = Script::new();
    let connector = server.server.handle().connector();
    let working = Working::start(connector, &script, WorkerOptions::default());
    let names = ["done", "fail", "later", "panic", "long answer"];
    server.submit_all(names.iter().map(|name| job("f", name)).collect()).await;
    all_done(&server, "f").await;
    let runs: Vec<_> = names.iter().map(|name| script.runs(name)).collect();
    assert_eq!(runs, [1, 2, 3, 2, 1]);
    working.stop().await;
}

#[tokio::test]
async fn a_worker_outlives_its_server() {
    let store = MemoryStore::new();
    let endpoint: Endpoint = "tcp://127.0.0.1:0".parse().unwrap();
    let shared = || Arc::new(store.clone()) as Arc<dyn JobStore>;
    let server = Running::at(&endpoint, shared(), Arc::new(SystemClock), ServerOptions::default()).await;
    let endpoint = server.endpoint.clone();
    let script = Script::new();
    let working = Working::start(endpoint.clone(), &script, WorkerOptions::default());
    server.submit(job("f", "wait")).await;
    script.started("wait").await;
    server.stop().await;

    let server = Running::at(&endpoint, shared(), Arc::new(SystemClock), ServerOptions::default()).await;
    server.submit(job("f", "b")).await;
    script.started("b").await;
    eventually(|| async { server.status("f").await.running == 1 }).await;
    script.gate.add_permits(1);
    all_done(&server, "f").await;
    assert_eq!(script.runs("wait"), 1, "the handler that still had it answered for it");
    working.stop().await;
}

#[tokio::test]
async fn what_a_handler_answered_while_the_connection_was_down_is_said_afterwards() {
    let server = Running::start().await;
    let script = Script::new();
    let line = Breakable::new(&server.endpoint);
    let working = Working::start(line.clone(), &script, WorkerOptions::default());
    server.submit(job("f", "wait")).await;
    script.started("wait").await;
    let closed = line.closed.lock().await;
    line.break_now();
    eventually(|| async { server.status("f").await.running == 0 }).await;
    script.gate.add_permits(1);
    eventually(|| async { script.at_once.load(Ordering::SeqCst) == 0 }).await;
    assert_eq!(server.status("f").await.jobs, 1);
    drop(closed);
    all_done(&server, "f").await;
    assert_eq!(script.runs("wait"), 1);
    working.stop().await;
}

#[tokio::test]
async fn no_job_is_lost_and_few_run_twice_over_a_line_that_breaks_again_and_again() {
    let server = Running::start().await;
    let script = Script::new();
    let line = Breakable::new(&server.endpoint);
    let working = Working::start(line.clone(), &script, WorkerOptions { grabs: 8, ..Default::default() });
    let jobs = 2000;
    for chunk in 0..20 {
        let names = (chunk * 100..(chunk + 1) * 100).map(|index| job("f", &index.to_string()));
        server.submit_all(names.collect()).await;
        line.break_now();
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    all_done(&server, "f").await;
    let runs = script.runs.lock().unwrap().clone();
    assert_eq!(runs.len(), jobs, "every job ran");
    let again = runs.values().filter(|runs| **runs > 1).count();
    assert!(again <= 20 * 8, "{again} jobs ran again");
    working.stop().await;
}

#[tokio::test]
async fn a_worker_that_stops_ends_what_it_has_and_takes_nothing_more() {
    let server = Running::start().await;
    let script = Script::new();
    let working = Working::start(server.endpoint.clone(), &script, WorkerOptions::default());
    server.submit_all(vec![job("f", "wait 1"), job("f", "wait 2")]).await;
    script.started("wait 1").await;
    script.started("wait 2").await;
    working.stop.cancel();
    eventually(|| async { server.status("f").await.workers == 0 }).await;
    server.submit(job("f", "too late")).await;
    script.gate.add_permits(2);
    working.stop().await;
    let status = server.status("f").await;
    assert_eq!((status.jobs, status.running), (1, 0), "both were confirmed before the worker returned");
    assert_eq!(script.runs("too late"), 0);
}

#[tokio::test]
async fn a_worker_waits_for_its_jobs_only_so_long() {
    let server = Running::start().await;
    let script = Script::new();
    let options = WorkerOptions { drain: Duration::from_millis(200), ..Default::default() };
    let working = Working::start(server.endpoint.clone(), &script, options);
    server.submit(job("f", "wait for ever")).await;
    script.started("wait for ever").await;
    let stopped = Instant::now();
    working.stop().await;
    assert!(stopped.elapsed() >= Duration::from_millis(200));
    eventually(|| async { server.status("f").await.running == 0 }).await;
    assert_eq!(server.status("f").await.jobs, 1, "the server has it for another");
}

#[tokio::test]
async fn a_worker_that_is_retired_takes_nothing_more_and_waits_for_its_jobs_until_it_is_stopped() {
    let server = Running::start().await;
    let script = Script::new();
    let options = WorkerOptions { drain: Duration::from_millis(50), ..Default::default() };
    let first = Working::start(server.endpoint.clone(), &script, options.clone());
    let second = Script::new();
    server.submit_all(vec![job("f", "wait 1"), job("f", "wait 2")]).await;
    script.started("wait 1").await;
    script.started("wait 2").await;
    let next = Working::start(server.endpoint.clone(), &second, options);
    first.retire.cancel();
    eventually(|| async { server.status("f").await.workers == 1 }).await;
    server.submit(job("f", "new")).await;
    second.started("new").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!first.running.is_finished(), "the drain is for a stop");
    script.gate.add_permits(1);
    eventually(|| async { server.status("f").await.jobs == 1 }).await;
    assert_eq!(script.runs("new"), 0);
    // The other one never ends.
    first.stop().await;
    second.gate.add_permits(1);
    all_done(&server, "f").await;
    next.stop().await;
    let runs = |name| (script.runs(name), second.runs(name));
    let ran = [runs("wait 1"), runs("wait 2"), runs("new")];
    assert!(matches!(ran, [(1, 0), (1, 1), (0, 1)] | [(1, 1), (1, 0), (0, 1)]), "{ran:?}");
}

#[tokio::test]
async fn a_worker_without_a_server_stops_at_once() {
    let working = Working::start(Endpoint::Unix("/nowhere/at/all".into()), &Script::new(), WorkerOptions::default());
    tokio::time::sleep(Duration::from_millis(50)).await;
    working.stop().await;
}
