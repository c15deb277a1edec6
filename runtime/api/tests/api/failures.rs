//! What a client is told when the store or the queue does not do as asked.

use pusher_core::{QueueError, StoreError};

use crate::bench::{Bench, FORM};

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
