//! Instances that send more than one message (`[limits] reuse`): when they do, what is each message's own all the same, and
//! that an idle one is in nobody's way.

use std::time::Duration;

use pusher_core::{Fault, Outcome, SendError};
use pusher_sandbox::SandboxConfig;

use crate::common::{Loaded, Server, send};
use crate::guest::Guest;
use crate::scene::{PATIENT, SMALL, Scene, until};

const CRASH: &str = "it panicked or reached unreachable code";

/// Limits, with this many messages for an instance.
fn reuse(times: u32, limits: &str) -> String {
    format!("{limits}reuse = {times}\n")
}

/// How many messages the instance has had that sends the next.
async fn tally(loaded: &Loaded, sender: &str) -> u32 {
    match send(&*loaded.sender(sender), "tally").await {
        Ok(Outcome::Later(messages)) => messages,
        other => panic!("{other:?}"),
    }
}

fn idle(loaded: &Loaded) -> usize {
    loaded.sandbox.pool_use().idle
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_sends_as_many_messages_as_the_manifest_says_and_then_comes_a_fresh_one() {
    let scene = Scene::faulty(&reuse(3, PATIENT)).await;
    for expected in [1, 2, 3, 1, 2, 3, 1] {
        assert_eq!(tally(&scene.loaded, "faulty").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_sends_for_its_own_sender_only() {
    let mut scene = Scene::faulty(&reuse(10, PATIENT)).await;
    let twin = format!("component = \"faulty.wasm\"\n{}", reuse(10, PATIENT));
    std::fs::write(scene.loaded.dir.path().join("twin.toml"), twin).unwrap();
    scene.loaded.report = scene.loaded.sandbox.load_dir(scene.loaded.dir.path()).await.unwrap();
    for expected in [1, 2, 3] {
        for sender in ["faulty", "twin"] {
            assert_eq!(tally(&scene.loaded, sender).await, expected, "{sender}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_never_sends_again_after_a_fault_a_failure_or_a_call_that_was_dropped() {
    let scene = Scene::faulty(&reuse(10, SMALL)).await;
    for data in ["trap", "spin", "alloc", "grow", "sleep:60000", "temporary", "limited:30", "permanent"] {
        assert_eq!(tally(&scene.loaded, "faulty").await, 1, "before {data}");
        assert!(scene.send(data).await.is_err(), "{data}");
        assert_eq!(idle(&scene.loaded), 0, "{data}");
    }
    assert_eq!(tally(&scene.loaded, "faulty").await, 1);
    let dropped = tokio::time::timeout(Duration::from_millis(50), scene.send("sleep:60000")).await;
    assert!(dropped.is_err());
    assert_eq!(tally(&scene.loaded, "faulty").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_has_the_time_and_the_cpu_to_itself() {
    let server = Server::start("200 OK\r\n\r\nhello").await;
    let manifest = format!(
        "[http]\nallow = [\"{}\"]\nprivate = true\n[limits]\ntime = \"1s\"\ncpu = \"250ms\"\nreuse = 10\n",
        server.origin
    );
    let scene = Scene::faulty(&manifest).await;
    // Together more than a message may have of either, but no one of them is.
    for data in ["sleep:700", "sleep:700", "spin:150", "spin:150"] {
        assert_eq!(scene.send(data).await, Ok(Outcome::Done), "{data}");
    }
    assert_eq!(tally(&scene.loaded, "faulty").await, 5);
    assert_eq!(scene.loaded.ask(&format!("fetch:{}/", server.origin)).await, "(200, \"hello\")");
}

/// A guest that does as the length of the data says: is put off by as many seconds as it had messages (0), takes 10 MiB
/// (1) or 12.5 MiB (2) or crashes, asks for more memory than there is (3) or table (4) and does without, crashes (5).
fn hungry() -> Guest {
    let take = |length: u32, pages: u32| {
        format!(
            "(if (i32.eq (local.get 7) (i32.const {length}))
                (then (if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (unreachable)))))"
        )
    };
    let ask = |length: u32, asked: &str| {
        format!("(if (i32.eq (local.get 7) (i32.const {length})) (then (drop ({asked} (i32.const 1000000)))))")
    };
    Guest::new()
        .item("(table $t 1 funcref) (global $messages (mut i32) (i32.const 0))")
        // Taken at address 64: the case `later` of the outcome of a result that is no failure.
        .item(r#"(data (i32.const 68) "\01")"#)
        .send(&format!(
            "(global.set $messages (i32.add (global.get $messages) (i32.const 1)))
             (i32.store (i32.const 72) (global.get $messages))
             {} {} {} {}
             (if (i32.eq (local.get 7) (i32.const 5)) (then (unreachable)))
             (select (i32.const 0) (i32.const 64) (local.get 7))",
            take(1, 160),
            take(2, 200),
            ask(3, "memory.grow"),
            ask(4, "table.grow $t (ref.null func)"),
        ))
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_was_taken_for_one_message_counts_for_the_next() {
    let scene = Scene::hand(&hungry(), &reuse(10, SMALL)).await;
    assert_eq!(scene.send("x").await, Ok(Outcome::Done));
    assert_eq!(scene.send("").await, Ok(Outcome::Later(2)));
    assert_eq!(scene.send("x").await, Err(SendError::Fault(Fault::Memory(16 << 20))));
    assert_eq!(scene.send("").await, Ok(Outcome::Later(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_has_little_memory_left_sends_no_more() {
    let scene = Scene::hand(&hungry(), &reuse(10, SMALL)).await;
    assert_eq!(scene.send("xx").await, Ok(Outcome::Done));
    assert_eq!(scene.send("").await, Ok(Outcome::Later(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_message_was_refused_is_not_what_ended_the_next() {
    let scene = Scene::hand(&hungry(), &reuse(10, SMALL)).await;
    for refused in ["xxx", "xxxx"] {
        assert_eq!(scene.send(refused).await, Ok(Outcome::Done));
        assert_eq!(scene.send("").await, Ok(Outcome::Later(2)));
        assert_eq!(scene.send("xxxxx").await, Err(SendError::Fault(Fault::Trap(CRASH.into()))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_instances_take_no_place_from_other_senders() {
    let config = SandboxConfig { max_sends: 2, max_idle: 1, ..SandboxConfig::default() };
    let mut scene = Scene::within(config, &reuse(100, PATIENT)).await;
    let other = format!("component = \"faulty.wasm\"\n{PATIENT}");
    std::fs::write(scene.loaded.dir.path().join("other.toml"), other).unwrap();
    scene.loaded.report = scene.loaded.sandbox.load_dir(scene.loaded.dir.path()).await.unwrap();
    for round in 1..4 {
        for sender in ["faulty", "other"] {
            let sender = scene.loaded.sender(sender);
            let both = tokio::join!(send(&*sender, "sleep:50"), send(&*sender, "sleep:50"));
            assert_eq!(both, (Ok(Outcome::Done), Ok(Outcome::Done)), "{round}");
            // Of the two that could have waited, one found no place to.
            assert_eq!(idle(&scene.loaded), 1, "{round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_idle_for_too_long_is_dropped() {
    let config = SandboxConfig { idle_time: Duration::from_millis(100), ..SandboxConfig::default() };
    let scene = Scene::within(config, &reuse(10, PATIENT)).await;
    // Again, for the watch ends when there is nothing to watch.
    for _ in 0..2 {
        assert_eq!(tally(&scene.loaded, "faulty").await, 1);
        until(|| idle(&scene.loaded) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_gone_takes_its_idle_instances_with_it() {
    let mut scene = Scene::faulty(&reuse(10, PATIENT)).await;
    assert_eq!(tally(&scene.loaded, "faulty").await, 1);
    assert_eq!(idle(&scene.loaded), 1);
    scene.loaded.report.senders.clear();
    // The watch may just be looking at them.
    until(|| idle(&scene.loaded) == 0).await;
}
