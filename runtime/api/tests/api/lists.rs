//! The list: cut by an offset as the Go program does it, or followed by a cursor.

use serde_json::Value;

use crate::bench::{Bench, FORM};

async fn with_pushers(count: usize) -> Bench {
    let bench = Bench::new();
    for n in 0..count {
        let body = format!("pusher=p{n}&createdAt={}", n / 2);
        assert_eq!(bench.post("/pusher/pushers/", FORM, body).await.status, 200);
    }
    bench
}

async fn page(bench: &Bench, query: &str) -> Value {
    let answer = bench.get(&format!("/pusher/pushers/?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    page["pushers"].as_array().unwrap().iter().map(|pusher| pusher["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_empty_cursor_begins_and_the_next_one_goes_on_until_there_is_none() {
    let bench = with_pushers(5).await;
    let first = page(&bench, "after=&size=2").await;
    assert_eq!((ids(&first), &first["after"], &first["total"]), (vec!["p4", "p3"], &"".into(), &5.into()));
    let next = first["next"].as_str().unwrap().to_owned();
    // Whom the cursor names may go meanwhile.
    bench.send(axum::http::Request::delete("/pusher/pushers/p3/").body(axum::body::Body::empty()).unwrap()).await;
    let second = page(&bench, &format!("size=2&after={next}")).await;
    assert_eq!(
        (ids(&second), &second["after"], &second["total"]),
        (vec!["p2", "p1"], &next.as_str().into(), &4.into())
    );
    let last = page(&bench, &format!("after={}", second["next"].as_str().unwrap())).await;
    assert_eq!((ids(&last), &last["next"]), (vec!["p0"], &Value::Null));
}

#[tokio::test]
async fn a_part_that_ends_with_the_list_has_no_next() {
    let bench = with_pushers(4).await;
    assert_eq!(page(&bench, "after=&size=4").await["next"], Value::Null);
    assert!(page(&bench, "after=&size=3").await["next"].is_string());
}

#[tokio::test]
async fn the_replies_are_these_bytes() {
    let bench = with_pushers(1).await;
    let pusher = r#"{"id":"p0","email":"","nickname":"","phoneNumber":"","senders":null,"tags":null,"createdAt":0}"#;
    for (query, body) in [
        ("", format!(r#"{{"from":0,"pushers":[{pusher}],"size":10,"total":1}}"#)),
        ("?from=1", r#"{"from":1,"pushers":null,"size":10,"total":1}"#.to_owned()),
        ("?after=", format!(r#"{{"after":"","next":null,"pushers":[{pusher}],"size":10,"total":1}}"#)),
        (
            "?after=10000000000000000027030&size=1000",
            r#"{"after":"10000000000000000027030","next":null,"pushers":null,"size":100,"total":1}"#.to_owned(),
        ),
    ] {
        let answer = bench.get(&format!("/pusher/pushers/{query}")).await;
        assert_eq!((answer.status, answer.body), (200, body), "{query}");
    }
}
