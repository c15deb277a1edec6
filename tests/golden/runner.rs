//! Replays the recorded requests of `http.jsonl` and `http-auth.jsonl` and holds each answer against the recording.
//!
//! The recordings are the Go program's. Where a case says `differs`, the Go program was wrong, and [`expected`] says
//! what is right; [`mended`] carries what follows from that into later recordings. This file knows nothing of how a
//! request is sent, so that it serves the tests of the router and those of the whole program.

#![allow(clippy::unwrap_used, reason = "test code: a panic is its answer to a broken recording")]

pub(crate) mod signed;

use std::path::Path;

use serde_json::Value;

/// A request to send as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, encoded.
    pub(crate) target: String,
    pub(crate) content_type: Option<String>,
    /// Headers that sign it.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer, as far as the recordings speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) allow: Option<String>,
    pub(crate) body: String,
}

/// What an answer must be.
enum Expected {
    Exactly {
        status: u16,
        content_type: String,
        body: String,
    },
    /// `{"err": a sentence}` with this status.
    Error(u16),
    /// 405 with `Allow` and `{"err": a sentence}`.
    MethodNotAllowed,
}

const JSON: &str = "application/json; charset=UTF-8";

/// Sends the cases of `recording` in order. The number of cases replayed. `prepare` is given the name of a case and its
/// request as recorded; it makes of it the requests to send. The answer to the last counts, those before it must be
/// done.
///
/// # Panics
/// With a list of all cases whose answer is not what it must be.
pub(crate) async fn replay(
    recording: &Path,
    prepare: impl Fn(&str, Request) -> Vec<Request>,
    send: impl AsyncFn(Request) -> Reply,
) -> usize {
    let text = std::fs::read_to_string(recording).unwrap();
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut faults = Vec::new();
    let mut replayed = 0;
    for case in &cases {
        replayed += 1;
        let mut requests = prepare(text_of(case, "case"), request(case));
        let last = requests.pop().unwrap();
        for before in requests {
            let reply = send(before.clone()).await;
            assert_eq!(reply.status, 200, "{before:?} before {case}: {reply:?}");
        }
        let reply = send(last).await;
        if let Err(fault) = check(&expected(case), &reply) {
            faults.push(format!("{}: {fault}", text_of(case, "case")));
        }
    }
    assert!(faults.is_empty(), "{} of {replayed} cases differ:\n{}", faults.len(), faults.join("\n"));
    replayed
}

/// Sends each request as it was recorded.
pub(crate) fn as_recorded(_case: &str, request: Request) -> Vec<Request> {
    vec![request]
}

fn check(expected: &Expected, reply: &Reply) -> Result<(), String> {
    match expected {
        Expected::Exactly { status, content_type, body } => {
            let same = (*status, content_type, body) == (reply.status, &reply.content_type, &reply.body);
            same.then_some(()).ok_or_else(|| format!("\n  expected {status} {content_type} {body}\n  got {reply:?}"))
        }
        Expected::Error(status) => {
            let err: Value = serde_json::from_str(&reply.body).unwrap_or_default();
            let said = err.get("err").and_then(Value::as_str).is_some_and(|sentence| !sentence.is_empty());
            let same = reply.status == *status && reply.content_type == JSON && said;
            same.then_some(()).ok_or_else(|| format!("\n  expected {status} {{\"err\": …}}\n  got {reply:?}"))
        }
        Expected::MethodNotAllowed => {
            reply.allow.as_ref().ok_or_else(|| format!("there is no Allow: {reply:?}"))?;
            check(&Expected::Error(405), reply)
        }
    }
}

