//! RUN_JOB, RECV_DATA and WORK_DATA: who is told what, and what becomes of the job (PROTOCOL §9).
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Peer, Running, job, key};
use periodic::server::{ServerOptions, Settings};
use periodic::wire::{Command, MsgId};
use periodic::{Job, MemoryStore, SystemClock};

fn data(text: &'static str) -> Command {
    Command::Data(Bytes::from_static(text.as_bytes()))
}

/// Asks for a job's result without waiting for it, and has the server know of it.
async fn run(client: &mut Peer, job: Job) -> MsgId {
    let msgid = client.send(Command::RunJob(job)).await;
    client.ok_ping().await;
    msgid
}

async fn listen(client: &mut Peer, job: Job) -> MsgId {
    let msgid = client.send(Command::RecvData(job)).await;
    assert_eq!(client.answer(msgid).await, Command::Success);
    msgid
}

async fn done(worker: &mut Peer, job: &Job, result: &'static str) {
    worker.ok(Command::WorkDone { key: job.key.clone(), result: Bytes::from_static(result.as_bytes()) }).await;
}

#[tokio::test]
async fn a_result_goes_to_all_who_wait_for_it_and_the_job_is_gone() {
    let server = Running::start().await;
    let (mut worker, mut one, mut other) = (server.worker(&["f"]).await, server.client().await, server.client().await);
    let first = run(&mut one, job("f", "a")).await;
    let given = worker.take().await;
    let second = run(&mut other, job("f", "a")).await;
    done(&mut worker, &given, "result").await;
    assert_eq!(one.answer(first).await, data("result"));
    assert_eq!(other.answer(second).await, data("result"));
    assert_eq!(server.status("f").await.jobs, 0);
    one.gets_nothing().await;
}

#[tokio::test]
async fn chunks_go_to_listeners_and_the_stream_ends_before_the_result() {
    let server = Running::start().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    let result = client.send(Command::RunJob(job("f", "a"))).await;
    let stream = listen(&mut client, job("f", "a")).await;
    let given = worker.take().await;
    for chunk in ["one", "", "EOF"] {
        worker.ok(Command::WorkData { key: given.key.clone(), chunk: Bytes::from_static(chunk.as_bytes()) }).await;
    }
    done(&mut worker, &given, "result").await;
    for (msgid, text) in [(stream, "one"), (stream, ""), (stream, "EOF"), (stream, "EOF"), (result, "result")] {
        let packet = client.next().await.unwrap();
        assert_eq!((packet.msgid, packet.command), (msgid, data(text)));
    }
    // Whoever does not have the job cannot speak for it.
    listen(&mut client, job("f", "a")).await;
    worker.ok(Command::WorkData { key: key("f", "a"), chunk: Bytes::from_static(b"nobody's") }).await;
    client.gets_nothing().await;
}

/// A client that wants both asks for the result first, and a worker may be quicker than its second request.
#[tokio::test]
async fn what_is_said_before_there_is_a_listener_is_kept_for_it_if_somebody_waits() {
    let server = Running::start().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    let result = run(&mut client, job("f", "a")).await;
    let given = worker.take().await;
    let say = |chunk: Bytes| Command::WorkData { key: given.key.clone(), chunk };
    for chunk in ["one", "two"] {
        worker.ok(say(Bytes::from_static(chunk.as_bytes()))).await;
    }
    // The beginning, up to a limit.
    worker.ok(say(vec![0; 64 << 10].into())).await;
    let stream = listen(&mut client, job("f", "a")).await;
    worker.ok(say(Bytes::from_static(b"three"))).await;
    done(&mut worker, &given, "result").await;
    for (msgid, text) in [(stream, "one"), (stream, "two"), (stream, "three"), (stream, "EOF"), (result, "result")] {
        let packet = client.next().await.unwrap();
        assert_eq!((packet.msgid, packet.command), (msgid, data(text)));
    }
    // For nobody nothing is kept.
    client.submit(job("f", "b")).await;
    let given = worker.take().await;
    worker.ok(Command::WorkData { key: given.key.clone(), chunk: Bytes::from_static(b"unheard") }).await;
    listen(&mut client, job("f", "b")).await;
    done(&mut worker, &given, "").await;
    assert_eq!(client.next().await.unwrap().command, data("EOF"));
}

#[tokio::test]
async fn many_chunks_use_up_no_room_for_requests() {
    let server = Running::with_options(ServerOptions { max_requests: 4, ..ServerOptions::default() }).await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    let stream = listen(&mut client, job("f", "a")).await;
    client.submit(job("f", "a")).await;
    let given = worker.take().await;
    for _ in 0..20 {
        worker.ok(Command::WorkData { key: given.key.clone(), chunk: Bytes::from_static(b"chunk") }).await;
    }
    for _ in 0..20 {
        let packet = client.next().await.unwrap();
        assert_eq!((packet.msgid, packet.command), (stream, data("chunk")));
    }
    client.ok_ping().await;
}

#[tokio::test]
async fn without_a_worker_nobody_waits() {
    let server = Running::start().await;
    let mut client = server.client().await;
    assert_eq!(client.ask(Command::RunJob(job("f", "a"))).await, Command::NoWorker);
    assert_eq!(client.ask(Command::RecvData(job("f", "a"))).await, Command::NoWorker);
    let worker = server.worker(&["f"]).await;
    run(&mut client, job("f", "a")).await;
    drop(worker);
    while server.status("f").await.workers > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.ask(Command::RunJob(job("f", "b"))).await, Command::NoWorker);
    assert_eq!(server.status("f").await.jobs, 1);
}

