//! What a handler can do about its job while it runs: data, locks; and how a worker registers.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::scripted::Scripted;
use common::{A_WHILE, Breakable, PATIENCE, Running, job, key, name};
use periodic::wire::{Command, MsgId, Packet};
use periodic::{
    Answer, AuthFile, Client, ClientOptions, Connect, Handler, Identity, Job, Listener, ServerOptions, Work, WorkError,
    Worker, WorkerOptions,
};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

/// A handler made of a function.
struct Does<F>(F);

#[async_trait]
impl<F, A> Handler for Does<F>
where
    F: Fn(Job, Work) -> A + Send + Sync,
    A: Future<Output = Answer> + Send,
{
    async fn run(&self, job: Job, work: Work) -> Answer {
        (self.0)(job, work).await
    }
}

/// Starts a worker, that ends with the runtime.
fn work<F, A>(connect: impl Connect + 'static, options: WorkerOptions, funcs: &[&'static str], does: F)
where
    F: Fn(Job, Work) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let funcs = funcs.iter().map(|func| Bytes::from_static(func.as_bytes())).collect();
    let worker = Worker::new(Arc::new(connect), options, funcs, Arc::new(Does(does)));
    tokio::spawn(worker.run(CancellationToken::new()));
}

fn client(server: &Running) -> Client {
    Client::new(Arc::new(server.endpoint.clone()), ClientOptions::default())
}

fn done(result: &'static str) -> Answer {
    Answer::Done(Bytes::from_static(result.as_bytes()))
}

async fn eventually(mut happened: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !happened().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens");
}

async fn next<T>(ran: &mut UnboundedReceiver<T>) -> T {
    tokio::time::timeout(PATIENCE, ran.recv()).await.expect("a job runs in time").expect("the worker is there")
}

async fn worked(server: &Running, func: &'static str) {
    eventually(async || server.server.handle().status().await.iter().any(|s| s.func == func && s.workers > 0)).await;
}

#[tokio::test]
async fn what_a_handler_sends_reaches_those_who_listen() {
    let server = Running::start().await;
    work(server.endpoint.clone(), WorkerOptions::default(), &["f"], async |_, work: Work| {
        for chunk in ["one", "two"] {
            work.send_data(chunk).await.unwrap();
        }
        let long = work.send_data(vec![0; 17 << 20]).await;
        assert!(matches!(long, Err(WorkError::Invalid(_))), "{long:?}");
        done("three")
    });
    worked(&server, "f").await;
    let client = client(&server);
    let mut chunks = client.recv_data(key("f", "a"), 0).await.unwrap();
    assert_eq!(client.run_job(job("f", "a")).await.unwrap(), "three");
    assert_eq!(chunks.next().await, Some(Ok(Bytes::from_static(b"one"))));
    assert_eq!(chunks.next().await, Some(Ok(Bytes::from_static(b"two"))));
    assert_eq!(chunks.next().await, None);
}

#[tokio::test]
async fn jobs_that_share_a_lock_run_as_many_at_once_as_it_has_places_for() {
    let server = Running::start().await;
    let (now, most, ended) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&ended));
    work(server.endpoint.clone(), WorkerOptions::default(), &["f", "g"], move |_, work: Work| {
        let (now, most, ended) = seen.clone();
        async move {
            if let Err(answer) = work.acquire("press", 2).await {
                assert_eq!(answer, Answer::Locked);
                return answer;
            }
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            ended.fetch_add(1, Ordering::SeqCst);
            if work.acquire("press", 2).await.is_err() {
                unreachable!("it has the lock");
            }
            done("")
        }
    });
    server.submit_all((0..20).map(|index| job(["f", "g"][index % 2], &index.to_string())).collect()).await;
    eventually(async || server.status("f").await.jobs + server.status("g").await.jobs == 0).await;
    assert_eq!((most.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (2, 20));
}

