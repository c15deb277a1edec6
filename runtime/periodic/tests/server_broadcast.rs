//! BROADCAST (PROTOCOL §10), and workers that never acknowledge (§14).
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::HashSet;

use bytes::Bytes;
use common::{Peer, Running, job, name};
use periodic::server::{ServerOptions, Settings};
use periodic::wire::{Command, Registration};

async fn broadcast(server: &Running) -> Peer {
    let mut worker = Peer::connect(&server.endpoint, Registration::Worker).await;
    worker.ok(Command::Broadcast(Bytes::from_static(b"f"))).await;
    worker
}

#[tokio::test]
async fn every_worker_that_is_free_gets_the_job_and_the_first_to_be_done_ends_it() {
    let server = Running::start().await;
    let (mut one, mut other, mut busy) = (broadcast(&server).await, broadcast(&server).await, broadcast(&server).await);
    one.grab().await;
    other.grab().await;
    server.submit(job("f", "a")).await;
    let (a, b) = (one.accept().await, other.accept().await);
    assert_eq!(a, b);
    assert_eq!(server.status("f").await.running, 1);
    // Who fails, or puts it off, does not decide for the others.
    one.ok(Command::WorkFail(a.key.clone())).await;
    assert_eq!(server.status("f").await.running, 1);
    other.done(&b).await;
    assert_eq!(server.status("f").await.jobs, 0);
    one.done(&a).await;
    busy.gets_nothing().await;
}

#[tokio::test]
async fn a_job_that_none_of_them_has_done_runs_again() {
    let server = Running::start().await;
    let (mut one, mut other) = (broadcast(&server).await, broadcast(&server).await);
    one.grab().await;
    other.grab().await;
    server.submit(job("f", "a")).await;
    let (given, _) = (one.accept().await, other.accept().await);
    drop(other);
    // As long as one has it, it runs.
    one.grab().await;
    one.gets_nothing().await;
    one.ok(Command::SchedLater { key: given.key.clone(), delay: 0, step: 1 }).await;
    let again = one.accept().await;
    assert_eq!((again.key, again.count), (given.key, 1));
}

#[tokio::test]
async fn one_that_refuses_leaves_it_to_the_others() {
    let server = Running::start().await;
    let (mut one, mut other) = (broadcast(&server).await, broadcast(&server).await);
    one.grab().await;
    other.grab().await;
    server.submit(job("f", "a")).await;
    let (msgid, _) = one.assigned().await;
    one.send_as(msgid, Command::JobUnassigned).await;
    one.grab().await;
    one.gets_nothing().await;
    let (msgid, _) = other.assigned().await;
    other.send_as(msgid, Command::JobUnassigned).await;
    assert_eq!(name(&one.accept().await), "a");
}

#[tokio::test]
async fn the_last_to_register_says_whether_all_get_it() {
    let server = Running::start().await;
    let mut one = broadcast(&server).await;
    let mut other = server.worker(&["f"]).await;
    // It has registered already, so this changes nothing.
    one.ok(Command::Broadcast(Bytes::from_static(b"f"))).await;
    one.grab().await;
    other.grab().await;
    server.submit(job("f", "a")).await;
    other.accept().await;
    one.gets_nothing().await;
}

/// Workers from before JOB_ASSIGNED: what they say about a job is the acknowledgement.
#[tokio::test]
async fn a_worker_that_never_acknowledges_keeps_its_connection() {
    let settings = Settings { assign_wait: 1, ..Settings::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let mut old = server.worker(&["f"]).await;
    server.submit(job("f", "quick")).await;
    old.grab().await;
    let (_, quick) = old.assigned().await;
    old.done(&quick).await;
    // The next one takes longer than there is time to acknowledge it: it is given to another, without more.
    server.submit(job("f", "slow")).await;
    old.grab().await;
    let (_, slow) = old.assigned().await;
    let mut other = server.worker(&["f"]).await;
    assert_eq!(name(&other.take().await), "slow");
    old.ok(Command::WorkDone { key: slow.key.clone(), result: Bytes::new() }).await;
    assert_eq!(server.status("f").await.running, 1, "it is the other's now");
    old.ok_ping().await;
}

#[tokio::test]
async fn a_new_worker_that_does_not_acknowledge_is_closed() {
    let settings = Settings { assign_wait: 1, ..Settings::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let mut silent = server.worker(&["f"]).await;
    server.submit(job("f", "a")).await;
    silent.grab().await;
    silent.assigned().await;
    silent.is_closed().await;
}

/// ACQUIRE and WORK_DATA are acknowledgements, too.
#[tokio::test]
async fn whatever_a_worker_says_about_its_job_acknowledges_it() {
    let settings = Settings { assign_wait: 1, ..Settings::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let mut worker = server.worker(&["f"]).await;
    for name in ["a", "b"] {
        server.submit(job("f", name)).await;
        worker.grab().await;
    }
    let given: HashSet<_> = [worker.assigned().await.1.key, worker.assigned().await.1.key].into();
    for (number, key) in given.iter().enumerate() {
        if number == 0 {
            let lock = Command::Acquire { lock: Bytes::from_static(b"lock"), capacity: 1, key: key.clone() };
            assert_eq!(worker.ask(lock).await, Command::Acquired(true));
        } else {
            worker.ok(Command::WorkData { key: key.clone(), chunk: Bytes::from_static(b"chunk") }).await;
        }
    }
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    worker.grab().await;
    worker.gets_nothing().await;
    assert_eq!(server.status("f").await.running, 2);
}
