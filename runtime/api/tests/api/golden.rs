//! The recorded replies of the Go program, held against the router, over a real store with its search index.

#[path = "../../../../tests/golden/runner.rs"]
mod runner;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use pusher_api::Options;
use pusher_core::{Prefix, Service};
use pusher_store::{SearchIndex, Store, StoreOptions};
use runner::signed::{KEY, SECRET, signed_at};
use runner::{Reply, Request};

use crate::auth::{NOW, auth};
use crate::bench::{MemoryQueue, answer};

/// A router over a store in a directory of its own.
struct Real {
    router: Router,
    _dir: tempfile::TempDir,
}

impl Real {
    fn with_options(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), StoreOptions::default()).unwrap();
        let search = SearchIndex::open(&store, &dir.path().join("index")).unwrap();
        let queue = Arc::new(MemoryQueue::default());
        let service = Service::new(Arc::new(store), queue, Prefix::default()).with_search(Arc::new(search));
        Self { router: pusher_api::router(service, options), _dir: dir }
    }
}

async fn send(real: &Real, request: Request) -> Reply {
    let mut builder = axum::http::Request::builder().method(request.method.as_str()).uri(request.target);
    if let Some(content_type) = request.content_type {
        builder = builder.header(CONTENT_TYPE, content_type);
    }
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let answer = answer(&real.router, builder.body(Body::from(request.body)).unwrap()).await;
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
    let real = Real::with_options(Options::default());
    let send = async |request| send(&real, request).await;
    assert_eq!(runner::replay(&recording("http.jsonl"), runner::as_recorded, send).await, 139);
}

#[tokio::test]
async fn every_reply_to_a_signed_request_is_the_recorded_one_or_its_mend() {
    let real = Real::with_options(Options { auth: Some(auth([(KEY, SECRET)])), ..Options::default() });
    let send = async |request| send(&real, request).await;
    assert_eq!(runner::replay(&recording("http-auth.jsonl"), signed_at(NOW), send).await, 28);
}
