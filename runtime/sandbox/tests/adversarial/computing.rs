//! Computing for ever, in whatever place: the CPU limit ends it, in the guest's code and in the host's.

use std::time::{Duration, Instant};

use pusher_core::{Fault, Outcome};

use crate::common::send;
use crate::guest::{FOR_EVER, Guest};
use crate::scene::{SMALL, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_in_send_ends_at_the_cpu_limit() {
    let scene = Scene::hand(&Guest::new().send(FOR_EVER), SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Cpu(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_only_calls_the_host_ends_at_the_cpu_limit() {
    let scene = Scene::faulty(SMALL).await;
    for what in ["clock", "config", "http", "log", "pushers"] {
        let start = Instant::now();
        assert_eq!(scene.fault(&format!("loop:{what}")).await, Fault::Cpu(50), "{what}");
        assert!(start.elapsed() < Duration::from_secs(1), "{what}: {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_only_asks_for_random_numbers_ends_at_the_cpu_limit() {
    let guest = Guest::new()
        .package("package wasi:random@0.2.0; interface random { get-random-bytes: func(len: u64) -> list<u8>; }")
        .import("wasi:random/random@0.2.0")
        .item(r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#)
        .memory("2")
        .send("(loop $again (call $random (i64.const 32768) (i32.const 64)) (br $again)) (unreachable)");
    let scene = Scene::hand(&guest, SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Cpu(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_short_sleeps_ends_at_one_of_both_limits() {
    let scene = Scene::faulty(SMALL).await;
    let fault = scene.fault("loop:sleep").await;
    assert!(matches!(fault, Fault::Cpu(50) | Fault::Time(1000)), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_function_that_never_ends_refuses_the_sender() {
    let guest = Guest::new().item(&format!("(start $start) (func $start {FOR_EVER})"));
    let scene = Scene::hand(&guest, SMALL).await;
    assert_eq!(
        scene.refusal().await,
        "it was tried, and failed: the sender used more than its 50 ms of CPU ([limits] cpu)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_never_comes_refuses_the_sender() {
    let scene = Scene::hand(&Guest::new().name(FOR_EVER), SMALL).await;
    assert!(scene.refusal().await.ends_with("([limits] cpu)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_while_the_host_hands_something_over_ends_at_the_cpu_limit() {
    // `name` takes no arguments, so the sender loads; the message needs memory in the guest.
    let scene = Scene::hand(&Guest::new().realloc(FOR_EVER), SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Cpu(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_after_the_answer_ends_at_the_cpu_limit() {
    let post = format!(r#"(func (export "cabi_post_pusher:sender/sender@0.1.0#send") (param i32) {FOR_EVER})"#);
    let scene = Scene::hand(&Guest::new().item(&post), SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Cpu(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn copying_the_whole_memory_for_ever_ends_at_the_cpu_limit() {
    // Bulk instructions are looked at once each, however much they move.
    let guest = Guest::new().memory("200").send(
        "(loop $again (memory.fill (i32.const 65536) (i32.const 1) (i32.const 13000000)) (br $again)) (unreachable)",
    );
    let scene = Scene::hand(&guest, SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Cpu(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_overflows_is_a_trap_that_says_so() {
    let guest = Guest::new()
        .item("(func $down (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 1)))")
        .send("(call $down (i32.const 0))");
    let scene = Scene::hand(&guest, SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Trap("wasm trap: call stack exhausted".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_is_almost_full_still_holds_the_host() {
    // Goes down as deep as the argument says, and calls the host at the bottom: the host has room of its own, so the
    // depth that is too much is found in the guest and not in the middle of the host.
    let guest = Guest::new()
        .import("pusher:sender/config@0.1.0")
        .item(r#"(import "pusher:sender/config@0.1.0" "get" (func $get (param i32 i32 i32)))"#)
        .item(
            "(func $down (param i32) (if (i32.eqz (local.get 0))
                (then (call $get (i32.const 24) (i32.const 4) (i32.const 64)))
                (else (call $down (i32.sub (local.get 0) (i32.const 1))))))",
        )
        // The length of the message's data is the depth.
        .send("(call $down (local.get 7)) (i32.const 0)");
    let scene = Scene::hand(&guest, SMALL).await;
    let (mut fits, mut overflows) = (0, 1 << 16);
    while overflows - fits > 1 {
        let depth = (fits + overflows) / 2;
        match scene.send(&"x".repeat(depth)).await {
            Ok(Outcome::Done) => fits = depth,
            Err(error) => {
                assert_eq!(error, Fault::Trap("wasm trap: call stack exhausted".into()).into());
                overflows = depth;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(fits > 1000, "{fits}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_processor_is_left_to_others_however_many_sends_compute() {
    let processors = std::thread::available_parallelism().unwrap().get();
    let turns = processors.saturating_sub(1).max(1);
    let scene = Scene::faulty(&SMALL.replace("50ms", "100ms").replace("\"1s\"", "\"20s\"")).await;
    let start = Instant::now();
    let sends: Vec<_> = (0..4 * turns)
        .map(|_| {
            let faulty = scene.loaded.sender("faulty");
            tokio::spawn(async move { send(&*faulty, "spin").await })
        })
        .collect();
    for task in sends {
        assert_eq!(task.await.unwrap(), Err(Fault::Cpu(100).into()));
    }
    // Four in each turn's line, of 100 ms each but for the first tick, which is free.
    let least = Duration::from_millis(4 * 80);
    assert!(start.elapsed() > least, "{:?}", start.elapsed());
}
