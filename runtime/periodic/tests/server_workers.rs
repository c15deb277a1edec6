//! Workers and the server: who gets which job, and what becomes of jobs when a worker does not behave or is gone.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{PATIENCE, Running, job, key, name};
use periodic::server::Settings;
use periodic::wire::{Command, Packet};
use periodic::{Job, ServerOptions};

#[tokio::test]
async fn connections_take_turns() {
    let server = Running::start().await;
    let (mut one, mut other) = (server.worker(&["f"]).await, server.worker(&["f"]).await);
    for _ in 0..6 {
        one.grab().await;
        other.grab().await;
    }
    for index in 0..6 {
        server.submit(job("f", &index.to_string())).await;
    }
    for _ in 0..3 {
        one.accept().await;
        other.accept().await;
    }
    one.gets_nothing().await;
    other.gets_nothing().await;
}

#[tokio::test]
async fn a_flood_on_one_func_does_not_starve_another() {
    let server = Running::start().await;
    server.submit_all((0..2000).map(|index| job("flood", &index.to_string())).collect()).await;
    server.submit_all((0..5).map(|index| job("drop", &index.to_string())).collect()).await;
    let mut worker = server.worker(&["flood", "drop"]).await;
    let mut drops = 0;
    for _ in 0..12 {
        let got = worker.take().await;
        drops += usize::from(got.key.func == "drop");
        worker.done(&got).await;
    }
    assert_eq!(drops, 5, "all of the few are among the first dozen");
}

#[tokio::test]
async fn a_repeated_grab_is_the_same_grab() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let grab = [9, 9, 9, 9];
    for _ in 0..3 {
        worker.send_as(grab, Command::GrabJob).await;
        assert_eq!(worker.answer(grab).await, Command::Success);
    }
    server.submit_all(vec![job("f", "a"), job("f", "b")]).await;
    let (msgid, got) = worker.assigned().await;
    assert_eq!(msgid, grab);
    // The repetition crosses the assignment.
    worker.send_as(grab, Command::GrabJob).await;
    assert_eq!(worker.answer(grab).await, Command::Success);
    worker.gets_nothing().await;
    worker.send_as(grab, Command::JobAssigned).await;
    worker.done(&got).await;
    // After the acknowledgement the msgid is free, as the Python client has it.
    worker.send_as(grab, Command::GrabJob).await;
    assert_eq!(worker.answer(grab).await, Command::Success);
    assert_eq!(worker.assigned().await.0, grab);
}

#[tokio::test]
async fn a_grab_waits_for_a_func_that_is_registered_later() {
    let server = Running::start().await;
    server.submit(job("f", "a")).await;
    let mut worker = server.worker(&[]).await;
    worker.grab().await;
    worker.gets_nothing().await;
    worker.ok(Command::CanDo(Bytes::from_static(b"f"))).await;
    worker.ok(Command::CanDo(Bytes::from_static(b"f"))).await;
    assert_eq!(server.status("f").await.workers, 1, "registered once");
    worker.accept().await;
    worker.ok(Command::CantDo(Bytes::from_static(b"f"))).await;
    worker.ok(Command::CantDo(Bytes::from_static(b"f"))).await;
    server.submit(job("f", "b")).await;
    worker.grab().await;
    worker.gets_nothing().await;
    assert_eq!((server.status("f").await.workers, server.status("f").await.running), (0, 1));
}

