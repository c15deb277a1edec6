//! RUN_JOB, RECV_DATA and WORK_DATA: who is told what, and what becomes of the job (PROTOCOL §9).
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Peer, Running, job, key};
use periodic::server::{ServerOptions, Settings};
use periodic::wire::{Command, MsgId};
use periodic::{Clock, Job, JobStore, MemoryStore, SystemClock};

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

/// What was submitted is kept though somebody runs a job of the same key and nobody ever does it: with the work of the one
/// that came last, as two SUBMITs have it.
#[tokio::test]
async fn a_job_that_was_submitted_before_it_was_run_outlives_the_wait_too() {
    let server = Running::start().await;
    let (_worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    let tomorrow = SystemClock.now() + 86_400;
    client.submit(job("f", "waits")).await;
    client.submit(Job { sched_at: tomorrow, ..job("f", "scheduled") }).await;
    let mut waiting = Vec::new();
    for name in ["waits", "scheduled", "only run"] {
        waiting.push(run(&mut client, Job { timeout: 1, sched_at: tomorrow, ..job("f", name) }).await);
    }
    // One was run, then submitted, then run again.
    waiting.push(run(&mut client, Job { timeout: 1, sched_at: tomorrow, ..job("f", "both") }).await);
    client.submit(Job { sched_at: tomorrow, ..job("f", "both") }).await;
    waiting.push(run(&mut client, Job { timeout: 1, sched_at: tomorrow, ..job("f", "both") }).await);
    for msgid in waiting {
        assert_eq!(client.answer_or_early(msgid).await, data("expired"));
    }
    client.ok_ping().await;
    assert_eq!(server.status("f").await.jobs, 3, "the one that was only run is gone");
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
    // Without a GRAB open, so that it is stored.
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

/// A server on a store that can be stopped, and behind it the store itself.
async fn on_a_gate() -> (Running, common::Gate, MemoryStore) {
    let stored = MemoryStore::new();
    let gate = common::Gate::new(stored.clone());
    let server = Running::with(gate.clone(), Arc::new(SystemClock), ServerOptions::default()).await;
    (server, gate, stored)
}

async fn jobs_in(store: &MemoryStore) -> u64 {
    store.funcs().await.unwrap().iter().map(|func| func.jobs).sum()
}

#[tokio::test]
async fn a_job_that_a_worker_can_have_at_once_does_not_wait_for_the_store() {
    let (server, gate, stored) = on_a_gate().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    gate.close();
    for (end, result) in [(true, "r"), (false, "failed")] {
        worker.grab().await;
        let waiting = run(&mut client, job("f", "a")).await;
        let given = worker.accept().await;
        let status = server.status("f").await;
        assert_eq!((status.jobs, status.running), (1, 1));
        let key = given.key.clone();
        worker.ok(if end { Command::WorkDone { key, result: "r".into() } } else { Command::WorkFail(key) }).await;
        assert_eq!(client.answer(waiting).await, data(result));
    }
    assert_eq!(jobs_in(&stored).await, 0);
    assert_eq!(server.status("f").await.jobs, 0);
}

#[tokio::test]
async fn a_run_overtakes_no_job_that_came_before_it() {
    let (server, gate, _) = on_a_gate().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    worker.grab().await;
    gate.close();
    client.send(Command::SubmitJob(job("f", "first"))).await;
    let waiting = run(&mut client, job("f", "second")).await;
    worker.gets_nothing().await;
    gate.open();
    for (name, result) in [("first", ""), ("second", "r")] {
        let given = worker.accept().await;
        assert_eq!(common::name(&given), name);
        done(&mut worker, &given, result).await;
        worker.grab().await;
    }
    assert_eq!(client.answer_or_early(waiting).await, data("r"));
}

#[tokio::test]
async fn a_submit_of_what_runs_is_promised_only_when_it_is_stored() {
    let (server, gate, stored) = on_a_gate().await;
    let (mut worker, mut client, mut other) =
        (server.worker(&["f"]).await, server.client().await, server.client().await);
    worker.grab().await;
    let waiting = run(&mut client, job("f", "a")).await;
    let given = worker.accept().await;
    gate.close();
    let submits = [(); 2].map(|()| job("f", "a"));
    let mut promised = Vec::new();
    for submit in submits {
        promised.push(other.send(Command::SubmitJob(submit)).await);
    }
    other.gets_nothing().await;
    gate.open();
    for msgid in promised {
        assert_eq!(other.answer_or_early(msgid).await, Command::Success);
    }
    assert_eq!((jobs_in(&stored).await, server.status("f").await.jobs), (1, 1));
    // It fails, and is not over, because it was promised.
    worker.ok(Command::WorkFail(given.key.clone())).await;
    assert_eq!(client.answer(waiting).await, data("failed"));
    let given = worker.take().await;
    done(&mut worker, &given, "").await;
    assert_eq!((jobs_in(&stored).await, server.status("f").await.jobs), (0, 0));
}

#[tokio::test]
async fn what_ends_while_it_is_being_stored_is_gone_from_the_store_before_anybody_is_told() {
    let (server, gate, stored) = on_a_gate().await;
    let (mut worker, mut client, mut other) =
        (server.worker(&["f"]).await, server.client().await, server.client().await);
    worker.grab().await;
    let waiting = run(&mut client, job("f", "a")).await;
    let given = worker.accept().await;
    gate.close();
    let promised = other.send(Command::SubmitJob(job("f", "a"))).await;
    other.ok_ping().await;
    let done = worker.send(Command::WorkDone { key: given.key.clone(), result: "r".into() }).await;
    client.gets_nothing().await;
    gate.open();
    assert_eq!(other.answer_or_early(promised).await, Command::Success);
    assert_eq!(client.answer_or_early(waiting).await, data("r"));
    assert_eq!(worker.answer_or_early(done).await, Command::Success);
    assert_eq!((jobs_in(&stored).await, server.status("f").await.jobs), (0, 0));
    worker.grab().await;
    worker.gets_nothing().await;
}

#[tokio::test]
async fn a_job_whose_waiter_has_left_is_kept_until_it_is_done() {
    let (server, _gate, stored) = on_a_gate().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    worker.grab().await;
    run(&mut client, job("f", "a")).await;
    worker.accept().await;
    drop(client);
    until(async || jobs_in(&stored).await == 1).await;
    // Its worker goes too, says afterwards what it had to say, and that counts.
    drop(worker);
    let mut worker = server.worker(&["f"]).await;
    until(async || server.status("f").await.running == 0).await;
    worker.ok(Command::WorkDone { key: key("f", "a"), result: Bytes::new() }).await;
    assert_eq!((jobs_in(&stored).await, server.status("f").await.jobs), (0, 0));
}

#[tokio::test]
async fn a_job_that_is_handed_back_or_has_to_wait_is_stored_and_its_result_is_still_told() {
    let (server, _gate, stored) = on_a_gate().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    // Handed back: the next one who asks has it.
    let grab = worker.grab().await;
    let waiting = run(&mut client, job("f", "a")).await;
    let (assigned, _) = worker.assigned().await;
    assert_eq!(assigned, grab);
    worker.send_as(assigned, Command::JobUnassigned).await;
    until(async || jobs_in(&stored).await == 1).await;
    let given = worker.take().await;
    done(&mut worker, &given, "r").await;
    assert_eq!(client.answer(waiting).await, data("r"));
    assert_eq!((jobs_in(&stored).await, server.status("f").await.jobs), (0, 0));

    // A lock that another job has.
    client.submit(job("g", "holder")).await;
    let mut holder = server.worker(&["g"]).await;
    let held = holder.take().await;
    let acquire = |key| Command::Acquire { lock: "lock".into(), capacity: 1, key };
    assert_eq!(holder.ask(acquire(held.key.clone())).await, Command::Acquired(true));
    worker.grab().await;
    let waiting = run(&mut client, job("f", "b")).await;
    let given = worker.accept().await;
    assert_eq!(worker.ask(acquire(given.key)).await, Command::Acquired(false));
    until(async || jobs_in(&stored).await == 2).await;
    done(&mut holder, &held, "").await;
    let given = worker.take().await;
    assert_eq!(worker.ask(acquire(given.key.clone())).await, Command::Acquired(true));
    done(&mut worker, &given, "r").await;
    assert_eq!(client.answer(waiting).await, data("r"));
    assert_eq!((jobs_in(&stored).await, server.status("f").await.jobs), (0, 0));
}

/// Waits until something holds; forever, if it never does.
async fn until(holds: impl AsyncFn() -> bool) {
    while !holds().await {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}
