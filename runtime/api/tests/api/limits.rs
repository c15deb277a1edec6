//! The limits on one request and on all together.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use pusher_api::Limits;

use crate::bench::{Bench, FORM};

fn small() -> Limits {
    Limits { body: 100, timeout: Duration::from_millis(100), concurrent: 1 }
}

/// A body of chunks whose length is not told beforehand.
fn streamed(chunks: Vec<Vec<u8>>) -> Body {
    Body::from_stream(futures_util::stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)))
}

fn form(length: usize) -> String {
    let start = "pusher=x&email=";
    format!("{start}{}", "y".repeat(length - start.len()))
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not() {
    let bench = Bench::with_limits(small());
    let told = Request::post("/pusher/pushers/").header("content-type", FORM).header("content-length", "101");
    let chunks = form(101).into_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    for body in [
        bench.send(told.body(Body::from(form(101))).unwrap()).await,
        bench.post("/pusher/pushers/", FORM, form(101)).await,
        bench.post("/pusher/pushers/", FORM, streamed(chunks)).await,
        bench.post("/pusher/sample/push", "application/json", form(101)).await,
        bench.post("/pusher/sample/push", "multipart/form-data; boundary=b", form(101)).await,
    ] {
        let sentence = "the body is longer than the limit of 100 bytes".to_owned();
        assert_eq!((body.status, body.sentence()), (413, Some(sentence)), "{body:?}");
    }
    assert!(bench.state().0.is_empty());
}

#[tokio::test]
async fn a_body_at_the_limit_is_taken_whether_it_comes_whole_or_in_pieces() {
    let bench = Bench::with_limits(small());
    assert_eq!(bench.post("/pusher/pushers/", FORM, form(100)).await.status, 200);
    let chunks = form(100).into_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    assert_eq!(bench.post("/pusher/pushers/", FORM, streamed(chunks)).await.status, 200);
    assert_eq!(bench.state().0.into_values().next().unwrap().email.len(), 85);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_all_the_same() {
    let bench = Bench::with_limits(small());
    *bench.store.delay.lock().unwrap() = Duration::from_secs(60);
    let answer = bench.get("/pusher/pushers/").await;
    assert_eq!((answer.status, answer.retry_after()), (503, Some("1")));
    let sentence = "not served within 0.1 s; whether it was done is not known";
    assert_eq!(answer.sentence().as_deref(), Some(sentence));
}

#[tokio::test]
async fn one_request_too_many_is_sent_away_and_the_next_is_served() {
    let bench = Bench::with_limits(small());
    *bench.store.delay.lock().unwrap() = Duration::from_millis(20);
    let (first, second) = tokio::join!(bench.get("/pusher/pushers/"), bench.get("/pusher/pushers/"));
    assert_eq!((first.status, second.status, second.retry_after()), (200, 503, Some("1")));
    assert_eq!(bench.get("/pusher/pushers/").await.status, 200);
}
