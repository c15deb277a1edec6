//! Pushes with an `Idempotency-Key` are done once, over the store's own log.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use pusher_api::Options;

use crate::auth::{Draft, auth};
use crate::bench::{Answer, Bench, FORM};
use crate::deliveries::House;

const KEY: &str = "Idempotency-Key";
const TO_LUPINO: &str = "pusher=lupino&data=x";

async fn send(bench: &Bench, target: &str, form: &str, key: &str) -> Answer {
    let request = Request::post(target).header(CONTENT_TYPE, FORM).header(KEY, key);
    bench.send(request.body(Body::from(form.to_owned())).unwrap()).await
}

async fn push(bench: &Bench, form: &str, key: &str) -> Answer {
    send(bench, "/pusher/sample/push", form, key).await
}

/// Takes all jobs, as a worker that is done with them.
fn done(bench: &Bench) -> usize {
    std::mem::take(&mut *bench.queue.jobs.lock().unwrap()).len()
}

#[tokio::test]
async fn a_push_with_a_key_is_done_once_and_answered_alike() {
    let house = House::new().await;
    let bench = &house.bench;
    let first = push(bench, TO_LUPINO, "\"k-1\"").await;
    assert_eq!((first.status, done(bench)), (200, 1));
    // With and without quotation marks, as a form and as JSON: the same key, the same request.
    let json = Request::post("/pusher/sample/push").header(CONTENT_TYPE, "application/json").header(KEY, "k-1");
    let json = json.body(Body::from(r#"{"pusher":"lupino","data":"x"}"#)).unwrap();
    for again in [push(bench, TO_LUPINO, "k-1").await, bench.send(json).await] {
        assert_eq!((again.status, &again.body, again.header(LOCATION)), (200, &first.body, first.header(LOCATION)));
    }
    assert_eq!(done(bench), 0, "it was not pushed again");
    assert_eq!((push(bench, TO_LUPINO, "k-2").await.status, done(bench)), (200, 1), "another key is another push");
    assert_eq!(bench.post("/pusher/sample/push", FORM, TO_LUPINO).await.status, 200);
    assert_eq!(done(bench), 1, "a push without a key is always done");
}

#[tokio::test]
async fn a_pushall_with_a_key_is_done_once_and_answered_alike() {
    let house = House::new().await;
    let first = send(&house.bench, "/pusher/sample/pushall", "data=x&tag=a", "k").await;
    assert_eq!((first.status, done(&house.bench)), (200, 1));
    let again = send(&house.bench, "/pusher/sample/pushall", "data=x&tag=a", "k").await;
    assert_eq!((again.status, again.body, done(&house.bench)), (200, first.body, 0));
}

#[tokio::test]
async fn a_key_that_was_used_for_another_message_is_refused() {
    let house = House::new().await;
    assert_eq!(push(&house.bench, TO_LUPINO, "k").await.status, 200);
    done(&house.bench);
    for (target, form) in [
        ("/pusher/sample/push", "pusher=lupino&data=y"),
        ("/pusher/sample/push", "pusher=lupino&data=x&schedat=4102444800"),
        ("/pusher/sample/push", "pusher=lupino&data=x&force=true"),
        ("/pusher/other/push", TO_LUPINO),
        ("/pusher/sample/pushall", "data=x"),
    ] {
        let answer = send(&house.bench, target, form, "k").await;
        assert!(answer.status == 422 && answer.sentence().is_some(), "{target} {form}: {answer:?}");
    }
    assert_eq!(done(&house.bench), 0);
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_with_its_key() {
    let house = House::new().await;
    assert_eq!(push(&house.bench, "pusher=nobody&data=x", "k").await.status, 404);
    house.bench.post("/pusher/pushers/", FORM, "pusher=nobody").await;
    assert_eq!(push(&house.bench, "pusher=nobody&data=x&force=1", "k").await.status, 200);
}

#[tokio::test]
async fn a_key_whose_request_is_being_served_is_refused_for_now() {
    let house = House::new().await;
    *house.bench.store.delay.lock().unwrap() = Duration::from_millis(300);
    let (first, second) = tokio::join!(push(&house.bench, TO_LUPINO, "k"), push(&house.bench, TO_LUPINO, "k"));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{first:?} {second:?}");
    assert_eq!(push(&house.bench, TO_LUPINO, "k").await.status, 200, "it is answered now");
    assert_eq!(done(&house.bench), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_nothing_is_pushed() {
    let house = House::new().await;
    for key in ["", "\"\"", "\"a", "a b", "ä", &"x".repeat(256)] {
        let answer = push(&house.bench, TO_LUPINO, key).await;
        let sentence = answer.sentence().unwrap_or_default();
        assert!(answer.status == 400 && sentence.starts_with("Invalid Idempotency-Key"), "{key}: {answer:?}");
    }
    assert_eq!(done(&house.bench), 0);
    let nowhere = Bench::new().with_lupino().await;
    assert_eq!(push(&nowhere, TO_LUPINO, "k").await.status, 501, "who keeps no deliveries cannot promise it");
}

#[tokio::test]
async fn a_key_is_the_own_of_whoever_signs() {
    let options = Options { auth: Some(auth([("k1", "s1"), ("k2", "s2")])), ..Options::default() };
    let house = House::with_options(options);
    let signed = |form: &str, app: &str, secret: &str| {
        let draft = Draft::post("/pusher/sample/pushall", form).by(app, secret);
        let mut request = draft.nonce(format!("0123456789abcdef{app}{}", form.len())).v2();
        request.headers_mut().insert(KEY, "same".parse().unwrap());
        request
    };
    assert_eq!(house.bench.send(signed("data=x", "k1", "s1")).await.status, 200);
    assert_eq!(house.bench.send(signed("data=yy", "k2", "s2")).await.status, 200);
    assert_eq!(house.bench.send(signed("data=zzz", "k1", "s1")).await.status, 422);
}
