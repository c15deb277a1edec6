//! Taking memory: in small steps, in one, in tables, and in the host.

use pusher_core::Fault;

use crate::guest::Guest;
use crate::scene::{PATIENT, SMALL, Scene, permanent};

const MEMORY: Fault = Fault::Memory(16 << 20);

#[tokio::test(flavor = "multi_thread")]
async fn memory_ends_at_its_limit_in_small_steps_and_in_one() {
    let scene = Scene::faulty(SMALL).await;
    assert_eq!(scene.fault("alloc").await, MEMORY);
    assert_eq!(scene.fault("grow").await, MEMORY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_begins_over_the_limit_refuses_the_sender() {
    let scene = Scene::hand(&Guest::new().memory("257"), SMALL).await;
    assert_eq!(
        scene.refusal().await,
        "it was tried, and failed: the sender asked for more than its 16777216 bytes of memory ([limits] memory)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_page_is_no_fault_if_the_guest_can_do_without() {
    let scene = Scene::hand(&Guest::new().send("(drop (memory.grow (i32.const 32768))) (i32.const 0)"), SMALL).await;
    assert_eq!(scene.send("").await, Ok(pusher_core::Outcome::Done));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_end_at_their_limit() {
    let table = "(table $t 1 funcref) (func $grow (param i32) (result i32)
        (table.grow $t (ref.null func) (local.get 0)))";
    let crash = |step: u32| {
        format!("(loop $again (br_if $again (i32.ne (call $grow (i32.const {step})) (i32.const -1)))) (unreachable)")
    };
    for step in [1000, 100_000_000] {
        let scene = Scene::hand(&Guest::new().item(table).send(&crash(step)), SMALL).await;
        let expected = "its tables would have had more than 65536 entries";
        assert_eq!(scene.fault("").await, Fault::Trap(expected.into()), "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_to_the_host_in_one_call_has_a_limit() {
    const TOO_MUCH: &str = "it handed the host more than 2097152 bytes in one call";
    let scene = Scene::faulty(&format!("{PATIENT}memory = \"256MiB\"\n")).await;
    for data in ["key:10000000", "url:100000000", "headers:1000000 http://127.0.0.1/"] {
        assert_eq!(scene.fault(data).await, Fault::Trap(TOO_MUCH.into()), "{data}");
    }
    // Below it the key is looked for.
    assert_eq!(scene.ask("key:1000000").await, "None");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_names_the_same_bytes_many_times_counts_each_time() {
    // 3000 headers, each with the same megabyte for a name and for a value: 6 GB for the host, 48 KB for the guest.
    let guest = request("(i32.const 131072) (i32.const 3000)")
        .item(
            r#"(func $fill (local $at i32) (loop $again
            (i32.store (i32.add (i32.const 131072) (local.get $at)) (i32.const 262144))
            (i32.store offset=4 (i32.add (i32.const 131072) (local.get $at)) (i32.const 1048576))
            (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 48000)))))"#,
        )
        .memory("32");
    let scene = Scene::hand(&guest, SMALL).await;
    let expected = "it handed the host more than 2097152 bytes in one call";
    assert_eq!(scene.fault("").await, Fault::Trap(expected.into()));
}

/// A guest that makes a request with these headers (an address and a count), once `$fill` has written them.
fn request(headers: &str) -> Guest {
    Guest::new()
        .import("pusher:sender/http@0.1.0")
        .item(
            r#"(import "pusher:sender/http@0.1.0" "send"
            (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#,
        )
        .send(&format!(
            "(call $fill) (call $send (i32.const 24) (i32.const 4) (i32.const 24) (i32.const 4) {headers}
             (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)"
        ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_of_many_megabytes_is_a_trap_and_a_long_one_is_cut() {
    // A permanent failure whose reason is as long as the message's data says, in thousands.
    let guest = Guest::new().memory("128").send(
        "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 68) (i32.const 2))
         (i32.store (i32.const 72) (i32.const 65536))
         (i32.store (i32.const 76) (i32.mul (local.get 7) (i32.const 1000))) (i32.const 64)",
    );
    let scene = Scene::hand(&guest, SMALL).await;
    assert_eq!(scene.send(&"x".repeat(1000)).await, permanent(&("\u{fffd}".repeat(333) + "…")));
    let expected = "it handed the host more than 2097152 bytes in one call";
    assert_eq!(scene.fault(&"x".repeat(3000)).await, Fault::Trap(expected.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_does_not_fit_into_the_guest_is_the_guests_fault() {
    // The recipient that it asks for is given room just past the end of its memory.
    let guest = Guest::new()
        .import("pusher:sender/pushers@0.1.0")
        .item(r#"(import "pusher:sender/pushers@0.1.0" "search" (func $search (param i32 i32 i64 i32 i32)))"#)
        .item("(global $asked (mut i32) (i32.const 0))")
        .realloc("(select (i32.const 65528) (i32.const 4096) (global.get $asked))")
        .send("(global.set $asked (i32.const 1)) (call $search (i32.const 24) (i32.const 0) (i64.const 0) (i32.const 100) (i32.const 64)) (i32.const 0)");
    let scene = Scene::hand(&guest, &format!("{SMALL}[pushers]\nread = true\n")).await;
    let fault = scene.fault("").await;
    assert!(matches!(&fault, Fault::Trap(why) if why == "realloc return: beyond end of memory"), "{fault:?}");
}
