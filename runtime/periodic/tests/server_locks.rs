//! Locks (PROTOCOL §10).
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use bytes::Bytes;
use common::{Peer, Running, job, name};
use periodic::Job;
use periodic::server::{ServerOptions, Settings};
use periodic::wire::Command;

fn acquire(lock: &str, capacity: i16, job: &Job) -> Command {
    Command::Acquire { lock: Bytes::copy_from_slice(lock.as_bytes()), capacity, key: job.key.clone() }
}

async fn acquires(worker: &mut Peer, lock: &str, capacity: i16, job: &Job) -> bool {
    match worker.ask(acquire(lock, capacity, job)).await {
        Command::Acquired(acquired) => acquired,
        other => panic!("an answer to ACQUIRE, not {other:?}"),
    }
}

/// A worker with these jobs of `f`, in this order.
async fn with_jobs<const N: usize>(server: &Running, names: [&str; N]) -> (Peer, [Job; N]) {
    let mut worker = server.worker(&["f"]).await;
    let mut jobs = Vec::new();
    for name in names {
        server.submit(job("f", name)).await;
        jobs.push(worker.take().await);
    }
    (worker, jobs.try_into().unwrap())
}

/// Running and locked jobs of `f`.
async fn counts(server: &Running) -> (u64, u64) {
    let status = server.status("f").await;
    (status.running, status.locked)
}

#[tokio::test]
async fn however_the_holders_run_ends_the_next_job_runs() {
    for how in ["release", "done", "fail", "later", "remove", "resubmit is dropped"] {
        let server = Running::start().await;
        let (mut worker, [a, b]) = with_jobs(&server, ["a", "b"]).await;
        assert!(acquires(&mut worker, "lock", 1, &a).await);
        assert!(!acquires(&mut worker, "lock", 1, &b).await);
        assert_eq!(counts(&server).await, (1, 1), "{how}");
        worker.grab().await;
        worker.gets_nothing().await;
        match how {
            "release" => worker.ok(Command::Release { lock: Bytes::from_static(b"lock"), key: a.key.clone() }).await,
            "fail" => worker.ok(Command::WorkFail(a.key.clone())).await,
            "later" => worker.ok(Command::SchedLater { key: a.key.clone(), delay: 100, step: 0 }).await,
            "remove" => worker.ok(Command::RemoveJob(a.key.clone())).await,
            _ => {
                worker.submit(job("f", "a")).await;
                worker.done(&a).await;
            }
        }
        let again = worker.accept().await;
        assert_eq!(name(&again), "b", "{how}");
        assert!(acquires(&mut worker, "lock", 1, &again).await, "{how}");
        worker.done(&again).await;
        assert_eq!(counts(&server).await.1, 0, "{how}");
    }
}

#[tokio::test]
async fn a_worker_that_is_gone_holds_nothing() {
    let server = Running::start().await;
    let (mut gone, [a]) = with_jobs(&server, ["a"]).await;
    assert!(acquires(&mut gone, "lock", 1, &a).await);
    let (mut worker, [b]) = with_jobs(&server, ["b"]).await;
    assert!(!acquires(&mut worker, "lock", 1, &b).await);
    drop(gone);
    let mut names = vec![name(&worker.take().await), name(&worker.take().await)];
    names.sort();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn places_are_given_in_the_order_of_asking() {
    let server = Running::start().await;
    let (mut worker, [a, b, c, d]) = with_jobs(&server, ["a", "b", "c", "d"]).await;
    assert!(acquires(&mut worker, "lock", 2, &a).await);
    assert!(acquires(&mut worker, "lock", 2, &b).await);
    assert!(acquires(&mut worker, "lock", 2, &a).await, "it has its place");
    assert!(!acquires(&mut worker, "lock", 2, &d).await);
    assert!(!acquires(&mut worker, "lock", 2, &c).await);
    worker.done(&a).await;
    assert_eq!(name(&worker.take().await), "d");
    worker.done(&b).await;
    assert_eq!(name(&worker.take().await), "c");
}

#[tokio::test]
async fn a_job_that_waits_is_removed_replaced_and_dropped_like_others() {
    let server = Running::start().await;
    let (mut worker, [a, b, c]) = with_jobs(&server, ["a", "b", "c"]).await;
    assert!(acquires(&mut worker, "lock", 1, &a).await);
    assert!(!acquires(&mut worker, "lock", 1, &b).await);
    assert!(!acquires(&mut worker, "lock", 1, &c).await);
    // A replaced one does not wait for the lock any more.
    worker.submit(Job { workload: Bytes::from_static(b"new"), ..job("f", "b") }).await;
    let b = worker.take().await;
    assert_eq!(b.workload, "new");
    worker.ok(Command::RemoveJob(c.key.clone())).await;
    assert_eq!(counts(&server).await, (2, 0));
    worker.done(&a).await;
    // Nobody is left in the queue, so the place is free.
    assert!(acquires(&mut worker, "lock", 1, &b).await);
}

#[tokio::test]
async fn only_a_job_that_this_connection_has_takes_a_lock() {
    let server = Running::start().await;
    let (mut worker, [a]) = with_jobs(&server, ["a"]).await;
    let (mut other, [b]) = with_jobs(&server, ["b"]).await;
    assert!(!acquires(&mut other, "lock", 1, &a).await);
    assert!(!acquires(&mut other, "lock", 1, &job("f", "nobody's")).await);
    assert!(acquires(&mut worker, "lock", 1, &a).await);
    // Nor does it give another's back.
    other.ok(Command::Release { lock: Bytes::from_static(b"lock"), key: a.key.clone() }).await;
    assert!(!acquires(&mut other, "lock", 1, &b).await);
    assert!(!acquires(&mut other, "lock", 1, &b).await, "it waits, and does not run any more");
}

/// Each would wait for the other, if a job that waits kept its locks.
#[tokio::test]
async fn jobs_that_take_two_locks_crosswise_come_to_their_end() {
    let server = Running::start().await;
    let (mut worker, [a, b]) = with_jobs(&server, ["a", "b"]).await;
    assert!(acquires(&mut worker, "one", 1, &a).await);
    assert!(acquires(&mut worker, "two", 1, &b).await);
    assert!(!acquires(&mut worker, "two", 1, &a).await);
    assert!(acquires(&mut worker, "one", 1, &b).await);
    worker.done(&b).await;
    let a = worker.take().await;
    assert!(acquires(&mut worker, "one", 1, &a).await && acquires(&mut worker, "two", 1, &a).await);
    worker.done(&a).await;
    assert_eq!(server.status("f").await.jobs, 0);
}

#[tokio::test]
async fn a_job_that_has_waited_for_too_long_waits_like_others() {
    let settings = Settings { lock_timeout: 1, ..Settings::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let (mut worker, [a, b]) = with_jobs(&server, ["a", "b"]).await;
    assert!(acquires(&mut worker, "lock", 1, &a).await);
    assert!(!acquires(&mut worker, "lock", 1, &b).await);
    let b = worker.take().await;
    assert_eq!(name(&b), "b");
    // The one that runs still has it.
    assert!(!acquires(&mut worker, "lock", 1, &b).await);
}

#[tokio::test]
async fn a_job_cannot_take_locks_without_end() {
    let server = Running::start().await;
    let (mut worker, [a]) = with_jobs(&server, ["a"]).await;
    for number in 0..64 {
        assert!(acquires(&mut worker, &format!("lock {number}"), 1, &a).await);
    }
    assert!(acquires(&mut worker, "lock 0", 1, &a).await, "it has that one");
    worker.send(acquire("one more", 1, &a)).await;
    worker.is_closed().await;
}
