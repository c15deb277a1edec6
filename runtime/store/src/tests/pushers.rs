//! Recipients: the suite of the port, and records that cannot be read.

use std::cell::Cell;

use pusher_core::{Change, PusherChange, SenderName, StoreError, Storer, Tag, conformance};

use super::{change, id, open, put_pusher};
use crate::Store;

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
    for bytes in [&b""[..], b"\x01", b"\x01{}", b"\x02{}", b"\x01{\"id\":"] {
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
    assert_eq!(store.get(&[id("good")]).await.unwrap()[0].as_ref().unwrap().tags.len(), 6);
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
}
