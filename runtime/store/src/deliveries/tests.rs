//! The log on LMDB: the suite of the port, and what is its own.

mod named;
mod with_jobs;

use std::cell::Cell;

use pusher_core::{
    Attempt, DeliveryEvent, DeliveryFilter, DeliveryLog, DeliveryState, JobName, PusherId, Report, Reported, SendEnd,
    SenderName, conformance,
};

use super::record::{Kept, Place, encode};
use crate::{Store, StoreOptions};

fn open(dir: &std::path::Path) -> Store {
    Store::open(dir, StoreOptions { map_size: 1 << 30, ..StoreOptions::default() }).unwrap()
}

fn attempt() -> Attempt {
    Attempt { number: 1, at: 5, took_ms: 1, version: None, end: SendEnd::Done, status: None, message: None }
}

fn sender() -> SenderName {
    SenderName::parse("sample").unwrap()
}

fn name(who: &str) -> JobName {
    JobName::for_push(&PusherId::parse(who).unwrap(), "data")
}

fn delivered(who: &str) -> DeliveryEvent {
    let reported = Reported::Delivered;
    DeliveryEvent::Attempted(Report { sender: sender(), name: name(who), attempt: attempt(), reported })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_conforms() {
    let root = tempfile::tempdir().unwrap();
    let logs = Cell::new(0);
    conformance::delivery_log(|| {
        logs.set(logs.get() + 1);
        open(&root.path().join(logs.get().to_string()))
    })
    .await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_hides_no_other_and_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for who in ["a", "bad", "b"] {
        assert!(store.record(vec![delivered(who)]).await[0].is_ok());
    }
    let changed = |who| store.opened().deliveries_named(&name(who)).unwrap()[0].clone();
    let bad = changed("bad");
    {
        let opened = store.opened();
        let mut txn = opened.env.write_txn().unwrap();
        let last = opened.tables.deliveries.iter(&txn).unwrap().nth(1).unwrap().unwrap().0.to_vec();
        assert_eq!(Place::of_key(&last).unwrap().millis(), bad.changed_at);
        opened.tables.deliveries.put(&mut txn, &last, b"\x07rubbish").unwrap();
        txn.commit().unwrap();
    }
    assert!(DeliveryLog::get(&store, &name("bad")).await.is_err());
    let page = DeliveryLog::list(&store, &DeliveryFilter::default(), None, 10).await.unwrap();
    let listed: Vec<_> = page.deliveries.iter().map(|delivery| delivery.pusher.as_str()).collect();
    assert_eq!(listed, ["b", "a"]);
    assert!(store.record(vec![delivered("bad")]).await[0].is_ok());
    assert_eq!(changed("bad").state, DeliveryState::Delivered);
}

#[tokio::test]
async fn numbers_go_on_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for who in ["a", "b", "c"] {
        let store = open(dir.path());
        assert!(store.record(vec![delivered(who)]).await[0].is_ok());
        let opened = store.opened();
        let txn = opened.env.read_txn().unwrap();
        let key = opened.tables.deliveries.last(&txn).unwrap().unwrap().0.to_vec();
        let number = Place::of_key(&key).unwrap().number;
        assert!(number > last);
        last = number;
    }
}

#[test]
fn a_record_of_a_push_is_small() {
    let DeliveryEvent::Attempted(report) = delivered("recipient-0000001") else { unreachable!() };
    let delivery = pusher_core::Delivery::after(None, &DeliveryEvent::Attempted(report), 1).unwrap();
    let mut bytes = Vec::new();
    encode(&Kept { pushall: 0, delivery }, &mut bytes).unwrap();
    assert!(bytes.len() < 128, "{} bytes", bytes.len());
}
