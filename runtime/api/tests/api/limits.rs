//! The limits on one request and on all together.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt;
use pusher_api::{Gate, Limits, MAX_TARGET_BYTES, Options};

use crate::auth::{NOW, auth};
use crate::bench::{Bench, FORM};

fn small() -> Limits {
    Limits { body: 100, timeout: Duration::from_millis(100), concurrent: 1, ..Limits::default() }
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
    let bench = Bench::with_options(small());
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
    let bench = Bench::with_options(small());
    assert_eq!(bench.post("/pusher/pushers/", FORM, form(100)).await.status, 200);
    let chunks = form(100).into_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    assert_eq!(bench.post("/pusher/pushers/", FORM, streamed(chunks)).await.status, 200);
    assert_eq!(bench.state().0.into_values().next().unwrap().email.len(), 85);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_all_the_same() {
    let bench = Bench::with_options(small());
    *bench.store.delay.lock().unwrap() = Duration::from_secs(60);
    let answer = bench.get("/pusher/pushers/").await;
    let sentence = "not served within 0.1 s; whether it was done is not known";
    assert_eq!((answer.status, answer.sentence().as_deref()), (504, Some(sentence)));
}

#[tokio::test]
async fn a_body_that_does_not_end_is_not_waited_for() {
    let auth = auth([("k1", "s1")]);
    for options in [small().into(), Options { auth: Some(auth), limits: small(), ..Options::default() }] {
        let bench = Bench::with_options(options);
        let begun = futures_util::stream::iter([Ok::<_, Infallible>("pusher=x")]);
        let body = Body::from_stream(begun.chain(futures_util::stream::pending()));
        let request = Request::post("/pusher/pushers/").header("content-type", FORM);
        let request = request.header("x-app-key", "k1").header("x-request-time", NOW).header("x-request-signature", "");
        assert_eq!(bench.send(request.body(body).unwrap()).await.status, 504);
        assert!(bench.state().0.is_empty());
    }
}

#[tokio::test]
async fn one_request_too_many_is_sent_away_and_the_next_is_served() {
    let bench = Bench::with_options(small());
    *bench.store.delay.lock().unwrap() = Duration::from_millis(20);
    let (first, second) = tokio::join!(bench.get("/pusher/pushers/"), bench.get("/pusher/pushers/"));
    assert_eq!((first.status, second.status, second.retry_after()), (200, 429, Some("1")));
    assert_eq!(second.sentence().as_deref(), Some("too many requests are being served; ask again"));
    assert_eq!(bench.get("/pusher/pushers/").await.status, 200);
}

#[tokio::test]
async fn a_target_over_the_limit_is_refused_and_one_at_it_is_not() {
    let bench = Bench::new();
    for start in ["/pusher/pushers/?x=", "/nowhere/"] {
        let target = |length: usize| format!("{start}{}", "y".repeat(length - start.len()));
        assert_ne!(bench.get(&target(MAX_TARGET_BYTES)).await.status, 414);
        let answer = bench.get(&target(MAX_TARGET_BYTES + 1)).await;
        let sentence = "the path and query are longer than the limit of 8192 bytes";
        assert_eq!((answer.status, answer.sentence().as_deref()), (414, Some(sentence)));
    }
}

#[tokio::test]
async fn a_closed_gate_lets_nobody_in_and_waits_for_those_inside() {
    let gate = Gate::new(8);
    let bench = Bench::with_options(Options { gate: Some(gate.clone()), ..Options::default() });
    *bench.store.delay.lock().unwrap() = Duration::from_millis(50);
    let (inside, ()) = tokio::join!(bench.post("/pusher/pushers/", FORM, "pusher=x"), async {
        // Polled after the request, which is waiting for the store by now.
        gate.close().await;
        assert_eq!(bench.state().0.len(), 1, "closed before the request was served");
    });
    assert_eq!(inside.status, 200);
    for answer in [bench.post("/pusher/pushers/", FORM, "pusher=y").await, bench.get("/nowhere").await] {
        let got = (answer.status, answer.retry_after(), answer.header("connection"));
        assert_eq!(got, (503, Some("1"), Some("close")));
        assert_eq!(answer.sentence().as_deref(), Some("the server is stopping; ask again"));
    }
    assert_eq!(bench.state().0.len(), 1);
}

#[tokio::test]
async fn a_gate_stays_closed_for_those_who_come_while_one_is_inside() {
    let gate = Gate::new(8);
    let bench = Bench::with_options(Options { gate: Some(gate.clone()), ..Options::default() });
    *bench.store.delay.lock().unwrap() = Duration::from_millis(50);
    let (inside, late) = tokio::join!(bench.get("/pusher/pushers/"), async {
        drop(tokio::time::timeout(Duration::ZERO, gate.close()).await);
        bench.get("/pusher/pushers/").await
    });
    assert_eq!((inside.status, late.status), (200, 503));
}
