//! Many recipients at once, against the real router: page by page, and in bulk.

use bench::Bench;
use pusher_client::{Batch, BulkResult, ClientError, Cursor};
use pusher_core::{Applied, ContactFields, PusherFields, Tag};

use crate::bench;
use crate::operations::{id, serve};

#[tokio::test]
async fn pages_are_followed_to_the_end_whatever_goes_meanwhile() {
    let bench = Bench::new();
    let client = serve(&bench).await;
    for n in 0..5 {
        let fields = ContactFields { created_at: Some(n), ..ContactFields::default() };
        client.create(&id(&format!("p{n}")), &fields).await.unwrap();
    }
    let mut pages = client.pages(2);
    let mut seen = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        assert!(page.pushers.len() <= 2);
        seen.extend(page.pushers.into_iter().map(|pusher| pusher.id.to_string()));
        // The last of the page goes, and the next page begins behind it all the same.
        client.delete(&id(seen.last().unwrap())).await.unwrap();
    }
    assert_eq!(seen, ["p4", "p3", "p2", "p1", "p0"]);
    assert_eq!(pages.next_page().await.unwrap(), None);
    assert_eq!(serve(&Bench::new()).await.pages(2).next_page().await.unwrap(), None);
}

#[tokio::test]
async fn a_cursor_can_be_kept_as_text() {
    let client = serve(&Bench::new()).await;
    for name in ["a", "b", "c"] {
        client.create(&id(name), &ContactFields::default()).await.unwrap();
    }
    let first = client.list_after(None, 2).await.unwrap();
    assert_eq!((first.total, first.pushers.len()), (3, 2));
    let kept = first.next.unwrap().as_str().to_owned();
    let last = client.list_after(Some(&Cursor::new(&kept)), 2).await.unwrap();
    assert_eq!((last.pushers[0].id.as_str(), last.next), ("a", None));
    let wrong = client.list_after(Some(&Cursor::new("nowhere")), 2).await.unwrap_err();
    assert!(matches!(wrong, ClientError::Refused { status: 400, .. }), "{wrong:?}");
}

#[tokio::test]
async fn a_batch_that_does_not_fit_says_so_and_what_of_it_did() {
    let bench = Bench::new();
    let client = serve(&bench).await;
    let batch = || {
        let mut batch = Batch::new();
        ["a", "b"].into_iter().for_each(|name| batch.add(&id(name), &PusherFields::default()).unwrap());
        batch
    };
    *bench.store.room.lock().unwrap() = Some(1);
    let some = client.bulk(batch()).await.unwrap();
    assert_eq!((some.full, some.created, some.failed), (true, 1, 1));
    assert!(some.results[0].outcome.is_ok() && some.results[1].outcome.is_err(), "{some:?}");
    let none = client.bulk(batch()).await.unwrap_err();
    assert!(matches!(none, ClientError::Failed { status: 507, .. }), "{none:?}");
    *bench.store.room.lock().unwrap() = None;
    assert!(!client.bulk(batch()).await.unwrap().full);
}

#[tokio::test]
async fn a_batch_says_of_each_line_what_became_of_it() {
    let bench = Bench::new().with_lupino().await;
    let client = serve(&bench).await;
    let vip = || Some(vec![Tag::parse("v/ip").unwrap()]);
    let mut batch = Batch::new();
    batch.add(&id("lupino"), &PusherFields { tags: vip(), ..PusherFields::default() }).unwrap();
    batch.add(&id("日本\n"), &PusherFields::default()).unwrap();
    batch.add_line("{\"id\": \"x\", \"mail\": \"y\"}").unwrap();
    batch.add(&id("lupino"), &PusherFields { tags: vip(), ..PusherFields::default() }).unwrap();
    let report = client.bulk(batch).await.unwrap();
    assert_eq!((report.created, report.changed, report.unchanged, report.failed), (1, 1, 1, 1));
    let done = |line, id: &str, applied| BulkResult { line, id: Some(id.to_owned()), outcome: Ok(applied) };
    assert_eq!(report.results[0], done(1, "lupino", Applied::Changed));
    assert_eq!(report.results[1], done(2, "日本\n", Applied::Created));
    assert!(report.results[2].outcome.as_ref().unwrap_err().contains("mail"), "{:?}", report.results[2]);
    assert_eq!(report.results[3], done(4, "lupino", Applied::Unchanged));
    let lupino = client.get(&id("lupino")).await.unwrap();
    assert_eq!((lupino.senders.len(), lupino.tags), (1, vip().unwrap()), "what is not given stays");
}

#[tokio::test]
async fn a_pusher_goes_into_a_batch_as_it_came() {
    let client = serve(&Bench::new().with_lupino().await).await;
    let mut pusher = client.get(&id("lupino")).await.unwrap();
    let again = |pusher: &_| {
        let mut batch = Batch::new();
        batch.add_pusher(pusher).unwrap();
        client.bulk(batch)
    };
    assert_eq!(again(&pusher).await.unwrap().unchanged, 1);
    (pusher.senders, pusher.created_at) = (Vec::new(), -5);
    assert_eq!(again(&pusher).await.unwrap().changed, 1);
    assert_eq!(client.get(&id("lupino")).await.unwrap(), pusher);
}