#[tokio::test]
async fn a_worker_that_does_not_acknowledge_is_closed_and_its_job_given_to_another() {
    let settings = Settings { assign_wait: 1, ..Settings::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let mut mute = server.worker(&["f"]).await;
    mute.grab().await;
    server.submit(job("f", "a")).await;
    mute.assigned().await;
    let mut good = server.worker(&["f"]).await;
    good.grab().await;
    mute.is_closed().await;
    assert_eq!(good.accept().await.key, key("f", "a"));
}

#[tokio::test]
async fn an_answer_counts_as_an_acknowledgement() {
    let settings = Settings { assign_wait: 1, ..Settings::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let mut old = server.worker(&["f"]).await;
    old.grab().await;
    server.submit(job("f", "a")).await;
    let (_, got) = old.assigned().await;
    old.done(&got).await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(old.ask(Command::Ping).await, Command::Pong, "the connection is still open");
}

#[tokio::test]
async fn a_job_that_is_given_back_goes_to_another_at_once() {
    let server = Running::start().await;
    let mut full = server.worker(&["f"]).await;
    full.grab().await;
    server.submit(job("f", "a")).await;
    let (msgid, _) = full.assigned().await;
    let mut free = server.worker(&["f"]).await;
    free.grab().await;
    full.send_as(msgid, Command::JobUnassigned).await;
    assert_eq!(free.accept().await.key, key("f", "a"));
    full.gets_nothing().await;
    full.send_as(msgid, Command::JobUnassigned).await;
    full.send_as(*b"none", Command::JobAssigned).await;
    assert_eq!(full.ask(Command::Ping).await, Command::Pong, "a stray one is ignored");
    assert_eq!(server.status("f").await.running, 1);
}

#[tokio::test]
async fn the_jobs_of_a_broken_connection_are_ready_again_at_once() {
    let server = Running::start().await;
    let mut lost = server.worker(&["f"]).await;
    server.submit_all((0..10).map(|index| job("f", &index.to_string())).collect()).await;
    for _ in 0..9 {
        lost.take().await;
    }
    lost.grab().await;
    lost.assigned().await;
    let mut next = server.worker(&["f"]).await;
    for _ in 0..10 {
        next.grab().await;
    }
    let broken = Instant::now();
    drop(lost);
    for index in 0..10 {
        assert_eq!(name(&next.accept().await), index.to_string(), "in their old order");
    }
    assert!(broken.elapsed() < Duration::from_secs(1), "after {:?}", broken.elapsed());
}

#[tokio::test]
async fn a_worker_that_takes_too_long_loses_its_job_but_may_end_it_late() {
    let server = Running::start().await;
    let mut slow = server.worker(&["f"]).await;
    server.submit_all(vec![Job { timeout: 1, ..job("f", "a") }, Job { timeout: 1, ..job("f", "b") }]).await;
    let (late, taken) = (slow.take().await, slow.take().await);
    let expired = async {
        while server.status("f").await.running > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, expired).await.unwrap();
    slow.done(&late).await;
    assert_eq!(server.status("f").await.jobs, 1);
    let mut quick = server.worker(&["f"]).await;
    assert_eq!(quick.take().await.key, taken.key);
    slow.done(&taken).await;
    assert_eq!(server.status("f").await.jobs, 1, "it is the other's now");
    quick.done(&taken).await;
    assert_eq!(server.status("f").await.jobs, 0);
}

#[tokio::test]
async fn what_is_read_before_a_connection_closes_is_done() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    server.submit(job("f", "a")).await;
    let got = worker.take().await;
    worker.send(Command::WorkDone { key: got.key, result: Bytes::new() }).await;
    drop(worker);
    let ended = async {
        while server.status("f").await.jobs > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
}

#[tokio::test]
async fn assignments_come_under_the_grabs_that_asked_for_them() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(worker.grab().await);
    }
    server.submit_all((0..5).map(|index| job("f", &index.to_string())).collect()).await;
    for _ in 0..5 {
        let Packet { msgid, .. } = worker.next().await.unwrap();
        open.retain(|grab| *grab != msgid);
    }
    assert!(open.is_empty());
}

#[tokio::test]
async fn a_draining_server_assigns_nothing_and_waits_for_what_is_assigned() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    server.submit_all(vec![job("f", "first"), job("f", "second")]).await;
    let first = worker.take().await;
    let asked = Instant::now();
    let drained = server.server.drain(PATIENCE);
    let finish = async {
        worker.grab().await;
        worker.gets_nothing().await;
        worker.done(&first).await;
    };
    tokio::join!(drained, finish);
    assert!(asked.elapsed() < PATIENCE, "it does not wait for longer than needed");
    assert_eq!(server.status("f").await.jobs, 1, "the second job waits for the next server");
    server.stop().await;
}

#[tokio::test]
async fn a_draining_server_does_not_wait_for_ever() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    server.submit(job("f", "never done")).await;
    worker.take().await;
    server.server.drain(Duration::from_millis(100)).await;
    assert_eq!(server.status("f").await.running, 1);
    server.stop().await;
}

/// What was assigned before a setting changed is bound by it, too; and no setting leaves a worker no time at all.
#[tokio::test]
async fn a_shorter_wait_for_acknowledgements_counts_at_once() {
    let settings = Settings { assign_wait: 600, ..Settings::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    client.submit(job("f", "a")).await;
    worker.grab().await;
    worker.assigned().await;
    for key in ["assign-wait", "timeout", "lock-timeout"] {
        let key = Bytes::copy_from_slice(key.as_bytes());
        client.ok(Command::ConfigSet { key: key.clone(), value: 0 }).await;
        assert_eq!(client.ask(Command::ConfigGet(key)).await, Command::Config(1));
    }
    worker.is_closed().await;
}

#[tokio::test]
async fn a_worker_registers_for_so_many_funcs_and_no_more() {
    let server = Running::with_options(ServerOptions { max_funcs: 3, ..ServerOptions::default() }).await;
    let mut worker = server.worker(&["a", "b", "c", "a"]).await;
    worker.ok(Command::CantDo(Bytes::from_static(b"b"))).await;
    worker.ok(Command::CanDo(Bytes::from_static(b"d"))).await;
    worker.send(Command::CanDo(Bytes::from_static(b"e"))).await;
    worker.is_closed().await;
}
