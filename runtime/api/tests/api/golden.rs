//! The recorded replies of the Go program, held against the router.

#[path = "../../../../tests/golden/runner.rs"]
mod runner;

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use pusher_api::Options;
use runner::signed::{KEY, SECRET, signed_at};
use runner::{Reply, Request};

use crate::auth::{NOW, auth};
use crate::bench::Bench;

/// Searching is not there yet.
fn wanted(target: &str) -> bool {
    !target.starts_with("/pusher/search/")
}

async fn send(bench: &Bench, request: Request) -> Reply {
    let mut builder = axum::http::Request::builder().method(request.method.as_str()).uri(request.target);
    if let Some(content_type) = request.content_type {
        builder = builder.header(CONTENT_TYPE, content_type);
    }
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let answer = bench.send(builder.body(Body::from(request.body)).unwrap()).await;
    Reply {
        status: answer.status,
        content_type: answer.content_type().to_owned(),
        allow: answer.allow().map(ToOwned::to_owned),
        body: answer.body,
    }
}

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

#[tokio::test]
async fn every_reply_is_the_recorded_one_or_its_mend() {
    let bench = Bench::new();
    let send = async |request| send(&bench, request).await;
    assert_eq!(runner::replay(&recording("http.jsonl"), wanted, runner::as_recorded, send).await, 118);
}

#[tokio::test]
async fn every_reply_to_a_signed_request_is_the_recorded_one_or_its_mend() {
    let bench = Bench::with_options(Options { auth: Some(auth([(KEY, SECRET)])), ..Options::default() });
    let send = async |request| send(&bench, request).await;
    assert_eq!(runner::replay(&recording("http-auth.jsonl"), wanted, signed_at(NOW), send).await, 26);
}
