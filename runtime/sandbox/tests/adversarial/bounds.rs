//! What all kinds of misbehaviour cost together: the neighbour still delivers, the CPU is bounded, and the memory comes
//! back. These tests measure the process, so they want it alone.

use std::time::Duration;

use pusher_core::SendError;

use crate::common::send;
use crate::guest::{FOR_EVER, Guest};
use crate::scene::{ALONE, SMALL, Scene, process_cpu};

/// Sends of one kind at once.
const AT_ONCE: u32 = 8;
/// What one send may use beyond its CPU limit: a tick of the clock, making and clearing the instance, and a host that is
/// not optimised.
const SLACK: Duration = Duration::from_millis(50);
/// How much larger the process may be after the last round than after the first, in KiB. One instance may have 16 MiB.
const GROWTH: u64 = 12 << 10;

const KINDS: [&str; 12] = [
    "spin",
    "trap",
    "alloc",
    "grow",
    "sleep:60000",
    "loop:clock",
    "loop:config",
    "loop:http",
    "loop:pushers",
    "loop:log",
    "key:3000000",
    "log:1000000",
];

/// Sends this to the misbehaving sender many times at once, and has the neighbour deliver meanwhile. The CPU that all of
/// it took.
async fn round(scene: &Scene, data: &str) -> Duration {
    let before = process_cpu();
    let bad: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (faulty, data) = (scene.loaded.sender("faulty"), data.to_owned());
            tokio::spawn(async move { send(&*faulty, &data).await })
        })
        .collect();
    scene.neighbour_delivers(20).await;
    for task in bad {
        let answer = task.await.unwrap();
        assert!(matches!(answer, Err(SendError::Fault(_))), "{data}: {answer:?}");
    }
    process_cpu() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn the_neighbour_delivers_and_the_cpu_is_bounded_whatever_the_other_does() {
    let _alone = ALONE.write().await;
    let scene = Scene::alone(None, SMALL).await;
    let most = AT_ONCE * (Duration::from_millis(50) + SLACK);
    for kind in KINDS {
        let used = round(&scene, kind).await;
        assert!(used < most, "{kind}: {used:?} of {most:?}");
    }
    let start = Guest::new().realloc(FOR_EVER);
    let used = round(&Scene::alone(Some(&start), SMALL).await, "").await;
    assert!(used < most, "handing over: {used:?} of {most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_comes_back_whatever_was_taken() {
    let _alone = ALONE.write().await;
    let scene = Scene::alone(None, &SMALL.replace("50ms", "15ms")).await;
    let mut after_warm_up = 0;
    for repetition in 0..4 {
        for kind in KINDS.into_iter().filter(|kind| !kind.starts_with("sleep")) {
            round(&scene, kind).await;
        }
        match (repetition, resident()) {
            (0, _) => {}
            (1, now) => after_warm_up = now,
            (_, now) => assert!(now < after_warm_up + GROWTH, "{now} KiB, and {after_warm_up} KiB in the beginning"),
        }
    }
}

/// The process's memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
