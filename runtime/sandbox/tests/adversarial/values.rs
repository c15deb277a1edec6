//! Values that are none, lowered by hand: each is a trap that says what was wrong, and none gets as far as our code.

use pusher_core::{Fault, Outcome};

use crate::guest::Guest;
use crate::scene::{SMALL, Scene};

/// The trap of a guest whose `send` does this.
async fn trap(guest: &Guest) -> String {
    match Scene::hand(guest, SMALL).await.fault("").await {
        Fault::Trap(why) => why,
        other => panic!("{other:?}"),
    }
}

/// A guest that asks for the config key at this address and of this length, of which the bytes are `\ff\fe`.
fn config(key: &str) -> Guest {
    Guest::new()
        .import("pusher:sender/config@0.1.0")
        .item(r#"(import "pusher:sender/config@0.1.0" "get" (func $get (param i32 i32 i32)))"#)
        .item(r#"(data (i32.const 128) "\ff\fe")"#)
        .send(&format!("(call $get {key} (i32.const 64)) (i32.const 0)"))
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf8_is_a_trap() {
    let why = trap(&config("(i32.const 128) (i32.const 2)")).await;
    assert!(why.contains("invalid utf-8"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_outside_of_the_memory_is_a_trap() {
    for key in ["(i32.const 65535) (i32.const 2)", "(i32.const -1) (i32.const 1)", "(i32.const 128) (i32.const -1)"] {
        let why = trap(&config(key)).await;
        assert!(why.contains("out of bounds"), "{key}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_of_the_cases_is_a_trap() {
    let answer = |at: u32, case: u32| {
        Guest::new().send(&format!("(i32.store8 (i32.const {}) (i32.const {case})) (i32.const 64)", 64 + at))
    };
    for (at, case) in [(0, 2), (4, 2), (4, 255)] {
        let why = trap(&answer(at, case)).await;
        assert!(why.contains("discriminant"), "{at} {case}: {why}");
    }
    let outside = trap(&Guest::new().send("(i32.const 65532)")).await;
    assert!(outside.contains("out of bounds"), "{outside}");
    let crooked = trap(&Guest::new().send("(i32.const 65)")).await;
    assert!(crooked.contains("not aligned"), "{crooked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn room_for_the_message_outside_of_the_memory_is_a_trap() {
    for realloc in ["(i32.const -8)", "(i32.const 65536)"] {
        let why = trap(&Guest::new().realloc(realloc)).await;
        assert_eq!(why, "realloc return: beyond end of memory", "{realloc}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_not_called_while_it_hands_something_over() {
    let guest = config("(i32.const 24) (i32.const 4)")
        .realloc("(call $get (i32.const 24) (i32.const 4) (i32.const 64)) (i32.const 4096)");
    let why = trap(&guest).await;
    assert!(why.contains("cannot leave component instance"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_none_refuses_a_sender_without_a_manifest() {
    // 200 bytes, with a line end and a control character among them.
    let guest = Guest::new()
        .name("(i32.const 64)")
        .item(r#"(data (i32.const 64) "\80\00\00\00\c8\00\00\00") (data (i32.const 128) "a\0ab\1b[2J")"#);
    let directory = crate::common::Directory::new().component("sample").file("hand.wasm", guest.build());
    let loaded = directory.load().await;
    let reason = loaded.refusal("hand.wasm");
    assert!(reason.contains("which is no name for a sender") && !reason.contains(char::is_control), "{reason}");
    assert_eq!(loaded.names(), ["sample"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_wait_comes_back_as_it_was_given() {
    // The retry rule clamps it to seven days (`core/src/retry.rs`).
    let scene = Scene::faulty(SMALL).await;
    assert_eq!(scene.send(&format!("later:{}", u32::MAX)).await, Ok(Outcome::Later(u32::MAX)));
}
