//! Promise 1: a push that was answered 200 survives `kill -9` of any process at any moment.

use std::time::Duration;

use pusher_tests::place::Place;
use pusher_tests::process::Pusher;
use pusher_tests::provider::Trick;
use pusher_tests::rest::Rest;
use pusher_tests::soak::Random;
use pusher_tests::soak::kill::{Kill, Killed};
use tokio::time::sleep;

use crate::queue::{jobs, until_jobs};

const HELLO: &str = r#"{"subject": "Welcome", "text": "Hello"}"#;

/// Server and worker with a message that the provider has seen and does not answer.
async fn sending(place: &mut Place) -> (Pusher, Pusher) {
    place.provider.play([Trick::Hold]);
    let (server, rest) = place.open().await;
    let worker = place.worker(&server).await;
    rest.push("sendmail", "lupino", HELLO).await;
    place.provider.seen(1).await;
    (server, worker)
}

#[tokio::test]
async fn serve_killed_after_a_200_and_before_delivery_delivers_after_its_restart() {
    let mut place = Place::new().await;
    let (server, rest) = place.open().await;
    assert_eq!(rest.push("sendmail", "lupino", HELLO).await.status, 200);
    server.kill().await;

    let server = place.serve().await;
    assert_eq!(jobs(&server, "pusher:sendmail").await, 1);
    let worker = place.worker(&server).await;
    assert_eq!(place.provider.wait_for(1).await.len(), 1);
    worker.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_worker_killed_in_mid_send_leaves_the_message_to_the_next_one() {
    let mut place = Place::new().await;
    let (server, worker) = sending(&mut place).await;
    worker.kill().await;

    let worker = place.worker(&server).await;
    assert_eq!(place.provider.wait_for(1).await.len(), 1);
    until_jobs(&server, "pusher:sendmail", 0).await;
    worker.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_worker_waits_for_its_server_to_come_back() {
    let mut place = Place::new().await;
    let (server, _) = place.open().await;
    let worker = place.worker(&server).await;
    server.kill().await;

    let server = place.serve().await;
    let rest = Rest::new(&server.api);
    assert_eq!(rest.push("sendmail", "lupino", HELLO).await.status, 200);
    assert_eq!(place.provider.wait_for(1).await.len(), 1);
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_what_it_is_sending() {
    let mut place = Place::new().await;
    let (server, worker) = sending(&mut place).await;
    let (status, ()) = tokio::join!(worker.stop(), async {
        sleep(Duration::from_millis(500)).await;
        place.provider.release();
    });
    assert!(status.success());
    assert_eq!(place.provider.mails().len(), 1);
    until_jobs(&server, "pusher:sendmail", 0).await;
    assert_eq!(place.provider.requests(), 1, "sent once");
    server.stop().await;
}

#[tokio::test]
async fn a_server_told_to_stop_lets_its_own_worker_finish() {
    let place = Place::new().await;
    place.provider.play([Trick::Hold]);
    let data = place.data();
    let senders = place.senders();
    let server = Pusher::serve(&data, &["--senders", &senders.to_string_lossy()]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    rest.push("sendmail", "lupino", HELLO).await;
    place.provider.seen(1).await;
    let (status, ()) = tokio::join!(server.stop(), async {
        sleep(Duration::from_millis(500)).await;
        place.provider.release();
    });
    assert!(status.success());
    assert_eq!(place.provider.mails().len(), 1);
    let server = Pusher::serve(&data, &[]).await;
    assert_eq!(jobs(&server, "pusher:sendmail").await, 0, "what was done is recorded as done");
    server.stop().await;
}

/// The long form is `cargo xtask soak kill`.
#[tokio::test]
async fn nothing_accepted_is_lost_while_everything_is_killed_again_and_again() {
    let mut kill = Kill::start().await;
    let Killed { accepted, kills, repeated } = kill.killed(&mut Random::new(1)).await;
    println!("{accepted} accepted, {kills} kills, at most {repeated} sent again");
    assert!(kills >= 4, "only {kills} kills");
    assert!(accepted >= 100, "only {accepted} were accepted");
    kill.stop().await;
}
