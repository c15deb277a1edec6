//! Components that are composed of others, each with a memory of its own: what passes between them is copied by modules
//! that the engine makes, and the limits hold over all of them.

use pusher_core::Fault;

use crate::guest::Guest;
use crate::scene::{SMALL, Scene, permanent};

/// A sender that has another component shout the message's data, and fails with what comes back. The other one takes so
/// many pages of memory to do it.
fn composed(pages: u32) -> Vec<u8> {
    let text = format!(
        r#"(component
            (component $text
                (core module $m
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                    (func (export "shout") (param $text i32) (param $length i32) (result i32)
                        (if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (unreachable)))
                        (i32.store8 (local.get $text) (i32.const 0x21))
                        (i32.store (i32.const 16) (local.get $text))
                        (i32.store (i32.const 20) (local.get $length))
                        (i32.const 16)))
                (core instance $i (instantiate $m))
                (func (export "shout") (param "text" string) (result string)
                    (canon lift (core func $i "shout") (memory $i "memory") (realloc (func $i "realloc")))))
            (component $sender
                (import "shout" (func $shout (param "text" string) (result string)))
                (core module $libc
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
                (core instance $libc (instantiate $libc))
                (core func $shout (canon lower (func $shout) (memory $libc "memory") (realloc (func $libc "realloc"))))
                (core module $m
                    (import "libc" "memory" (memory 1))
                    (import "text" "shout" (func $shout (param i32 i32 i32)))
                    (data (i32.const 16) "\18\00\00\00\08\00\00\00composed")
                    (data (i32.const 64) "\01\00\00\00\02")
                    (func (export "name") (result i32) (i32.const 16))
                    (func (export "send") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                        (call $shout (local.get 6) (local.get 7) (i32.const 72))
                        (i32.const 64)))
                (core instance $i (instantiate $m
                    (with "libc" (instance $libc))
                    (with "text" (instance (export "shout" (func $shout))))))
                (type $m (record (field "id" string) (field "sender" string) (field "pusher" string)
                    (field "data" string) (field "attempt" u32)))
                (export $message "message" (type $m))
                (type $o (variant (case "done") (case "later" u32)))
                (export $outcome "outcome" (type $o))
                (type $f (variant (case "temporary" string) (case "limited" (option u32)) (case "permanent" string)))
                (export $failure "failure" (type $f))
                (func (export "name") (result string) (canon lift (core func $i "name") (memory $libc "memory")))
                (func (export "send") (param "message" $message) (result (result $outcome (error $failure)))
                    (canon lift (core func $i "send") (memory $libc "memory") (realloc (func $libc "realloc")))))
            (instance $text (instantiate $text))
            (instance $sender (instantiate $sender (with "shout" (func $text "shout"))))
            (export "pusher:sender/sender@0.1.0" (instance $sender)))"#
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_composed_of_others_loads_and_sends() {
    let scene = Scene::component(composed(1), SMALL).await;
    assert_eq!(scene.send("hello").await, permanent("!ello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memories_of_all_its_parts_count_together() {
    // Of 256 pages the two take one each to begin with.
    let scene = Scene::component(composed(254), SMALL).await;
    assert_eq!(scene.send("hello").await, permanent("!ello"));
    let scene = Scene::component(composed(255), SMALL).await;
    assert_eq!(scene.fault("hello").await, Fault::Memory(16 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_with_two_memories_of_its_own_is_refused() {
    let scene = Scene::hand(&Guest::new().item("(memory $second 1)"), SMALL).await;
    let reason = scene.refusal().await;
    assert!(reason.starts_with("faulty.wasm is not a component that this host can run: "), "{reason}");
    assert!(reason.contains("memories"), "{reason}");
}
