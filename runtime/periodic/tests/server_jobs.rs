//! The life of a job on the server: submitted, assigned, ended, and everything that may come between.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{ManualClock, PATIENCE, Peer, Running, job, key, name};
use periodic::wire::{Command, Registration};
use periodic::{Clock, Job, MemoryStore, ServerOptions, SystemClock};

#[tokio::test]
async fn a_job_is_submitted_assigned_and_done() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let mut client = server.client().await;
    client.submit(Job { timeout: 7, ..job("f", "a") }).await;
    let got = worker.take().await;
    assert_eq!((got.key.clone(), got.workload.clone()), (key("f", "a"), Bytes::from_static(b"work of a")));
    assert_eq!((got.count, got.timeout), (0, 7));
    assert!((SystemClock.now() - got.sched_at).abs() < 20, "sched_at 0 means now");
    let status = server.status("f").await;
    assert_eq!((status.workers, status.jobs, status.running), (1, 1, 1));
    worker.done(&got).await;
    assert_eq!(server.status("f").await.jobs, 0);
    worker.gets_nothing().await;
    server.stop().await;
}

#[tokio::test]
async fn a_job_without_a_timeout_gets_the_servers() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    worker.ok(Command::ConfigSet { key: Bytes::from_static(b"timeout"), value: 33 }).await;
    assert_eq!(worker.ask(Command::ConfigGet(Bytes::from_static(b"timeout"))).await, Command::Config(33));
    assert_eq!(worker.ask(Command::ConfigGet(Bytes::from_static(b"nonsense"))).await, Command::Config(0));
    server.submit(job("f", "a")).await;
    assert_eq!(worker.take().await.timeout, 33);
}

#[tokio::test]
async fn a_job_submitted_again_while_it_waits_is_replaced() {
    let server = Running::start().await;
    let mut client = server.client().await;
    client.submit(job("f", "a")).await;
    client.submit(Job { workload: Bytes::from_static(b"newer"), count: 3, ..job("f", "a") }).await;
    assert_eq!(server.status("f").await.jobs, 1);
    let mut worker = server.worker(&["f"]).await;
    let got = worker.take().await;
    assert_eq!((got.workload.as_ref(), got.count), (b"newer".as_slice(), 3));
    worker.done(&got).await;
    worker.grab().await;
    worker.gets_nothing().await;
}

#[tokio::test]
async fn a_job_submitted_again_while_it_runs_is_dropped() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let mut client = server.client().await;
    client.submit(job("f", "a")).await;
    let got = worker.take().await;
    client.submit(Job { workload: Bytes::from_static(b"newer"), ..job("f", "a") }).await;
    worker.done(&got).await;
    worker.grab().await;
    worker.gets_nothing().await;
    client.submit(job("f", "a")).await;
    assert_eq!(worker.accept().await.key, key("f", "a"), "after its end the key is free");
}

#[tokio::test]
async fn a_job_removed_is_not_run_and_one_that_runs_can_be_removed() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let mut client = server.client().await;
    client.submit(job("f", "waits")).await;
    client.ok(Command::RemoveJob(key("f", "waits"))).await;
    client.ok(Command::RemoveJob(key("f", "never there"))).await;
    worker.grab().await;
    worker.gets_nothing().await;
    client.submit(job("f", "runs")).await;
    let got = worker.accept().await;
    // In one breath: the submit comes after the remove, so it is a new job.
    let remove = client.send(Command::RemoveJob(key("f", "runs"))).await;
    let submit = client.send(Command::SubmitJob(job("f", "runs"))).await;
    assert_eq!(client.answer(remove).await, Command::Success);
    assert_eq!(client.answer(submit).await, Command::Success);
    worker.done(&got).await;
    assert_eq!(server.status("f").await.jobs, 1, "the worker's answer is not about the new job");
    assert_eq!(worker.take().await.key, key("f", "runs"));
    assert_eq!(server.server.handle().remove(vec![key("f", "runs"), key("f", "none")]).await, [Ok(true), Ok(false)]);
    assert_eq!(server.status("f").await.jobs, 0);
}

#[tokio::test]
async fn a_job_for_later_runs_at_its_second_and_never_before() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    worker.grab().await;
    let sched_at = SystemClock.now() + 2;
    server.submit(Job { sched_at, ..job("f", "later") }).await;
    assert_eq!(server.status("f").await.sched_at, sched_at);
    let got = worker.accept().await;
    let late = SystemClock.now_ms() - sched_at * 1000;
    assert_eq!(got.sched_at, sched_at);
    assert!((0..1000).contains(&late), "it came {late} ms after its second");
}

#[tokio::test]
async fn jobs_become_due_by_the_clock_that_was_given() {
    let clock = ManualClock::at(1000);
    let server =
        Running::with(MemoryStore::new(), Arc::clone(&clock) as Arc<dyn Clock>, ServerOptions::default()).await;
    let mut worker = server.worker(&["f"]).await;
    worker.grab().await;
    server.submit(Job { sched_at: 5000, ..job("f", "a") }).await;
    clock.advance_ms(3_999_999);
    assert_eq!(server.status("f").await.running, 0, "a millisecond early is early");
    clock.advance_ms(1);
    assert_eq!(worker.accept().await.sched_at, 5000);
    // The clock is put back: what is due later just waits longer.
    clock.advance_ms(-2_000_000);
    server.submit(job("f", "b")).await;
    worker.grab().await;
    assert_eq!(worker.accept().await.sched_at, 3000);
}

