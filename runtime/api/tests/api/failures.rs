//! What a client is told when the store or the queue does not do as asked.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use pusher_api::Options;
use pusher_core::{Prefix, PusherList, QueueError, Search, SearchError, Service, StoreError};

use crate::bench::{Bench, FORM, MemoryQueue, MemoryStore, answer};

#[tokio::test]
async fn a_store_that_fails_is_a_server_error_with_a_sentence() {
    let bench = Bench::new().with_lupino().await;
    let corrupt = StoreError::Corrupt { key: "lupino".into(), reason: "it is cut off".into() };
    for (failure, status) in
        [(StoreError::Full("the map".into()), 507), (corrupt, 500), (StoreError::Failed("the disk".into()), 500)]
    {
        let sentence = failure.to_string();
        *bench.store.failure.lock().unwrap() = Some(failure);
        for answer in [
            bench.get("/pusher/pushers/").await,
            bench.get("/pusher/pushers/lupino/").await,
            bench.post("/pusher/pushers/", FORM, "pusher=x").await,
            bench.post("/pusher/sample/push", FORM, "pusher=lupino&data=x").await,
        ] {
            assert_eq!((answer.status, answer.sentence()), (status, Some(sentence.clone())), "{answer:?}");
            assert_eq!(answer.content_type(), "application/json; charset=UTF-8");
        }
    }
}

#[tokio::test]
async fn a_queue_that_does_not_take_the_job_is_told_of() {
    let bench = Bench::new().with_lupino().await;
    for (failure, status, retry_after) in [
        (QueueError::Full("the disk".into()), 507, None),
        (QueueError::Unavailable("it is stopping".into()), 503, Some("1")),
    ] {
        let sentence = failure.to_string();
        *bench.queue.failure.lock().unwrap() = Some(failure);
        for answer in [
            bench.post("/pusher/sample/push", FORM, "pusher=lupino&data=x").await,
            bench.post("/pusher/sample/pushall", FORM, "data=x").await,
            bench.post("/pusher/sample/cancelpush", FORM, "name=x_y").await,
        ] {
            assert_eq!((answer.status, answer.sentence()), (status, Some(sentence.clone())), "{answer:?}");
            assert_eq!(answer.retry_after(), retry_after);
        }
    }
}

/// A search that fails as it is told.
struct Failing(Mutex<Option<SearchError>>);

#[async_trait]
impl Search for Failing {
    async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, SearchError> {
        assert_eq!((query, from, size), ("a b", 3, 100));
        Err(self.0.lock().unwrap().take().unwrap())
    }
}

#[tokio::test]
async fn a_search_that_fails_is_told_of() {
    let search = Arc::new(Failing(Mutex::new(None)));
    let service = Service::new(Arc::<MemoryStore>::default(), Arc::<MemoryQueue>::default(), Prefix::default());
    let router = pusher_api::router(service.with_search(search.clone()), Options::default());
    for (failure, status, retry_after) in [
        (SearchError::Query("the query is refused at character 3".into()), 400, None),
        (SearchError::Unavailable("the index is being built".into()), 503, Some("1")),
        (StoreError::Full("the disk".into()).into(), 507, None),
        (StoreError::Failed("the disk".into()).into(), 500, None),
    ] {
        let sentence = failure.to_string();
        *search.0.lock().unwrap() = Some(failure);
        let request = Request::get("/pusher/search/?q=a+b&from=3&size=1000").body(Body::empty()).unwrap();
        let answer = answer(&router, request).await;
        assert_eq!((answer.status, answer.sentence()), (status, Some(sentence)), "{answer:?}");
        assert_eq!(answer.retry_after(), retry_after);
    }
}

#[tokio::test]
async fn a_server_without_an_index_says_that_it_cannot_search() {
    let answer = Bench::new().get("/pusher/search/?q=x").await;
    let sentence = "this server has no search index".to_owned();
    assert_eq!((answer.status, answer.sentence()), (501, Some(sentence)));
    assert_eq!(Bench::new().get("/pusher/search/?q=").await.sentence().as_deref(), Some("q is required."));
}
