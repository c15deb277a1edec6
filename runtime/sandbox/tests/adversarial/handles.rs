//! Leaving handles open: the table of them has an end.

use pusher_core::Fault;

use crate::guest::Guest;
use crate::scene::{SMALL, Scene};

const TOO_MANY: &str = "it held more than 1000 handles (streams, timers …) at once";

/// As much of the timers' interfaces as it takes.
fn timers() -> Guest {
    Guest::new()
        .package(
            "package wasi:io@0.2.0; interface poll { resource pollable { block: func(); }
                poll: func(in: list<borrow<pollable>>) -> list<u32>; }",
        )
        .package(
            "package wasi:clocks@0.2.0; interface monotonic-clock {
                use wasi:io/poll@0.2.0.{pollable}; subscribe-duration: func(when: u64) -> pollable; }",
        )
        .import("wasi:clocks/monotonic-clock@0.2.0")
        .item(r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_that_are_never_dropped_end_at_a_limit() {
    let guest = timers().send("(loop $again (drop (call $timer (i64.const 1000000))) (br $again)) (unreachable)");
    let scene = Scene::hand(&guest, SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Trap(TOO_MANY.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_never_dropped_end_at_a_limit() {
    let guest = Guest::new()
        .package("package wasi:io@0.2.0; interface streams { resource output-stream { flush: func(); } }")
        .package(
            "package wasi:cli@0.2.0; interface stderr {
                use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }",
        )
        .import("wasi:cli/stderr@0.2.0")
        .item(r#"(import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))"#)
        .send("(loop $again (drop (call $stderr)) (br $again)) (unreachable)");
    let scene = Scene::hand(&guest, SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Trap(TOO_MANY.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_for_ever_ends_at_the_time_limit() {
    let guest = timers()
        .item(r#"(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#)
        .send("(call $block (call $timer (i64.const -1))) (i32.const 0)");
    let scene = Scene::hand(&guest, SMALL).await;
    assert_eq!(scene.fault("").await, Fault::Time(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_was_never_given_is_a_trap() {
    let guest = timers()
        .item(r#"(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#)
        .send("(call $block (i32.const 7)) (i32.const 0)");
    let scene = Scene::hand(&guest, SMALL).await;
    let fault = scene.fault("").await;
    assert!(matches!(&fault, Fault::Trap(why) if why.contains("unknown handle index 7")), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_very_many_timers_at_once_ends_at_a_limit() {
    // One timer, named half a million times.
    let guest = timers()
        .item(r#"(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))"#)
        .memory("64")
        .item(
            "(func $fill (param $handle i32) (local $at i32) (local.set $at (i32.const 131072)) (loop $again
                (i32.store (local.get $at) (local.get $handle))
                (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 2131072)))))",
        )
        .send(
            "(call $fill (call $timer (i64.const 1000000)))
             (call $poll (i32.const 131072) (i32.const 500000) (i32.const 64)) (i32.const 0)",
        );
    let scene = Scene::hand(&guest, SMALL).await;
    let fault = scene.fault("").await;
    assert!(matches!(&fault, Fault::Trap(_) | Fault::Cpu(50)), "{fault:?}");
}