#[tokio::test]
async fn jobs_that_are_due_at_once_run_in_the_order_of_submission() {
    let server = Running::with(MemoryStore::new(), ManualClock::at(1000), ServerOptions::default()).await;
    let names = ["z", "a", "m", "b", "y"];
    for name in names {
        server.submit(job("f", name)).await;
    }
    server.submit(Job { sched_at: 2000, ..job("f", "later") }).await;
    let mut worker = server.worker(&["f"]).await;
    for expected in names {
        assert_eq!(name(&worker.take().await), expected);
    }
    worker.grab().await;
    worker.gets_nothing().await;
}

#[tokio::test]
async fn a_job_put_off_comes_later_with_its_count_raised() {
    let clock = ManualClock::at(1000);
    let server =
        Running::with(MemoryStore::new(), Arc::clone(&clock) as Arc<dyn Clock>, ServerOptions::default()).await;
    let mut worker = server.worker(&["f"]).await;
    server.submit(job("f", "a")).await;
    for count in 0..3 {
        let got = worker.take().await;
        assert_eq!(got.count, count * 2);
        worker.ok(Command::SchedLater { key: got.key, delay: 60, step: 2 }).await;
        assert_eq!(server.status("f").await.sched_at, 1060 + i64::from(count) * 60);
        clock.advance_ms(60_000);
    }
    let got = worker.take().await;
    worker.ok(Command::SchedLater { key: got.key, delay: -5, step: -1 }).await;
    let got = worker.take().await;
    assert_eq!((got.count, got.sched_at), (5, 1180), "a delay below zero is none");
}

#[tokio::test]
async fn a_job_that_failed_waits_a_whole_second() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    server.submit(job("f", "a")).await;
    let got = worker.take().await;
    let failed = Instant::now();
    worker.ok(Command::WorkFail(got.key)).await;
    let got = worker.take().await;
    assert!(failed.elapsed() >= Duration::from_millis(990), "after {:?}", failed.elapsed());
    assert_eq!(got.count, 0);
}

#[tokio::test]
async fn only_the_worker_that_has_a_job_can_end_it() {
    let server = Running::start().await;
    let (mut owner, mut other) = (server.worker(&["f"]).await, server.worker(&["f"]).await);
    server.submit(job("f", "a")).await;
    let got = owner.take().await;
    other.done(&got).await;
    other.ok(Command::SchedLater { key: got.key.clone(), delay: 0, step: 1 }).await;
    other.ok(Command::WorkFail(got.key.clone())).await;
    assert_eq!(server.status("f").await.running, 1, "told SUCCESS, and ignored");
    owner.done(&got).await;
    assert_eq!(server.status("f").await.jobs, 0);
    // Nor a job that waits and has never run.
    server.submit(job("f", "b")).await;
    owner.done(&job("f", "b")).await;
    assert_eq!(server.status("f").await.jobs, 1);
}

#[tokio::test]
async fn a_worker_that_lost_its_connection_can_still_end_its_job() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    server.submit_all(vec![job("f", "done"), job("f", "later")]).await;
    let (done, later) = (worker.take().await, worker.take().await);
    drop(worker);
    let waits = async {
        while server.status("f").await.running > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap();
    let mut back = Peer::connect(&server.endpoint, Registration::Worker).await;
    back.done(&done).await;
    back.ok(Command::SchedLater { key: later.key, delay: 1000, step: 1 }).await;
    let status = server.status("f").await;
    assert_eq!(status.jobs, 1);
    assert!(status.sched_at > SystemClock.now() + 900);
}

#[tokio::test]
async fn a_lost_job_that_was_replaced_is_not_ended_by_its_former_worker() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    server.submit(job("f", "a")).await;
    let old = worker.take().await;
    drop(worker);
    let mut back = server.worker(&[]).await;
    while server.status("f").await.running > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.submit(Job { workload: Bytes::from_static(b"newer"), ..job("f", "a") }).await;
    back.done(&old).await;
    assert_eq!(server.status("f").await.jobs, 1);
}

#[tokio::test]
async fn dropping_a_func_deletes_its_jobs_unless_a_worker_can_do_it() {
    let server = Running::start().await;
    let mut worker = server.worker(&["f"]).await;
    let mut client = server.client().await;
    let drop_func = || Command::DropFunc(Bytes::from_static(b"f"));
    server.submit_all((0..1300).map(|index| job("f", &index.to_string())).collect()).await;
    server.submit(job("g", "a")).await;
    client.ok(drop_func()).await;
    assert_eq!(server.status("f").await.jobs, 1300);
    worker.ok(Command::CantDo(Bytes::from_static(b"f"))).await;
    let dropped = client.send(drop_func()).await;
    let submitted = client.send(Command::SubmitJob(job("f", "after"))).await;
    assert_eq!(client.answer(submitted).await, Command::Success);
    assert_eq!(client.answer(dropped).await, Command::Success);
    assert_eq!(server.status("f").await.jobs, 1, "what was submitted after it stays");
    client.ok(Command::RemoveJob(key("f", "after"))).await;
    client.ok(drop_func()).await;
    let funcs: Vec<_> = server.server.handle().status().await.into_iter().map(|status| status.func).collect();
    assert_eq!(funcs, ["g"]);
    client.ok(Command::DropFunc(Bytes::from_static(b"never there"))).await;
}