#[tokio::test]
async fn a_lock_that_is_released_is_free_before_its_job_ends() {
    let server = Running::start().await;
    let gate = Arc::new(Semaphore::new(0));
    let wait = Arc::clone(&gate);
    work(server.endpoint.clone(), WorkerOptions::default(), &["f"], move |job: Job, work: Work| {
        let wait = Arc::clone(&wait);
        async move {
            if let Err(answer) = work.acquire("press", 1).await {
                return answer;
            }
            if name(&job) == "first" {
                work.release("press").await;
                wait.acquire().await.unwrap().forget();
            }
            done("")
        }
    });
    server.submit(job("f", "first")).await;
    eventually(async || server.status("f").await.running == 1).await;
    server.submit(job("f", "second")).await;
    eventually(async || server.status("f").await.jobs == 1).await;
    gate.add_permits(1);
    eventually(async || server.status("f").await.jobs == 0).await;
}

/// One job has the lock until it is told to end; the other does as it likes when it does not get it.
async fn stubborn<F, A>(stubborn: F)
where
    F: Fn(Work) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let server = Running::start().await;
    let (gate, stubborn) = (Arc::new(Semaphore::new(0)), Arc::new(stubborn));
    let (runs, mut ran) = mpsc::unbounded_channel();
    let wait = Arc::clone(&gate);
    work(server.endpoint.clone(), WorkerOptions::default(), &["f"], move |job: Job, work: Work| {
        let (wait, stubborn, runs) = (Arc::clone(&wait), Arc::clone(&stubborn), runs.clone());
        async move {
            runs.send(name(&job)).unwrap();
            if name(&job) == "stubborn" {
                return stubborn(work).await;
            }
            work.acquire("press", 1).await.unwrap();
            runs.send("locked".to_owned()).unwrap();
            wait.acquire().await.unwrap().forget();
            done("")
        }
    });
    server.submit(job("f", "first")).await;
    assert_eq!((next(&mut ran).await, next(&mut ran).await), ("first".to_owned(), "locked".to_owned()));
    server.submit(job("f", "stubborn")).await;
    assert_eq!(next(&mut ran).await, "stubborn");
    eventually(async || server.status("f").await.locked == 1).await;
    // Whatever it answered has been told by then, or never is.
    tokio::time::sleep(A_WHILE).await;
    let status = server.status("f").await;
    assert_eq!((status.jobs, status.locked), (2, 1), "the job waits for its lock, whatever its handler said");
    gate.add_permits(1);
    assert_eq!(next(&mut ran).await, "stubborn", "it runs again when the lock is free");
    eventually(async || server.status("f").await.jobs == 0).await;
}

