//! The Go program's replies, request by request, against the real process.

use std::path::Path;

use pusher_tests::process::Pusher;
use reqwest::header::{ALLOW, CONTENT_TYPE};
use reqwest::{Client, Method};

#[path = "../golden/runner.rs"]
mod runner;

use runner::signed::{self, KEY, SECRET};
use runner::{Reply, Request};

#[tokio::test]
async fn every_reply_is_the_go_programs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let http = Client::new();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/http.jsonl");
    let send = async |request| send(&http, &server.api, request).await;
    assert_eq!(runner::replay(&recording, runner::as_recorded, send).await, 139);
    server.stop().await;
}

#[tokio::test]
async fn every_reply_to_a_signed_request_is_the_go_programs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &["--key", KEY, "--secret", SECRET]).await;
    let http = Client::new();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/http-auth.jsonl");
    let send = async |request| send(&http, &server.api, request).await;
    let signed = signed::signed_at(periodic::Clock::now(&periodic::SystemClock));
    assert_eq!(runner::replay(&recording, signed, send).await, 28);
    server.stop().await;
}

async fn send(http: &Client, base: &str, request: Request) -> Reply {
    let method = Method::from_bytes(request.method.as_bytes()).unwrap();
    let mut builder = http.request(method, format!("{base}{}", request.target)).body(request.body);
    if let Some(content_type) = request.content_type {
        builder = builder.header(CONTENT_TYPE, content_type);
    }
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let response = builder.send().await.unwrap();
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (content_type, allow) = (header(CONTENT_TYPE).unwrap_or_default(), header(ALLOW));
    let status = response.status().as_u16();
    Reply { status, content_type, allow, body: response.text().await.unwrap() }
}
