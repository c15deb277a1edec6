//! Connections: how many, for how long, and what a head may be.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::Server;

const IDLE: Duration = Duration::from_millis(300);

async fn impatient() -> Server {
    Server::start(|config| {
        config.limits.timeout = IDLE / 2;
        config.connections.idle = IDLE;
    })
    .await
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let server = impatient().await;
    let mut silent = server.connect().await;
    assert_eq!(silent.closed().await, "");
    let mut served = server.connect().await;
    assert_eq!(served.get("/pusher/pushers/").await.unwrap().status, 200);
    assert_eq!(served.closed().await, "");
    server.stopped().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let server = impatient().await;
    let mut slow = server.connect().await;
    let begun = Instant::now();
    let mut sent = 0;
    for byte in "GET /pusher/pushers/ HTTP/1.1\r\nHost: ".chars().chain(std::iter::repeat('x')) {
        // The first byte after the close is answered by a reset, the second one finds it.
        if slow.send(&byte.to_string()).await.is_err() {
            break;
        }
        sent += 1;
        sleep(IDLE / 20).await;
    }
    assert!(begun.elapsed() >= IDLE && sent > 2, "closed after {sent} bytes and {:?}", begun.elapsed());
    server.stopped().await;
}

#[tokio::test]
async fn a_connection_that_is_used_stays() {
    let server = impatient().await;
    let mut used = server.connect().await;
    let begun = Instant::now();
    while begun.elapsed() < 3 * IDLE {
        assert_eq!(used.get("/pusher/pushers/").await.unwrap().status, 200);
        sleep(IDLE / 10).await;
    }
    server.stopped().await;
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_is_closed() {
    let server = Server::start(|config| config.connections.most = 2).await;
    let mut open = [server.connect().await, server.connect().await];
    for connection in &mut open {
        assert_eq!(connection.get("/pusher/pushers/").await.unwrap().status, 200);
    }
    let mut third = server.connect().await;
    let waiting = third.get("/pusher/pushers/");
    tokio::pin!(waiting);
    assert!(timeout(Duration::from_millis(200), waiting.as_mut()).await.is_err(), "served as a third one");
    drop(open);
    assert_eq!(waiting.await.unwrap().status, 200);
    server.stopped().await;
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused_by_its_target_or_as_a_whole() {
    let server = Server::start(|_| {}).await;
    let target = |length: usize| format!("/pusher/pushers/?x={}", "y".repeat(length - 19));
    assert_eq!(server.connect().await.get(&target(8192)).await.unwrap().status, 200);
    for length in [8193, 60_000] {
        let answer = server.connect().await.get(&target(length)).await.unwrap();
        let sentence = r#"{"err":"the path and query are longer than the limit of 8192 bytes"}"#;
        assert_eq!((answer.status, answer.body.as_str()), (414, sentence));
    }
    let headers = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(64 * 1024));
    let mut long = server.connect().await;
    long.send(&headers).await.unwrap();
    assert_eq!(long.answer().await.unwrap().status, 431);
    server.stopped().await;
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_answered_504_and_its_connection_closed() {
    let server = impatient().await;
    let mut slow = server.connect().await;
    slow.begin_post("/pusher/pushers/", 8).await;
    slow.send("pusher=").await.unwrap();
    let answer = slow.answer().await.unwrap();
    let sentence = r#"{"err":"not served within 0.15 s; whether it was done is not known"}"#;
    assert_eq!((answer.status, answer.body.as_str()), (504, sentence));
    slow.closed().await;
    let list = server.connect().await.get("/pusher/pushers/").await.unwrap();
    assert!(list.body.contains(r#""total":0"#), "{list:?}");
    server.stopped().await;
}

#[tokio::test]
async fn a_request_too_many_is_answered_429() {
    let server = Server::start(|config| config.limits.concurrent = 1).await;
    let mut first = server.connect().await;
    first.begin_post("/pusher/pushers/", 8).await;
    let answer = server.connect().await.get("/pusher/pushers/").await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    first.send("pusher=x").await.unwrap();
    assert_eq!(first.answer().await.unwrap().status, 200);
    server.stopped().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_answered_413_whether_its_length_is_told_or_not() {
    let server = Server::start(|config| config.limits.body = 1000).await;
    let form = format!("pusher=x&email={}", "y".repeat(1000));
    let told = server.connect().await.post("/pusher/pushers/", &form).await.unwrap();
    assert_eq!(told.status, 413, "{told:?}");
    let mut chunked = server.connect().await;
    let head = "POST /pusher/pushers/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    chunked.send(&format!("{head}{:x}\r\n{form}\r\n0\r\n\r\n", form.len())).await.unwrap();
    let answer = chunked.answer().await.unwrap();
    let sentence = r#"{"err":"the body is longer than the limit of 1000 bytes"}"#;
    assert_eq!((answer.status, answer.body.as_str()), (413, sentence));
    server.stopped().await;
}