#[tokio::test]
async fn a_handler_that_answers_although_its_job_is_locked_is_not_heard() {
    stubborn(async |work: Work| {
        let _refused = work.acquire("press", 1).await;
        done("")
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_panics_because_its_job_is_locked_is_not_heard() {
    stubborn(async |work: Work| {
        work.acquire("press", 1).await.expect("as the script says");
        done("")
    })
    .await;
}

/// Gives the worker a job through its first GRAB, and returns the number under which it asks for a lock.
async fn assign(server: &mut Scripted, grab: MsgId, job: Job) -> MsgId {
    server.send(grab, Command::JobAssign(job)).await;
    assert_eq!(server.next().await, Packet { msgid: grab, command: Command::JobAssigned });
    let Packet { msgid, command: Command::Acquire { .. } } = server.next().await else { panic!("an ACQUIRE") };
    msgid
}

#[tokio::test]
async fn an_answer_waits_until_it_is_known_whether_its_job_is_locked() {
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).await.unwrap();
    let options = WorkerOptions { grabs: 2, ..WorkerOptions::default() };
    work(listener.endpoint().clone(), options, &["f"], async |_, work: Work| {
        // Asked, and never looked at again.
        drop(tokio::time::timeout(Duration::from_millis(20), work.acquire("press", 1)).await);
        done("said")
    });
    let mut server = Scripted::accept(&listener).await;
    // CAN_DO is the worker's first request, and the GRABs follow.
    let (one, two) = (2_u32.to_be_bytes(), 3_u32.to_be_bytes());
    let first = assign(&mut server, one, job("f", "locked")).await;
    let second = assign(&mut server, two, job("f", "free")).await;
    let early = tokio::time::timeout(A_WHILE, server.next()).await;
    assert!(early.is_err(), "nothing may be said yet, not {early:?}");
    server.send(first, Command::Acquired(false)).await;
    server.send(second, Command::Acquired(true)).await;
    let said = server.next().await.command;
    assert_eq!(said, Command::WorkDone { key: key("f", "free"), result: Bytes::from_static(b"said") });
}

#[tokio::test]
async fn a_handler_that_says_locked_without_reason_has_failed() {
    let server = Running::start().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    work(server.endpoint.clone(), WorkerOptions::default(), &["f"], move |_, work: Work| {
        let run = count.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(work.acquire("x".repeat(256), 1).await, Err(Answer::Fail));
            if run == 0 { Answer::Locked } else { done("") }
        }
    });
    server.submit(job("f", "a")).await;
    eventually(async || server.status("f").await.jobs == 0).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_handler_is_told_when_its_locks_are_gone_and_its_job_runs_again() {
    let server = Running::start().await;
    let line = Breakable::new(&server.endpoint);
    let (runs, mut ran) = mpsc::unbounded_channel();
    work(line.clone(), WorkerOptions::default(), &["f"], move |_, work: Work| {
        let runs = runs.clone();
        async move {
            if let Err(answer) = work.acquire("press", 1).await {
                return answer;
            }
            runs.send(()).unwrap();
            if runs.is_closed() {
                return done("");
            }
            work.lost().await;
            assert_eq!(work.send_data("x").await, Err(WorkError::Lost));
            let answer = work.acquire("press", 1).await.expect_err("the job is the server's again");
            assert_eq!(answer, Answer::Locked);
            done("which nobody hears")
        }
    });
    server.submit(job("f", "a")).await;
    next(&mut ran).await;
    line.break_now();
    // The second run.
    next(&mut ran).await;
    assert_eq!(server.status("f").await.jobs, 1, "the first one's answer was not told");
}

#[tokio::test]
async fn every_worker_that_broadcasts_gets_every_job() {
    let server = Running::start().await;
    let (runs, mut ran) = mpsc::unbounded_channel();
    for worker in 0..3 {
        let runs = runs.clone();
        let options = WorkerOptions { broadcast: vec![Bytes::from_static(b"all")], ..WorkerOptions::default() };
        work(server.endpoint.clone(), options, &[], move |job: Job, _| {
            runs.send((worker, name(&job))).unwrap();
            async { done("") }
        });
    }
    eventually(async || server.server.handle().status().await.iter().any(|s| s.workers == 3)).await;
    // They have told their funcs; their GRABs come right after.
    tokio::time::sleep(A_WHILE).await;
    server.submit(job("all", "reload")).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(next(&mut ran).await);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2].map(|worker| (worker, "reload".to_owned())));
    eventually(async || server.status("all").await.jobs == 0).await;
}

#[tokio::test]
async fn a_worker_that_is_refused_asks_again_until_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth");
    std::fs::write(&file, "client shop secret f\n").unwrap();
    let auth = Some(AuthFile::read(&file).unwrap());
    let server = Running::with_options(ServerOptions { auth, ..ServerOptions::default() }).await;
    let options = WorkerOptions {
        identity: Some(Identity::new("press", "hush")),
        ping_interval: Duration::from_millis(100),
        ..WorkerOptions::default()
    };
    work(server.endpoint.clone(), options, &["f"], async |_, _| done(""));
    server.submit(job("f", "a")).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((server.status("f").await.workers, server.status("f").await.jobs), (0, 1));
    std::fs::write(&file, "client shop secret f\nworker press hush f\n").unwrap();
    eventually(async || server.status("f").await.jobs == 0).await;
}
