//! Recipients: the suite of the port, and records that cannot be read.

use std::cell::Cell;
use std::ops::Bound;

use proptest::prelude::*;
use pusher_core::{Change, PusherChange, SenderName, StoreError, Storer, Tag, conformance};

use super::{change, id, open, put_pusher};
use crate::Store;
use crate::ranks::FULL;

#[tokio::test]
async fn the_store_conforms() {
    let root = tempfile::tempdir().unwrap();
    let stores = Cell::new(0);
    conformance::storer(|| {
        stores.set(stores.get() + 1);
        open(&root.path().join(stores.get().to_string()))
    })
    .await;
}

fn overwrite(store: &Store, who: &str, bytes: &[u8]) {
    let opened = store.opened();
    let mut txn = opened.env.write_txn().unwrap();
    opened.tables.pushers.put(&mut txn, who, bytes).unwrap();
    txn.commit().unwrap();
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_named_and_harms_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for who in ["good", "bad"] {
        change(&store, put_pusher(who, 1)).await.unwrap();
    }
    for bytes in [&b""[..], b"\x01", b"\x01{}", b"\x02{}", b"\x03{}", b"\x01{\"id\":"] {
        overwrite(&store, "bad", bytes);
        let is_named = |e: &StoreError| matches!(e, StoreError::Corrupt { key, .. } if key == "pusher bad");
        assert!(is_named(&store.get(&[id("bad")]).await.unwrap_err()), "{bytes:?}");
        assert!(is_named(&store.list(0, 9).await.unwrap_err()), "{bytes:?}");
        let tag = |who: &str, tag: &str| PusherChange { id: id(who), change: Change::AddTag(Tag::parse(tag).unwrap()) };
        let tagged = format!("{bytes:?}");
        let results = store.apply(vec![tag("good", &tagged), tag("bad", &tagged), tag("good", "last")]).await;
        assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
        assert!(is_named(results[1].as_ref().unwrap_err()), "{results:?}");
    }
    assert_eq!(store.get(&[id("good")]).await.unwrap()[0].as_ref().unwrap().tags.len(), 7);
}

#[tokio::test]
async fn nothing_is_left_in_an_index_when_the_last_recipient_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    change(&store, put_pusher("a", 5)).await.unwrap();
    let add = |n: usize| PusherChange {
        id: id("a"),
        change: Change::AddSender(SenderName::parse(&format!("s{n}")).unwrap()),
    };
    store.apply((0..20).map(add).collect()).await;
    change(&store, PusherChange { id: id("a"), change: Change::AddTag(Tag::parse("t").unwrap()) }).await.unwrap();
    change(&store, PusherChange { id: id("a"), change: Change::Delete }).await.unwrap();
    let opened = store.opened();
    let txn = opened.env.read_txn().unwrap();
    for index in [opened.tables.by_created, opened.tables.by_sender, opened.tables.by_tag] {
        assert!(index.is_empty(&txn).unwrap());
    }
    assert!(opened.tables.created_counts.is_empty(&txn).unwrap());
}

/// Each stretch of the list has as many recipients as its count says, and no more than it may.
fn check_counts(store: &Store) {
    let opened = store.opened();
    let txn = opened.env.read_txn().unwrap();
    let counts: Vec<(Vec<u8>, u64)> =
        opened.tables.created_counts.iter(&txn).unwrap().map(|e| e.map(|(k, n)| (k.to_vec(), n)).unwrap()).collect();
    let mut counted = 0;
    for (at, (first, count)) in counts.iter().enumerate() {
        let end = counts.get(at + 1).map_or(Bound::Unbounded, |(next, _)| Bound::Excluded(next.as_slice()));
        let there = opened.tables.by_created.range(&txn, &(Bound::Included(first.as_slice()), end)).unwrap().count();
        assert_eq!(*count, there as u64, "stretch {at} of {}", counts.len());
        assert!((1..=FULL).contains(count), "stretch {at} has {count}");
        counted += count;
    }
    assert_eq!(counted, opened.tables.by_created.len(&txn).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_counts_of_the_list_are_right_whatever_comes_and_goes(
        batches in prop::collection::vec(
            prop::collection::vec((0..60u32, prop::option::weighted(0.7, -3..20i64)), 1..80),
            1..8,
        ),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for batch in batches {
            let changes = batch.into_iter().map(|(who, created_at)| match created_at {
                Some(created_at) => put_pusher(&who.to_string(), created_at),
                None => PusherChange { id: id(&who.to_string()), change: Change::Delete },
            });
            let results = runtime.block_on(Storer::apply(&store, changes.collect()));
            prop_assert!(results.iter().all(Result::is_ok));
            check_counts(&store);
        }
    }
}
