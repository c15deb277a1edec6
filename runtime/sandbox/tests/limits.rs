//! A sender can crash, spin, allocate, wait or flood: that send ends in a fault which names the limit, and the others
//! go on.

mod common;

use std::time::{Duration, Instant};

use common::{Directory, Loaded, send};
use pusher_core::{Failure, Fault, Outcome, SendError};
use pusher_sandbox::SandboxConfig;

const SMALL: &str = "[limits]\nmemory = \"16MiB\"\ncpu = \"50ms\"\ntime = \"2s\"";

async fn small() -> Loaded {
    Directory::faulty(SMALL).component("sample").load().await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_back_as_they_were_given() {
    let loaded = small().await;
    let sample = loaded.sender("sample");
    assert_eq!(send(&*sample, "1").await, Ok(Outcome::Later(10)));
    assert_eq!(send(&*sample, "hello").await, Ok(Outcome::Done));
    let faulty = loaded.sender("faulty");
    assert_eq!(send(&*faulty, "later:7").await, Ok(Outcome::Later(7)));
    for (data, failure) in [
        ("temporary", Failure::Temporary("told to".into())),
        ("limited:30", Failure::Limited(Some(30))),
        ("limited", Failure::Limited(None)),
        ("permanent", Failure::Permanent("told to".into())),
    ] {
        assert_eq!(send(&*faulty, data).await, Err(SendError::Failure(failure)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_misbehaviour_is_told_apart() {
    let loaded = small().await;
    assert_eq!(loaded.fault("trap").await, Fault::Trap("it panicked or reached unreachable code".into()));
    assert_eq!(loaded.fault("spin").await, Fault::Cpu(50));
    assert_eq!(loaded.fault("alloc").await, Fault::Memory(16 << 20));
    assert_eq!(loaded.fault("sleep:60000").await, Fault::Time(2000));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_senders_go_on_meanwhile() {
    let loaded = small().await;
    let (faulty, sample) = (loaded.sender("faulty"), loaded.sender("sample"));
    let bad: Vec<_> = ["spin", "alloc", "trap", "sleep:60000"]
        .into_iter()
        .cycle()
        .take(24)
        .map(|data| {
            let faulty = faulty.clone();
            tokio::spawn(async move { send(&*faulty, data).await })
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(send(&*sample, "x").await, Ok(Outcome::Done));
    }
    for task in bad {
        assert!(matches!(task.await.unwrap(), Err(SendError::Fault(_))));
    }
    assert_eq!(send(&*faulty, "x").await, Ok(Outcome::Done));
}

#[tokio::test]
async fn a_guest_that_computes_does_not_stop_a_runtime_of_one_thread() {
    let loaded = Directory::faulty("[limits]\ncpu = \"10s\"").load().await;
    let faulty = loaded.sender("faulty");
    let spinning = tokio::spawn(async move { send(&*faulty, "spin:300").await });
    let start = Instant::now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!spinning.is_finished() && start.elapsed() < Duration::from_millis(250), "{:?}", start.elapsed());
    assert_eq!(spinning.await.unwrap(), Ok(Outcome::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_does_not_count_as_computing() {
    let loaded = small().await;
    assert_eq!(send(&*loaded.sender("faulty"), "sleep:300").await, Ok(Outcome::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_send_in_the_next() {
    let loaded = small().await;
    for _ in 0..3 {
        assert_eq!(loaded.ask("count").await, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_sends_than_places_wait() {
    let manifest = "[limits]\nconcurrency = 256";
    let loaded = Directory::faulty(manifest).load().await;
    let faulty = loaded.sender("faulty");
    let sends: Vec<_> = (0..300)
        .map(|_| {
            let faulty = faulty.clone();
            tokio::spawn(async move { send(&*faulty, "sleep:100").await })
        })
        .collect();
    for task in sends {
        assert_eq!(task.await.unwrap(), Ok(Outcome::Done));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_waits_for_its_own_place_does_not_take_another_senders() {
    let config = SandboxConfig { max_sends: 3, ..SandboxConfig::default() };
    let loaded = Directory::faulty("[limits]\nconcurrency = 1").file("sample.toml", "[limits]\nconcurrency = 2");
    let loaded = loaded.component("sample").config(config).load().await;
    let (faulty, sample) = (loaded.sender("faulty"), loaded.sender("sample"));
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let faulty = faulty.clone();
            tokio::spawn(async move { send(&*faulty, "sleep:200").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(send(&*sample, "x").await, Ok(Outcome::Done));
    assert!(slow.iter().any(|task| !task.is_finished()));
    for task in slow {
        assert_eq!(task.await.unwrap(), Ok(Outcome::Done));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_that_is_given_up_leaves_its_place() {
    let config = SandboxConfig { max_sends: 1, ..SandboxConfig::default() };
    // The manifest's 32 at once are more than this sandbox runs at all, which is no reason to refuse the sender.
    let loaded = Directory::faulty("").config(config).load().await;
    assert_eq!(loaded.report.senders[0].concurrency, 1);
    let faulty = loaded.sender("faulty");
    let given_up = tokio::time::timeout(Duration::from_millis(50), send(&*faulty, "sleep:60000")).await;
    assert!(given_up.is_err());
    assert_eq!(send(&*faulty, "x").await, Ok(Outcome::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_address_space_for_a_pool_senders_run_all_the_same() {
    let config = SandboxConfig { max_sends: 1_000_000, ..SandboxConfig::default() };
    let loaded = Directory::faulty(SMALL).config(config).load().await;
    assert_eq!(send(&*loaded.sender("faulty"), "x").await, Ok(Outcome::Done));
    assert_eq!(loaded.fault("alloc").await, Fault::Memory(16 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concurrency_beyond_all_bounds_is_as_much_as_there_is() {
    let loaded = Directory::faulty("[limits]\nconcurrency = 9223372036854775807").load().await;
    assert_eq!(loaded.report.senders[0].concurrency, 256);
    assert_eq!(send(&*loaded.sender("faulty"), "x").await, Ok(Outcome::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reason_is_cut() {
    let loaded = small().await;
    let said = loaded.ask("reason:100000").await;
    assert!(said.len() < 1100 && said.ends_with('…'));
}