#[tokio::test]
async fn status_is_one_line_per_func_in_byte_order() {
    let server = Running::with(MemoryStore::new(), ManualClock::at(1000), ServerOptions::default()).await;
    let mut client = server.client().await;
    assert_eq!(client.ask(Command::Status).await, Command::Data(Bytes::new()));
    let mut worker = server.worker(&["b", "a,x"]).await;
    server.submit_all(vec![job("b", "1"), Job { sched_at: 4000, ..job("b", "2") }]).await;
    worker.take().await;
    let text = Bytes::from_static(b"a,x,1,0,0,0,1000\nb,1,2,1,0,4000");
    assert_eq!(client.ask(Command::Status).await, Command::Data(text));
}

#[tokio::test]
async fn jobs_survive_a_restart_on_the_same_store_in_their_order() {
    let store = MemoryStore::new();
    let clock = ManualClock::at(1000);
    let first = Running::with(store.clone(), Arc::clone(&clock) as Arc<dyn Clock>, ServerOptions::default()).await;
    let mut worker = first.worker(&["f"]).await;
    let names: Vec<String> = (0..100).map(|index| format!("job {}", (index * 37) % 100)).collect();
    first.submit_all(names.iter().map(|name| job("f", name)).collect()).await;
    first.submit(Job { sched_at: 1060, ..job("later", "in a minute") }).await;
    let done = worker.take().await;
    worker.done(&done).await;
    let _running = worker.take().await;
    first.stop().await;
    worker.is_closed().await;

    let second = Running::with(store, Arc::clone(&clock) as Arc<dyn Clock>, ServerOptions::default()).await;
    assert_eq!(second.status("f").await.jobs, 99);
    let mut worker = second.worker(&["f"]).await;
    for expected in &names[1..] {
        let got = worker.take().await;
        assert_eq!(name(&got), *expected);
        worker.done(&got).await;
    }
    assert_eq!(second.status("f").await.jobs, 0);
    let mut later = second.worker(&["later"]).await;
    later.grab().await;
    clock.advance_ms(59_999);
    later.gets_nothing().await;
    clock.advance_ms(1);
    assert_eq!(name(&later.accept().await), "in a minute");
}

#[tokio::test]
async fn more_jobs_than_memory_may_hold_are_all_run_in_order() {
    for (queue_cap, cache_bytes) in [(1, 0), (4, 0), (50, 2000), (1000, 1 << 20)] {
        let options = ServerOptions { queue_cap, cache_bytes, ..ServerOptions::default() };
        let clock = ManualClock::at(10_000);
        let server = Running::with(MemoryStore::new(), Arc::clone(&clock) as Arc<dyn Clock>, options).await;
        // Later ones first, so that each pushes another out of memory.
        let jobs = 400;
        for index in (0..jobs).rev() {
            server.submit(Job { sched_at: 20_000 + index / 3, ..job("f", &index.to_string()) }).await;
        }
        clock.advance_ms(20_000_000);
        let mut worker = server.worker(&["f"]).await;
        let mut last = 0;
        for _ in 0..jobs {
            let got = worker.take().await;
            assert!(got.sched_at >= last, "in order, with a cap of {queue_cap}");
            last = got.sched_at;
            worker.done(&got).await;
        }
        assert_eq!(server.status("f").await.jobs, 0, "every job, with a cap of {queue_cap}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_clock_that_jumps_runs_nothing_twice_and_nothing_early() {
    let clock = ManualClock::at(1_000_000);
    let server =
        Running::with(MemoryStore::new(), Arc::clone(&clock) as Arc<dyn Clock>, ServerOptions::default()).await;
    let mut worker = server.worker(&["f"]).await;
    server.submit(job("f", "runs")).await;
    let runs = worker.take().await;
    server.submit(Job { sched_at: 1_003_600, ..job("f", "in an hour") }).await;
    server.submit(Job { sched_at: 1_010_000, ..job("f", "later") }).await;
    worker.grab().await;
    // Two hours on: the one that runs has had its worker for a moment only; the one that is due comes once.
    clock.advance_ms(7_200_000);
    let due = worker.accept().await;
    assert_eq!(name(&due), "in an hour");
    worker.grab().await;
    worker.gets_nothing().await;
    // Back again: what has been given out stays with its worker.
    clock.advance_ms(-9_000_000);
    worker.gets_nothing().await;
    worker.done(&runs).await;
    worker.done(&due).await;
    let status = server.status("f").await;
    assert_eq!((status.jobs, status.running), (1, 0));
    clock.advance_ms(11_800_000);
    assert_eq!(name(&worker.accept().await), "later");
}
