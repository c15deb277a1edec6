//! `pusher periodicd`: the Periodic server alone, as a process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{Answer, Client, ClientOptions, Endpoint, Handler, Identity, Job, JobKey, Work, Worker, WorkerOptions};
use pusher_tests::command::{command, finish};
use pusher_tests::metrics::Metrics;
use pusher_tests::process::Pusher;
use pusher_tests::queue::client;
use pusher_tests::rest::Rest;
use pusher_tests::soak::Random;
use pusher_tests::soak::periodic_kill::PeriodicKill;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::queue::{jobs, until_jobs};

fn job(name: &str) -> Job {
    let key = JobKey { func: Bytes::from_static(b"f"), name: Bytes::copy_from_slice(name.as_bytes()) };
    Job { key, workload: Bytes::from(format!("work of {name}")), sched_at: 0, count: 0, timeout: 0 }
}

/// Says which job it was given, and is done with it after a while.
struct Slow(mpsc::UnboundedSender<Job>);

#[async_trait]
impl Handler for Slow {
    async fn run(&self, job: Job, _: Work) -> Answer {
        self.0.send(job).unwrap();
        // Long enough for the server to be told to stop meanwhile, on a machine that is not slow beyond measure; if it
        // is, the test proves less and does not fail.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Answer::Done(Bytes::new())
    }
}

/// A worker of `f`, and what it is given.
fn worker(url: &str) -> (CancellationToken, tokio::task::JoinHandle<()>, mpsc::UnboundedReceiver<Job>) {
    let endpoint: Endpoint = url.parse().unwrap();
    let (given, jobs) = mpsc::unbounded_channel();
    let funcs = vec![Bytes::from_static(b"f")];
    let worker = Worker::new(Arc::new(endpoint), WorkerOptions::default(), funcs, Arc::new(Slow(given)));
    let stop = CancellationToken::new();
    (stop.clone(), tokio::spawn(worker.run(stop)), jobs)
}

#[tokio::test]
async fn a_job_is_there_after_a_restart_and_is_done_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("jobs");
    let dir = dir.to_string_lossy();
    let server = Pusher::periodicd(&["--work-dir", &dir]).await.unwrap();
    client(&server.periodic).submit(job("a")).await.unwrap();
    assert!(server.stop().await.success());

    let server = Pusher::periodicd(&["--work-dir", &dir]).await.unwrap();
    assert_eq!(jobs(&server, "f").await, 1);
    let (stop, working, mut given) = worker(&server.periodic);
    let found = given.recv().await.unwrap();
    assert_eq!((found.key, found.workload), (job("a").key, job("a").workload));
    // Told to stop, it lets the worker finish what it has.
    assert!(server.stop().await.success());
    stop.cancel();
    working.await.unwrap();

    let server = Pusher::periodicd(&["--work-dir", &dir]).await.unwrap();
    assert_eq!(jobs(&server, "f").await, 0, "what was done is recorded as done");
    let second = command(&["periodicd", "--listen", "tcp://127.0.0.1:0", "--work-dir", &dir]);
    let said = finish(second, b"").await.fails(1);
    assert!(said.contains("is already open") && said.contains("use another directory"), "{said}");
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn jobs_in_memory_end_with_the_process() {
    let server = Pusher::periodicd(&["--memory"]).await.unwrap();
    client(&server.periodic).submit(job("a")).await.unwrap();
    until_jobs(&server, "f", 1).await;
    let listen = server.periodic.clone();
    assert!(server.stop().await.success());
    let server = Pusher::periodicd(&["--memory", "--listen", &listen]).await.unwrap();
    assert_eq!(jobs(&server, "f").await, 0);
    server.kill().await;
}

#[tokio::test]
async fn it_listens_in_several_places_and_takes_no_larger_frames_than_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let urls = ["one", "two"].map(|name| format!("unix://{}", dir.path().join(name).display()));
    let [one, two] = &urls;
    let args = ["--memory", "--max-payload", "4KiB", "--listen", one, "--listen", two];
    let server = Pusher::periodicd(&args).await.unwrap();
    client(one).submit(job("a")).await.unwrap();
    client(two).submit(job("b")).await.unwrap();
    until_jobs(&server, "f", 2).await;
    let large = Job { workload: vec![0; 5000].into(), ..job("large") };
    assert!(client(one).submit(large).await.is_err());
    assert!(server.stop().await.success());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "socket files are left behind");
}

#[tokio::test]
async fn operators_are_told_how_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::periodicd(&["--data", &dir.path().to_string_lossy()]).await.unwrap();
    client(&server.periodic).submit(job("a")).await.unwrap();
    let ready = Rest::new(&server.admin).get("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
    let metrics = Metrics::of(&server.admin).await;
    assert_eq!(metrics.value("pusher_jobs_waiting", &[("func", "other")]), Some(1.0));
    assert_eq!(metrics.value("pusher_store_commit_operations_sum", &[]), Some(1.0));
    let documented = include_str!("../../docs/operate.md");
    for name in metrics.names() {
        assert!(documented.contains(&format!("`{name}`")), "docs/operate.md does not tell of {name}");
    }
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn an_auth_file_says_who_may_do_what_and_who_may_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("identities");
    let path = file.to_string_lossy();
    std::fs::write(&file, "client c tc f\nadmin a ta\n").unwrap();
    let wrong = command(&["periodicd", "--listen", "tcp://127.0.0.1:0", "--memory", "--auth-file", &path]);
    let refused = finish(wrong, b"").await.fails(1);
    assert!(refused.contains("--auth-file: ") && refused.contains("line 2: it has 3 words"), "{refused}");

    std::fs::write(&file, "client c tc f\nadmin a ta x\n").unwrap();
    let server = Pusher::periodicd(&["--memory", "--auth-file", &path]).await.unwrap();
    let endpoint: Endpoint = server.periodic.parse().unwrap();
    let known = |name: &'static str, token: &'static str| {
        let identity = Some(Identity::new(name, token));
        Client::new(Arc::new(endpoint.clone()), ClientOptions { identity, ..ClientOptions::default() })
    };
    assert!(client(&server.periodic).submit(job("a")).await.is_err());
    let of_f = known("c", "tc");
    of_f.submit(job("a")).await.unwrap();
    let other = JobKey { func: Bytes::from_static(b"g"), ..job("a").key };
    assert!(of_f.submit(Job { key: other, ..job("a") }).await.is_err());
    assert!(of_f.shutdown().await.is_err());
    known("a", "ta").shutdown().await.unwrap();
    assert!(server.ended().await.success());
}

/// The long form is `cargo xtask soak periodic-kill`.
#[tokio::test]
async fn nothing_accepted_is_lost_and_nothing_done_runs_again_however_often_it_is_killed() {
    let killed = PeriodicKill::with(10).killed(&mut Random::new(1)).await;
    println!("{killed:?}");
    assert!(killed.accepted >= 100 && killed.confirmed >= 100, "{killed:?}");
}
