//! Servers that are busy, broken, slow or not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pusher_client::{Client, ClientError, Options, base_url};
use pusher_core::{PushRequest, PusherId, SenderName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{\"result\":\"OK\"}";
const ACCEPTED: &str =
    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 26\r\n\r\n{\"name\":\"x_1\",\"result\":\"\"} ";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 14\r\n\r\n{\"err\":\"busy\"}";

/// A server that gives each request the next of `answers` (the last for ever) and counts them. An empty answer closes
/// the connection without a word.
async fn server(answers: &'static [&'static str]) -> (Client, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&listener.local_addr().unwrap().to_string());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            _ = socket.read(&mut request).await;
            let answer = answers[count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
            _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (client, asked)
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
    let (client, asked) = server(&[BUSY, BUSY, OK]).await;
    client.delete(&lupino()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let (client, asked) = server(&[BUSY, ACCEPTED]).await;
    client.push(&push()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_server_that_stays_busy_is_not_asked_for_ever() {
    let (client, asked) = server(&[BUSY]).await;
    let error = client.delete(&lupino()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Unavailable(s) if s == "busy"), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again_only_for_what_may_be_done_twice() {
    let (client, asked) = server(&["", OK]).await;
    client.delete(&lupino()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let (client, asked) = server(&["", ACCEPTED]).await;
    let error = client.push(&push()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(_)), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
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
    let (client, _) = server(&["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello"]).await;
    let error = client.delete(&lupino()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected(_)), "{error:?}");
}
