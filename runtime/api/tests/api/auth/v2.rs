//! The second scheme.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use pusher_api::auth::{Auth, KeyPair, Schemes, Scopes};

use super::{Draft, NOW, auth, bench, bench_of, done, refused};
use crate::bench::Bench;

const WRONG: &str = "Invalid X-Request-Signature";
const USED: &str = "Invalid X-Request-Nonce: it was used before";

fn draft() -> Draft {
    Draft::post("/pusher/pushers/x/?b=2&a=1", "email=a")
}

async fn with_lupino(bench: Bench) -> Bench {
    for (n, target) in ["/pusher/pushers/", "/pusher/sample/add"].into_iter().enumerate() {
        let draft = Draft::post(target, "pusher=lupino").nonce(format!("with-lupino-----{n}"));
        done(&bench, draft.v2()).await;
    }
    bench
}

#[tokio::test]
async fn any_body_is_signed() {
    let bench = with_lupino(bench_of(Schemes::V2)).await;
    let json = r#"{"pusher":"lupino","data":"ünïcode"}"#;
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"pusher\"\r\n\r\nlupino\r\n\
         --b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nmulti\r\n--b--\r\n";
    for (n, (content_type, body)) in [
        ("application/json", json),
        ("multipart/form-data; boundary=b", multipart),
        ("application/x-www-form-urlencoded", "pusher=lupino&data=form"),
    ]
    .into_iter()
    .enumerate()
    {
        let push = Draft { content_type, body: body.into(), ..Draft::new("POST", "/pusher/sample/push") };
        done(&bench, push.nonce(format!("0123456789abcde{n}")).v2()).await;
    }
    let data: Vec<_> = bench.state().1.into_iter().map(|job| String::from_utf8(job.workload.into()).unwrap()).collect();
    assert_eq!(data, ["ünïcode", "multi", "form"]);
}