/// What ends a run, and what those who wait are told.
#[tokio::test]
async fn a_job_that_exists_for_those_who_wait_ends_with_its_first_failure() {
    let server = Running::start().await;
    let mut client = server.client().await;
    for how in ["fail", "later", "disconnect", "remove"] {
        let mut worker = server.worker(&["f"]).await;
        let waiting = run(&mut client, job("f", how)).await;
        let given = worker.take().await;
        let said = match how {
            "fail" => worker.ask(Command::WorkFail(given.key.clone())).await,
            "later" => worker.ask(Command::SchedLater { key: given.key.clone(), delay: 0, step: 1 }).await,
            "remove" => client.ask(Command::RemoveJob(given.key.clone())).await,
            _ => {
                drop(worker);
                Command::Success
            }
        };
        assert_eq!(said, Command::Success);
        let word = if how == "remove" { data("removed") } else { data("failed") };
        assert_eq!(client.answer_or_early(waiting).await, word, "{how}");
        assert_eq!(server.status("f").await.jobs, 0, "{how}");
    }
}

#[tokio::test]
async fn a_job_that_was_submitted_outlives_those_who_wait_for_it() {
    let server = Running::start().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    client.submit(job("f", "a")).await;
    let given = worker.take().await;
    // It runs already: this one only waits.
    let waiting = run(&mut client, job("f", "a")).await;
    worker.ok(Command::SchedLater { key: given.key.clone(), delay: 0, step: 1 }).await;
    assert_eq!(client.answer(waiting).await, data("failed"));
    let again = worker.take().await;
    assert_eq!((again.key, again.count), (given.key, 1));
    // It was run first and then submitted, too.
    let waiting = run(&mut client, job("f", "b")).await;
    let given = worker.take().await;
    client.submit(job("f", "b")).await;
    worker.ok(Command::SchedLater { key: given.key.clone(), delay: 0, step: 1 }).await;
    assert_eq!(client.answer_or_early(waiting).await, data("failed"));
    assert_eq!(worker.take().await.key, given.key);
}

#[tokio::test]
async fn waiting_ends_with_its_time_and_takes_only_its_own_job_with_it() {
    let server = Running::start().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    let in_a_second = |name: &str| Job { timeout: 1, ..job("f", name) };
    let far = i64::from(u32::MAX);
    client.submit(Job { sched_at: far, ..job("f", "kept") }).await;
    let stream = listen(&mut client, in_a_second("kept")).await;
    let waiting = client.send(Command::RunJob(in_a_second("runs"))).await;
    let given = worker.take().await;
    let unseen = client.send(Command::RunJob(Job { sched_at: far, ..in_a_second("waits") })).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let packet = client.next().await.unwrap();
        told.push((packet.msgid, packet.command));
    }
    for expected in [(stream, data("EOF")), (waiting, data("expired")), (unseen, data("expired"))] {
        assert!(told.contains(&expected), "{told:?}");
    }
    worker.ok(Command::WorkDone { key: given.key, result: Bytes::from_static(b"late") }).await;
    client.gets_nothing().await;
    assert_eq!(server.status("f").await.jobs, 1, "the one that was submitted");
}

#[tokio::test]
async fn a_result_is_told_when_the_end_is_durable_and_not_before() {
    let store = common::Gate::new(MemoryStore::new());
    let options = ServerOptions::default();
    let server = Running::with(store.clone(), Arc::new(SystemClock), options).await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    let waiting = run(&mut client, job("f", "a")).await;
    let given = worker.take().await;
    store.close();
    worker.send(Command::WorkDone { key: given.key.clone(), result: Bytes::from_static(b"r") }).await;
    client.gets_nothing().await;
    store.open();
    assert_eq!(client.answer_or_early(waiting).await, data("r"));
}

#[tokio::test]
async fn those_who_left_are_not_told_and_their_job_runs() {
    let server = Running::start().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    run(&mut client, job("f", "a")).await;
    listen(&mut client, job("f", "a")).await;
    drop(client);
    let given = worker.take().await;
    done(&mut worker, &given, "for nobody").await;
    assert_eq!(server.status("f").await.jobs, 0);
}

#[tokio::test]
async fn a_connection_listens_to_so_many_jobs_and_no_more() {
    let server = Running::with_options(ServerOptions { max_streams: 2, ..ServerOptions::default() }).await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    for name in ["a", "b"] {
        listen(&mut client, job("f", name)).await;
    }
    // One that ends makes room.
    client.submit(job("f", "a")).await;
    let given = worker.take().await;
    done(&mut worker, &given, "").await;
    assert_eq!(client.next().await.unwrap().command, data("EOF"));
    listen(&mut client, job("f", "c")).await;
    client.send(Command::RecvData(job("f", "d"))).await;
    client.is_closed().await;
}

#[tokio::test]
async fn an_aggressive_run_is_assigned_before_jobs_that_are_due() {
    for (aggressive, first) in [(0, "old"), (1, "new")] {
        let settings = Settings { run_job_aggressive: aggressive, ..Settings::default() };
        let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
        let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
        worker.grab().await;
        // In one turn of the server, so that there is a choice.
        client.send_together(vec![Command::SubmitJob(job("f", "old")), Command::RunJob(job("f", "new"))]).await;
        assert_eq!(common::name(&worker.accept().await), first);
    }
}
