//! Promise 2: a sender can crash, spin, allocate or lie; the worker and the other senders go on.

use std::time::Duration;

use pusher_tests::process::Pusher;
use pusher_tests::provider::Provider;
use pusher_tests::recorded::{recorded, until_recorded};
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;
use tokio::time::timeout;

use crate::queue::{jobs, until_jobs, workers};

const KEY: &str = "test-key";

/// A worker with the sender `faulty`, which does what its message says, and `sendmail`.
async fn house(faulty: &str) -> (tempfile::TempDir, Provider, Pusher) {
    let dir = tempfile::tempdir().unwrap();
    let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
    let folder = dir.path().join("senders");
    senders::sendmail(&folder, &provider.url(), KEY).unwrap();
    senders::write(&folder, "faulty", "faulty.wasm", faulty).unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
    (dir, provider, server)
}

#[tokio::test]
async fn a_sender_that_misbehaves_is_tried_again_later_and_the_next_message_is_served_meanwhile() {
    let manifest = "component = \"faulty.wasm\"\n[limits]\nconcurrency = 1\ntime = \"1s\"\n";
    let (_dir, provider, server) = house(manifest).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "faulty").await;
    rest.recipient("lupino", "sendmail").await;
    for (waiting, trouble) in ["trap", "spin", "alloc", "sleep:60000"].into_iter().enumerate() {
        assert_eq!(rest.push("faulty", "lupino", trouble).await.status, 200);
        // The other sender is not held up …
        let data = format!(r#"{{"subject": "during {trouble}", "text": "x"}}"#);
        rest.push("sendmail", "lupino", &data).await;
        let mails = timeout(Duration::from_secs(10), provider.wait_for(waiting + 1)).await;
        assert_eq!(mails.unwrap().len(), waiting + 1, "during {trouble}");
        // … and neither is this one's next message, once the trouble is over: the one slot is free again.
        rest.push("faulty", "lupino", &format!("fine after {trouble}")).await;
        until_jobs(&server, "pusher:faulty", waiting as u64 + 1).await;
    }
    assert_eq!(jobs(&server, "pusher:faulty").await, 4, "all four wait for their next attempt");
    assert_eq!(recorded(&server, "dead").await, 0);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_sender_that_only_crashes_is_parked_and_its_messages_wait_for_a_better_one() {
    let (dir, provider, server) = house("component = \"faulty.wasm\"\n").await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "faulty").await;
    rest.recipient("lupino", "sendmail").await;
    let serves = async |count| (workers(&server, "pusher:faulty").await == count).then_some(());
    until("the sender to take jobs", async || serves(1).await).await;
    for n in 0..10 {
        assert_eq!(rest.push("faulty", "lupino", &format!("trap:{n}")).await.status, 200);
    }
    until("the sender to be parked", async || serves(0).await).await;
    assert_eq!(rest.push("faulty", "lupino", "fine").await.status, 200, "it is accepted all the same");
    rest.push("sendmail", "lupino", r#"{"subject": "s", "text": "t"}"#).await;
    assert_eq!(timeout(Duration::from_secs(10), provider.wait_for(1)).await.unwrap().len(), 1, "the others go on");
    assert_eq!(jobs(&server, "pusher:faulty").await, 11, "nothing is lost");
    assert_eq!(recorded(&server, "dead").await, 0);

    // A better version takes its place.
    senders::write(&dir.path().join("senders"), "faulty", "sample.wasm", "component = \"sample.wasm\"\n").unwrap();
    until("the better one to deliver", async || (jobs(&server, "pusher:faulty").await <= 10).then_some(())).await;
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_message_that_crashes_its_sender_every_time_ends_as_a_dead_letter() {
    let manifest = "component = \"faulty.wasm\"\n[retry]\nschedule = [\"1s\"]\n";
    let (_dir, _provider, server) = house(manifest).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "faulty").await;
    rest.push("faulty", "lupino", "trap").await;
    until_recorded(&server, "dead", 1).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_sender_is_refused_with_a_sentence_and_the_others_run() {
    let dir = tempfile::tempdir().unwrap();
    let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
    let folder = dir.path().join("senders");
    senders::sendmail(&folder, &provider.url(), KEY).unwrap();
    std::fs::write(folder.join("garbage.wasm"), b"this is no component").unwrap();
    std::fs::write(folder.join("typo.toml"), "component = \"sendmail.wasm\"\n[htpp]\nallow = []\n").unwrap();
    std::fs::write(folder.join("nofile.toml"), "component = \"nowhere.wasm\"\n").unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    rest.push("sendmail", "lupino", r#"{"subject": "s", "text": "t"}"#).await;
    assert_eq!(provider.wait_for(1).await.len(), 1);
    server.stop().await;
}