/// The right answer: the recorded one, unless the Go program was wrong.
fn expected(case: &Value) -> Expected {
    let lupino = |fields: &str| format!(r#"{{"pusher":{{"id":"lupino",{fields}}}}}"#);
    let (status, body) = match text_of(case, "case") {
        "009_create_bad_createdAt" | "038_list_from_neg" | "042_list_size_float" | "137_push_schedat_bad" => {
            return Expected::Error(400);
        }
        "208_auth_push_json_body" | "209_auth_push_multipart" => return Expected::Error(400),
        "093_search_json_malformed" | "094_search_qs_bad" | "095_search_qs_bad2" | "103_search_from_neg" => {
            return Expected::Error(400);
        }
        "148_push_11MB" => return Expected::Error(413),
        "032_options_get" | "033_put_pusher" | "055_addsender_get_method" | "070_addtag_get" | "145_push_get"
        | "161_cancel_get" | "175_list_delete_method" | "105_search_post" => return Expected::MethodNotAllowed,
        "023_get_bad_createdAt" => (404, r#"{"err":"pusher badts not exists."}"#.to_owned()),
        "083_search_created_only_not_indexed" => (
            200,
            concat!(
                r#"{"from":0,"pushers":[{"id":"viaquery","email":"q@q.q","nickname":"","phoneNumber":"","#,
                r#""senders":null,"tags":null,"createdAt":0}],"q":"viaquery","size":10,"total":1}"#
            )
            .to_owned(),
        ),
        "028_get_slash_id_escaped" => (
            200,
            r#"{"pusher":{"id":"a/b","email":"","nickname":"slash","phoneNumber":"","senders":null,"tags":null,"createdAt":0}}"#.to_owned(),
        ),
        "185_auth_time_ms" => (400, r#"{"err":"Invalid X-Request-Time"}"#.to_owned()),
        "200_auth_update_missing" => (404, r#"{"err":"pusher nobody not exists."}"#.to_owned()),
        "031_head_get" | "176_list_head" => (200, String::new()),
        "044_get_after_update_noauth" => (
            200,
            lupino(r#""email":"new@x.y","nickname":"newnick","phoneNumber":"1","senders":null,"tags":null,"createdAt":5"#),
        ),
        "048_get_after_update_query" => (
            200,
            lupino(r#""email":"query@x.y","nickname":"newnick","phoneNumber":"1","senders":null,"tags":null,"createdAt":5"#),
        ),
        "045_update_missing" => (404, r#"{"err":"pusher nobody not exists."}"#.to_owned()),
        "163_get_after_dup" => (
            200,
            lupino(
                r#""email":"query@x.y","nickname":"again","phoneNumber":"1","senders":["sample_sender"],"tags":["friends"],"createdAt":5"#,
            ),
        ),
        "164_search_after_dup" => (
            200,
            concat!(
                r#"{"from":0,"pushers":[{"id":"lupino","email":"query@x.y","nickname":"again","phoneNumber":"1","#,
                r#""senders":["sample_sender"],"tags":["friends"],"createdAt":5}],"q":"senders:sample_sender","#,
                r#""size":10,"total":1}"#
            )
            .to_owned(),
        ),
        "165_push_after_dup" => (200, r#"{"name":"lupino_83b0556ab49519c79f4b10846d97d7f4","result":"OK"}"#.to_owned()),
        // Here `differs` speaks of effects, or of an order that the recording happens to have.
        "043_update_noauth" | "046_update_empty_body" | "047_update_query" | "121_push_missing_both"
        | "122_push_empty_body" | "123_push_empty_body_formct" | "162_create_dup_wipes" => return recorded(case),
        _ => {
            assert!(case.get("differs").is_none(), "the table does not say what is right here: {case}");
            return recorded(case);
        }
    };
    Expected::Exactly { status, content_type: JSON.to_owned(), body }
}

fn recorded(case: &Value) -> Expected {
    Expected::Exactly {
        status: u16::try_from(case["status"].as_u64().unwrap()).unwrap(),
        content_type: text_of(case, "content_type").to_owned(),
        body: mended(text_of(case, "case"), text_of(case, "body")),
    }
}

/// A recorded body, with what follows from the mended cases before it.
fn mended(case: &str, body: &str) -> String {
    const BAD_CREATED_AT: &str = concat!(
        r#",{"id":"badts","email":"","nickname":"","phoneNumber":"","#,
        r#""senders":null,"tags":null,"createdAt":0}"#
    );
    match case {
        // Case 009 stored nothing.
        "034_list_all" | "035_list_from1_size2" | "036_list_size0" | "039_list_size_big" => {
            body.replace(BAD_CREATED_AT, "").replace(r#""total":9"#, r#""total":8"#)
        }
        // Cases 043 and 047 took effect.
        case if case > "048" => body
            .replace(
                r#""email":"lmjubuntu@gmail.com","nickname":"xxx","phoneNumber":"12345678901""#,
                r#""email":"query@x.y","nickname":"newnick","phoneNumber":"1""#,
            )
            .replace(r#""createdAt":1456403493"#, r#""createdAt":5"#),
        _ => body.to_owned(),
    }
}

fn request(case: &Value) -> Request {
    const URLENCODED: &str = "application/x-www-form-urlencoded";
    const BOUNDARY: &str = "----------------------------5d41402abc4b";
    let method = text_of(case, "method").to_owned();
    let mut target = text_of(case, "target").to_owned();
    let (mut content_type, body) = if let Some(form) = case.get("form") {
        let form = urlencoded(form);
        if method == "GET" {
            target = format!("{target}?{form}");
            (None, Vec::new())
        } else {
            (Some(URLENCODED.to_owned()), form.into_bytes())
        }
    } else if let Some(fields) = case.get("multipart") {
        (Some(format!("multipart/form-data; boundary={BOUNDARY}")), multipart(fields, BOUNDARY).into_bytes())
    } else if let Some(raw) = case.get("raw") {
        let raw = match raw.as_str().unwrap() {
            "(1 MiB form)" => format!("pusher=lupino&data={}", "x".repeat(1_000_000)),
            "(11 MiB form)" => format!("pusher=lupino&data={}", "x".repeat(11 * 1024 * 1024)),
            raw => raw.to_owned(),
        };
        (Some(URLENCODED.to_owned()), raw.into_bytes())
    } else {
        (None, Vec::new())
    };
    for header in case.get("headers").and_then(Value::as_array).into_iter().flatten() {
        let (name, value) = header.as_str().unwrap().split_once(':').unwrap();
        if name == "Content-Type" {
            content_type = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
    }
    Request { method, target, content_type, headers: Vec::new(), body }
}

fn urlencoded(pairs: &Value) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(
                |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") },
            )
            .collect()
    };
    let pairs: Vec<_> = pairs_of(pairs).map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

fn multipart(pairs: &Value, boundary: &str) -> String {
    let part =
        |(name, value)| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    pairs_of(pairs).map(part).chain([format!("--{boundary}--\r\n")]).collect()
}

fn pairs_of(pairs: &Value) -> impl Iterator<Item = (&str, &str)> {
    pairs.as_array().unwrap().iter().map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
}

fn text_of<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}