#[tokio::test]
async fn lines_are_signed_under_any_content_type() {
    let bench = bench_of(Schemes::Both);
    done(&bench, Draft::post("/pusher/pushers/_bulk", r#"{"id":"lupino"}"#).v2()).await;
    assert_eq!(bench.state().0.len(), 1);
}

#[tokio::test]
async fn a_request_counts_once() {
    let bench = with_lupino(bench_of(Schemes::V2)).await;
    let push = Draft::post("/pusher/sample/push", "pusher=lupino&data=x");
    done(&bench, push.v2()).await;
    refused(&bench, push.v2(), 400, USED).await;
    // Not with other contents or at another time, either; a client that tries again signs again.
    refused(&bench, Draft::post("/pusher/sample/push", "pusher=lupino&data=y").v2(), 400, USED).await;
    refused(&bench, push.clone().at(NOW + 1).v2(), 400, USED).await;
    done(&bench, push.nonce("a-new-nonce-----").v2()).await;
}

#[tokio::test]
async fn two_keys_may_use_the_same_nonce() {
    let bench = bench_of(Schemes::V2);
    let list = Draft::get("/pusher/pushers/");
    done(&bench, list.v2()).await;
    done(&bench, Draft { key: "k2".into(), secret: "s2".into(), ..list }.v2()).await;
}

#[tokio::test]
async fn nobody_without_the_secret_uses_up_a_nonce() {
    let bench = bench_of(Schemes::V2);
    let list = Draft::get("/pusher/pushers/");
    refused(&bench, list.signed(&format!("v2={}", "0".repeat(64))), 400, WRONG).await;
    done(&bench, list.v2()).await;
}

#[tokio::test]
async fn a_nonce_that_is_none_is_refused() {
    let bench = bench_of(Schemes::V2);
    for nonce in ["", "0123456789abcde", "0123456789abcde.", &"x".repeat(65)] {
        let draft = Draft::get("/pusher/pushers/").nonce(nonce);
        refused(&bench, draft.v2(), 400, "Invalid X-Request-Nonce").await;
    }
}

#[tokio::test]
async fn a_signature_holds_for_one_request_only() {
    let bench = bench_of(Schemes::V2);
    let signature = draft().v2_signature();
    for changed in [
        Draft { method: "DELETE".into(), ..draft() },
        Draft { target: "/pusher/pushers/y/?b=2&a=1".into(), ..draft() },
        Draft { target: "/pusher/pushers/%78/?b=2&a=1".into(), ..draft() },
        Draft { target: "/pusher/pushers/x/?b=2&a=2".into(), ..draft() },
        Draft { target: "/pusher/pushers/x/?b=2".into(), ..draft() },
        Draft { body: "email=b".into(), ..draft() },
        Draft { body: Vec::new(), ..draft() },
        Draft { key: "k2".into(), ..draft() },
        draft().at(NOW - 1),
        draft().nonce("fedcba9876543210"),
    ] {
        refused(&bench, changed.signed(&signature), 400, WRONG).await;
    }
    for other in [signature.to_uppercase(), signature.replacen("v2=", "", 1), format!("v2={}", &signature[4..])] {
        refused(&bench, draft().signed(&other), 400, if other.starts_with("v2=") { WRONG } else { NOT_V1 }).await;
    }
}

const NOT_V1: &str = "Invalid X-Request-Signature: this server takes v2 signatures only";

#[tokio::test]
async fn the_order_of_the_query_is_free_where_it_does_not_matter_and_refused_where_it_might() {
    let bench = bench_of(Schemes::V2);
    let signature = Draft::get("/pusher/pushers/?from=0&size=5").v2_signature();
    done(&bench, Draft::get("/pusher/pushers/?size=5&from=0").signed(&signature)).await;
    for query in ["from=0&from=1", "from=1&from=0", "from=0&%66rom=1", "from=0&from=0"] {
        let twice = format!("{WRONG}: the query has \"from\" twice, and the order of its parts is not signed");
        refused(&bench, Draft::get(&format!("/pusher/pushers/?{query}")).v2(), 400, &twice).await;
    }
    let broken = Draft::get("/pusher/pushers/?from=0&a;from=1");
    refused(&bench, broken.v2(), 400, "invalid semicolon separator in query").await;
}

#[tokio::test]
async fn a_full_memory_of_nonces_refuses_until_their_time_is_over() {
    let clock = Arc::new(AtomicI64::new(NOW));
    let shown = Arc::clone(&clock);
    let pairs =
        [("k1", "s1"), ("k2", "s2")].map(|(key, secret)| KeyPair::new(key, secret.into(), Scopes::ALL).unwrap());
    let auth = Auth::new(pairs, move || shown.load(Ordering::Relaxed)).unwrap().nonces(2);
    let bench = bench(auth);
    let list = |n: i64, time| Draft::get("/pusher/pushers/").nonce(format!("0123456789abcdef{n}")).at(time).v2();
    done(&bench, list(1, NOW)).await;
    done(&bench, list(2, NOW)).await;
    let answer = bench.send(list(3, NOW)).await;
    assert_eq!((answer.status, answer.retry_after()), (429, Some("601")));
    let sentence = "too many requests were signed with this key in ten minutes; ask again in 601 s";
    assert_eq!(answer.sentence().as_deref(), Some(sentence));
    done(&bench, Draft::get("/pusher/pushers/").by("k2", "s2").v2()).await;
    clock.store(NOW + 600, Ordering::Relaxed);
    refused(&bench, list(1, NOW), 400, USED).await;
    clock.store(NOW + 601, Ordering::Relaxed);
    refused(&bench, list(1, NOW), 400, "Invalid X-Request-Time").await;
    done(&bench, list(3, NOW + 601)).await;
}

#[tokio::test]
async fn all_routes_share_one_memory() {
    let bench = bench(auth([("k1", "s1")]));
    done(&bench, Draft::get("/pusher/pushers/").v2()).await;
    refused(&bench, Draft::post("/pusher/pushers/", "pusher=x").v2(), 400, USED).await;
    refused(&bench, Draft::get("/nowhere").v2(), 400, USED).await;
}
