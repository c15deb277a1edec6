//! Servers that are busy, broken, slow or not there.

use std::time::Duration;

use pusher_client::{Client, ClientError, Options, base_url};
use pusher_core::{PushRequest, PusherId, SenderName};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::scripted::{ACCEPTED, BUSY, OK, Scripted};

/// A server that gives these answers, and a client of it.
async fn scripted(answers: &[&str]) -> (Client, Scripted) {
    let server = Scripted::start(answers).await;
    (client(&server.address), server)
}

/// A refusal that names a time to wait, in seconds.
fn wait(status: u16, seconds: &str) -> String {
    format!("{status}\r\nretry-after:{seconds} {{\"err\":\"not now\"}}")
}

fn client(address: &str) -> Client {
    let options = Options {
        timeout: Duration::from_millis(200),
        retries: 2,
        backoff: Duration::from_millis(1),
        ..Options::default()
    };
    Client::new(base_url(address).unwrap(), options).unwrap()
}

fn lupino() -> PusherId {
    PusherId::parse("lupino").unwrap()
}

fn push() -> PushRequest {
    let sender = SenderName::parse("sample").unwrap();
    PushRequest { sender, pusher: lupino(), data: "x".into(), sched_at: 0, force: false }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_for_every_call() {
    let (client, server) = scripted(&[BUSY, BUSY, OK]).await;
    client.delete(&lupino()).await.unwrap();
    assert_eq!(server.asked(), 3);
    let (client, server) = scripted(&[BUSY, ACCEPTED]).await;
    client.push(&push()).await.unwrap();
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_server_that_has_too_much_to_do_is_asked_again_for_every_call() {
    let (client, server) = scripted(&[&wait(429, "0"), ACCEPTED]).await;
    client.push(&push()).await.unwrap();
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_server_that_was_too_late_is_asked_again_only_for_what_may_be_done_twice() {
    const LATE: &str = "504 {\"err\":\"too late\"}";
    let (client, server) = scripted(&[LATE, OK]).await;
    client.delete(&lupino()).await.unwrap();
    assert_eq!(server.asked(), 2);
    let (client, server) = scripted(&[LATE, ACCEPTED]).await;
    let error = client.push(&push()).await.unwrap_err();
    assert!(matches!(&error, ClientError::TooLate(said) if said == "too late"), "{error:?}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_server_is_not_asked_again_before_the_time_it_names() {
    for status in [429, 503] {
        let (client, server) = scripted(&[&wait(status, "1"), OK]).await;
        let began = Instant::now();
        client.delete(&lupino()).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(1), "{status}: {:?}", began.elapsed());
        assert_eq!(server.asked(), 2);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_long_time_is_left_alone() {
    let (client, server) = scripted(&[&wait(429, "61"), OK]).await;
    let error = client.delete(&lupino()).await.unwrap_err();
    assert!(matches!(error, ClientError::TooBusy(_)), "{error:?}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_server_that_stays_busy_is_not_asked_for_ever() {
    let (client, server) = scripted(&[BUSY]).await;
    let error = client.delete(&lupino()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Unavailable(s) if s == "busy"), "{error:?}");
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again_only_for_what_may_be_done_twice() {
    let (client, server) = scripted(&["", OK]).await;
    client.delete(&lupino()).await.unwrap();
    assert_eq!(server.asked(), 2);
    let (client, server) = scripted(&["", ACCEPTED]).await;
    let error = client.push(&push()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(_)), "{error:?}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_never_answers_is_unreachable() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    let silent = client(&address).delete(&lupino()).await.unwrap_err();
    assert!(matches!(&silent, ClientError::Unreachable(error) if error.is_timeout()), "{silent:?}");
    drop(nobody);
    let gone = client(&address).push(&push()).await.unwrap_err();
    assert!(matches!(&gone, ClientError::Unreachable(error) if error.is_connect()), "{gone:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_a_pushers_is_told_apart() {
    let (client, _server) = scripted(&["200 hello"]).await;
    let error = client.delete(&lupino()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected(_)), "{error:?}");
}
