//! Crashes, at every point of a sender's life.

use pusher_core::{Fault, Outcome};

use crate::common::Server;
use crate::guest::Guest;
use crate::scene::{PATIENT, SMALL, Scene};

const CRASH: &str = "it panicked or reached unreachable code";

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_start_or_name_refuses_the_sender_with_that() {
    for guest in [Guest::new().item("(start $start) (func $start (unreachable))"), Guest::new().name("(unreachable)")] {
        let scene = Scene::hand(&guest, SMALL).await;
        assert_eq!(scene.refusal().await, format!("it was tried, and failed: the sender trapped: {CRASH}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_send_is_told_with_its_kind() {
    for (body, why) in [
        ("(unreachable)", CRASH),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "wasm trap: integer divide by zero"),
        ("(i32.load (i32.const -1))", "wasm trap: out of bounds memory access"),
        ("(call_indirect (result i32) (i32.const 5))", "wasm trap: undefined element: out of bounds table access"),
    ] {
        let scene = Scene::hand(&Guest::new().item("(table 1 funcref)").send(body), SMALL).await;
        assert_eq!(scene.fault("").await, Fault::Trap(why.into()), "{body}");
        // What crashed once is not in the way of the next message.
        assert_eq!(scene.fault("").await, Fault::Trap(why.into()), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_a_request_went_out_is_a_crash_and_the_connection_is_whole() {
    let server = Server::start("200 OK\r\n\r\nhello").await;
    let manifest = format!("{PATIENT}[http]\nallow = [\"{}\"]\nprivate = true\n", server.origin);
    let scene = Scene::faulty(&manifest).await;
    assert_eq!(scene.fault(&format!("fetch-trap:{}/", server.origin)).await, Fault::Trap(CRASH.into()));
    assert!(server.only_request().head.starts_with("get / "));
    assert_eq!(scene.ask(&format!("fetch:{}/", server.origin)).await, "(200, \"hello\")");
    assert_eq!(scene.send("").await, Ok(Outcome::Done));
}
