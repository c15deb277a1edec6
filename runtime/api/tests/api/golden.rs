//! The recorded replies of the Go program, held against the router.

#[path = "../../../../tests/golden/runner.rs"]
mod runner;

use std::path::Path;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use runner::Reply;

use crate::bench::Bench;

#[tokio::test]
async fn every_reply_is_the_recorded_one_or_its_mend() {
    let bench = Bench::new();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/http.jsonl");
    let send = async |request: runner::Request| {
        let mut builder = axum::http::Request::builder().method(request.method.as_str()).uri(request.target);
        if let Some(content_type) = request.content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        let answer = bench.send(builder.body(Body::from(request.body)).unwrap()).await;
        Reply {
            status: answer.status,
            content_type: answer.content_type().to_owned(),
            allow: answer.allow().map(ToOwned::to_owned),
            body: answer.body,
        }
    };
    // Searching is not there yet.
    let replayed = runner::replay(&recording, |target| !target.starts_with("/pusher/search/"), send).await;
    assert_eq!(replayed, 118);
}
