//! Many recipients in one request.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use pusher_api::Limits;
use pusher_core::StoreError;

use crate::bench::{Answer, Bench, FORM};

const BULK: &str = "/pusher/pushers/_bulk";
const LINES: &str = "application/x-ndjson";

async fn bulk(bench: &Bench, body: impl Into<Body>) -> Answer {
    bench.post(BULK, LINES, body).await
}

/// A body in pieces of `size` bytes.
fn in_pieces(body: &str, size: usize) -> Body {
    let pieces: Vec<Vec<u8>> = body.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
    Body::from_stream(futures_util::stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))
}

#[tokio::test]
async fn each_line_creates_or_changes_a_recipient_and_says_so() {
    let bench = Bench::new().with_lupino().await;
    let body = concat!(
        r#"{"id":"new","email":"n@x.y","nickname":"N","phoneNumber":"1","createdAt":7,"senders":["sms"],"tags":["a","b"]}"#,
        "\n",
        r#"{"id":"lupino","nickname":"Lu","tags":["vip"]}"#,
        "\n\n  \r\n",
        r#"{"id":"lupino","nickname":"Lu"}"#,
        "\r\n",
        r#"{"id":"new","senders":null,"tags":[]}"#,
    );
    let answer = bulk(&bench, body).await;
    let said = concat!(
        r#"{"created":1,"changed":2,"unchanged":1,"failed":0,"results":["#,
        r#"{"line":1,"id":"new","result":"created"},"#,
        r#"{"line":2,"id":"lupino","result":"changed"},"#,
        r#"{"line":5,"id":"lupino","result":"unchanged"},"#,
        r#"{"line":6,"id":"new","result":"changed"}]}"#
    );
    assert_eq!((answer.status, answer.body.as_str()), (200, said));
    assert_eq!(answer.content_type(), "application/json; charset=UTF-8");
    for (id, pusher) in [
        (
            "new",
            r#"{"id":"new","email":"n@x.y","nickname":"N","phoneNumber":"1","senders":null,"tags":null,"createdAt":7}"#,
        ),
        (
            "lupino",
            r#"{"id":"lupino","email":"","nickname":"Lu","phoneNumber":"","senders":["sample"],"tags":["vip"],"createdAt":0}"#,
        ),
    ] {
        let answer = bench.get(&format!("/pusher/pushers/{id}/")).await;
        assert_eq!(answer.body, format!(r#"{{"pusher":{pusher}}}"#));
    }
}

#[tokio::test]
async fn lines_about_one_recipient_apply_in_order() {
    let bench = Bench::new();
    let lines: Vec<String> = (0..100).map(|n| format!(r#"{{"id":"p{}","createdAt":{n}}}"#, n % 3)).collect();
    let answer = bulk(&bench, lines.join("\n")).await;
    assert!(answer.body.starts_with(r#"{"created":3,"changed":97,"unchanged":0,"failed":0,"#), "{answer:?}");
    let times: Vec<i64> = bench.state().0.values().map(|p| p.created_at).collect();
    assert_eq!(times, [99, 97, 98]);
}

#[tokio::test]
async fn a_line_that_is_no_recipient_is_told_of_and_leaves_the_others_in_force() {
    let bench = Bench::new();
    let many: Vec<String> = (0..65).map(|n| format!("\"s{n}\"")).collect();
    let too_many = format!(r#"{{"id":"c","senders":[{}]}}"#, many.join(","));
    let lines = [
        (r#"{"id":"a"}"#, None),
        ("nonsense", Some("the line is no JSON object")),
        (r#"{"nickname":"x"}"#, Some("the line is no pusher: missing field `id` (at byte 16)")),
        (r#"{"id":"b","mail":"x"}"#, Some("unknown field `mail`")),
        (r#"{"id":"b","createdAt":"now"}"#, Some("expected i64")),
        (&too_many, Some("the list is longer than 64, which is the limit")),
        (r#"{"id":"<b>"}"#, None),
    ];
    let body: Vec<&str> = lines.iter().map(|(line, _)| *line).collect();
    let answer = bulk(&bench, body.join("\n")).await;
    let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &said["created"], &said["failed"]), (200, &2.into(), &5.into()));
    for (at, (line, err)) in lines.iter().enumerate() {
        let result = &said["results"][at];
        assert_eq!(result["line"], at + 1);
        match err {
            None => assert_eq!(result["result"], "created", "{line}"),
            Some(err) => {
                assert!(result["err"].as_str().unwrap().contains(err), "{line}: {result}");
                assert_eq!(result.as_object().unwrap().len(), 2, "{result}");
            }
        }
    }
    assert!(answer.body.contains(r#""id":"\u003cb\u003e""#), "as Go writes it: {}", answer.body);
    assert_eq!(bench.state().0.len(), 2);
}

#[tokio::test]
async fn a_limit_that_depends_on_what_is_there_is_told_of_by_its_line() {
    let bench = Bench::new();
    let tags: Vec<String> = (0..256).map(|n| format!("\"t{n}\"")).collect();
    let full = format!(r#"{{"id":"a","tags":[{}]}}"#, tags.join(","));
    assert!(bulk(&bench, full).await.body.starts_with(r#"{"created":1"#));
    let answer = bench.post("/pusher/pushers/a/one-more/", "", "").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let answer = bulk(&bench, r#"{"id":"a","tags":["one-more"]}"#).await;
    assert!(answer.body.starts_with(r#"{"created":0,"changed":1"#), "a list is replaced: {answer:?}");
}

#[tokio::test]
async fn how_the_body_is_cut_into_pieces_does_not_matter() {
    let lines: Vec<String> = (0..50).map(|n| format!(r#"{{"id":"p{n}","nickname":"日本 {n}"}}"#)).collect();
    let body = format!("\n{}\n", lines.join("\r\n"));
    let whole = bulk(&Bench::new(), body.clone()).await;
    assert!(whole.body.starts_with(r#"{"created":50,"#), "{whole:?}");
    for size in [1, 2, 7, 100] {
        let bench = Bench::new();
        assert_eq!(bulk(&bench, in_pieces(&body, size)).await.body, whole.body, "in pieces of {size}");
        assert_eq!(bench.state().0.len(), 50);
    }
}

#[tokio::test]
async fn nothing_is_asked_of_an_empty_body_and_any_content_type_will_do() {
    let bench = Bench::new();
    let nothing = r#"{"created":0,"changed":0,"unchanged":0,"failed":0,"results":[]}"#;
    for body in ["", "\n", "\r\n \n"] {
        let answer = bulk(&bench, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, nothing), "{body:?}");
    }
    for content_type in ["", FORM, "application/json"] {
        let answer = bench.post(BULK, content_type, r#"{"id":"x"}"#).await;
        assert!(answer.body.contains(r#""line":1,"id":"x""#), "{content_type}: {answer:?}");
    }
}

#[tokio::test]
async fn one_line_too_many_is_refused_and_nothing_is_stored() {
    let bench = Bench::new();
    let lines = |count: usize| (0..count).map(|n| format!("{{\"id\":\"p{n}\"}}\n\n")).collect::<String>();
    for body in [lines(10_001), lines(10_001).trim_end().to_owned(), lines(20_000)] {
        let answer = bulk(&bench, body).await;
        let sentence = "the body has more than 10000 lines, which is the limit; nothing of it was done";
        assert_eq!((answer.status, answer.sentence().as_deref()), (413, Some(sentence)));
        assert!(bench.state().0.is_empty());
    }
    let answer = bulk(&bench, lines(10_000)).await;
    assert!(answer.body.starts_with(r#"{"created":10000,"#), "empty lines do not count");
}

#[tokio::test]
async fn a_body_or_a_line_that_is_too_long_is_refused() {
    let limits = Limits { body: 100, bulk_body: 1000, ..Limits::default() };
    let bench = Bench::with_options(limits);
    let line = |id: usize, length: usize| {
        let start = format!(r#"{{"id":"p{id}","email":""#);
        format!("{start}{}\"}}\n", "x".repeat(length - start.len() - 2))
    };
    let long: String = (0..10).map(|n| line(n, 100)).collect();
    for body in [Body::from(long.clone()), in_pieces(&long, 70)] {
        let answer = bulk(&bench, body).await;
        let sentence = "the body is longer than the limit of 1000 bytes";
        assert_eq!((answer.status, answer.sentence().as_deref()), (413, Some(sentence)));
    }
    assert!(bench.state().0.is_empty());
    let answer = bulk(&bench, format!("{}{}{}", line(1, 100), line(2, 101), line(3, 100))).await;
    let result = r#"{"line":2,"err":"the line is longer than the limit of 100 bytes"}"#;
    assert!(answer.body.contains(result), "{answer:?}");
    assert_eq!(bench.state().0.len(), 2);
}

#[tokio::test]
async fn a_store_that_does_nothing_at_all_fails_the_request() {
    let bench = Bench::new();
    *bench.store.failure.lock().unwrap() = Some(StoreError::Full("the map".into()));
    let answer = bulk(&bench, "{\"id\":\"a\"}\nnonsense").await;
    assert_eq!((answer.status, answer.sentence().as_deref()), (507, Some("the store is full: the map")));
    let answer = bulk(&bench, "nonsense").await;
    assert_eq!(answer.status, 200, "the store was not needed");
}

#[tokio::test]
async fn lines_that_do_not_fit_any_more_are_told_by_the_status_and_the_others_are_in_force() {
    let bench = Bench::new();
    *bench.store.room.lock().unwrap() = Some(1);
    let answer = bulk(&bench, "nonsense\n{\"id\":\"a\"}\n{\"id\":\"b\"}").await;
    let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &said["created"], &said["failed"]), (507, &1.into(), &2.into()), "{answer:?}");
    assert_eq!(said["results"][1]["result"], "created");
    assert_eq!(said["results"][2], serde_json::json!({"line": 3, "err": "the store is full: no page left"}));
    assert_eq!(bench.state().0.len(), 1);
}

#[tokio::test]
async fn so_many_bulk_requests_are_served_at_once_and_others_are_not_held_up() {
    let limits = Limits { bulk_concurrent: 1, timeout: Duration::from_secs(5), ..Limits::default() };
    let bench = Bench::with_options(limits);
    *bench.store.delay.lock().unwrap() = Duration::from_millis(100);
    let line = r#"{"id":"a"}"#;
    let (first, second, get) =
        tokio::join!(bulk(&bench, line), bulk(&bench, line), bench.get("/pusher/pushers/nobody/"));
    assert_eq!((first.status, second.status, get.status), (200, 429, 404));
    assert_eq!(second.retry_after(), Some("1"));
    assert_eq!(bulk(&bench, line).await.status, 200);
}

#[tokio::test]
async fn it_is_a_post_and_a_recipient_may_be_called_the_same() {
    let bench = Bench::new();
    let answer = bench.send(Request::get(BULK).body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.allow()), (405, Some("POST")));
    bulk(&bench, r#"{"id":"_bulk"}"#).await;
    assert_eq!(bench.get("/pusher/pushers/_bulk/").await.status, 200);
}
