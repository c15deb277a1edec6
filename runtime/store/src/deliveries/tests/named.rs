//! The index by name is partly in memory: whatever happens, each record is found by its name, in every transaction as it
//! was when that began.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use heed::types::Bytes;
use heed::{Database, RoTxn};
use proptest::prelude::*;
use pusher_core::{Attempt, DeliveryEvent, DeliveryLog, Report, Reported, Retention, SendEnd, StoreError, conformance};

use super::super::names::{Entry, Snapshot, Wanted, entry_of};
use super::super::record::{Place, decode};
use super::{attempt, delivered, name, sender};
use crate::batch::Batch;
use crate::error::Failure;
use crate::keys::{INDEXED_NUMBER, KeyedHash, LAST_NUMBER};
use crate::open::{Indexing, Opened, pretend_schema};
use crate::recent::RECENT_JOBS;
use crate::writer::Operation;
use crate::{Store, StoreOptions};

/// Of two of these names one begins with the other.
const WHO: [&str; 6] = ["a", "b", "b_", "c", "d", "e"];

fn open(dir: &Path, deliveries_in_memory: usize) -> Store {
    open_hashed(dir, deliveries_in_memory, KeyedHash::new)
}

fn open_hashed(dir: &Path, deliveries_in_memory: usize, hash: fn([u8; 16]) -> KeyedHash) -> Store {
    let options = StoreOptions { map_size: 1 << 30, ..StoreOptions::default() };
    Store::open_indexed(dir, options, Indexing { hash, jobs_in_memory: RECENT_JOBS, deliveries_in_memory }).unwrap()
}

/// What may happen to deliveries.
#[derive(Debug, Clone)]
enum Event {
    Attempted(usize, Reported),
    Redriven(usize),
    Deleted(usize),
    /// So many of those that have ended are forgotten.
    Prune(usize),
    /// A batch that records this and then fails.
    Lose(usize),
    /// Somebody begins to read.
    Read,
    /// All who read are done.
    Done,
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..WHO.len();
    let reported = prop_oneof![
        3 => Just(Reported::Delivered),
        2 => Just(Reported::Waiting { due_at: 5 }),
        1 => Just(Reported::Dead { reason: "no such address".into(), data: "data".into() }),
    ];
    prop_oneof![
        10 => (who.clone(), reported).prop_map(|(who, reported)| Event::Attempted(who, reported)),
        1 => who.clone().prop_map(Event::Redriven),
        1 => who.clone().prop_map(Event::Deleted),
        1 => (1..4_usize).prop_map(Event::Prune),
        1 => who.prop_map(Event::Lose),
        2 => Just(Event::Read),
        1 => Just(Event::Done),
        1 => Just(Event::Restart),
    ]
}

/// Records an event, then finds the disk full.
struct Lose(DeliveryEvent);

impl Operation for Lose {
    type Done = ();
    type Error = StoreError;

    fn apply(&self, batch: &mut Batch) -> Result<(), Failure> {
        batch.enter_delivery(&self.0)?;
        Err(Failure::Lost(StoreError::Full("no space left".into())))
    }

    fn bytes(&self) -> usize {
        0
    }

    fn error(reason: StoreError) -> StoreError {
        reason
    }
}

async fn happen(store: &Store, event: Event, number: u32) {
    let (sender, named) = (sender(), |who: usize| name(WHO[who]));
    let event = match event {
        Event::Attempted(who, reported) => {
            let end = if reported == Reported::Delivered { SendEnd::Done } else { SendEnd::Temporary };
            let attempt = Attempt { number, at: number.into(), end, ..attempt() };
            DeliveryEvent::Attempted(Report { sender, name: named(who), attempt, reported })
        }
        Event::Redriven(who) => DeliveryEvent::Redriven { sender, name: named(who) },
        Event::Deleted(who) => DeliveryEvent::Deleted { sender, name: named(who) },
        Event::Prune(many) => {
            let retention = Retention { delivered_before: i64::MAX, dead_before: i64::MAX };
            store.prune(retention, many).await.unwrap();
            return;
        }
        Event::Lose(who) => return assert!(store.write_one(Lose(delivered(WHO[who]))).await.is_err()),
        Event::Read | Event::Done | Event::Restart => unreachable!("whoever has the readers and the store does it"),
    };
    assert!(store.record(vec![event]).await[0].is_ok());
}

/// Whose records there are, and where.
type Records = BTreeMap<String, Place>;

fn records(opened: &Opened, txn: &RoTxn) -> Records {
    let mut records = Records::new();
    for record in opened.tables.deliveries.iter(txn).unwrap() {
        let (key, bytes) = record.unwrap();
        let place = Place::of_key(key).unwrap();
        let kept = decode(place, bytes).unwrap();
        assert_eq!(kept.delivery.sender, sender());
        assert_eq!(records.insert(kept.delivery.pusher.to_string(), place), None, "a delivery has one record");
    }
    records
}

/// The index says where these are, by name and by recipient, and no others.
fn agree(opened: &Opened, txn: &Snapshot, records: &Records) {
    let Opened { names, tables, .. } = opened;
    for who in WHO {
        let found = names.find(tables, txn, names.named(&sender(), &name(who)), (&sender(), &name(who))).unwrap();
        let expected = records.get(who).copied();
        assert_eq!(found.map(|found| found.place), expected, "{who}");
        let name = name(who);
        for wanted in [Wanted::Recipient(who), Wanted::Name(&name)] {
            let mut places = names.places(tables, txn, wanted).unwrap();
            assert!(places.is_sorted_by_key(|place| place.number));
            // With colliding hashes there are those of others among them.
            places.retain(|place| Some(*place) == expected);
            assert_eq!(places, Vec::from_iter(expected), "{who}");
        }
    }
}

/// What happens until the next restart.
async fn live(store: &Store, events: &mut impl Iterator<Item = (u32, Event)>) -> bool {
    let opened = store.opened();
    let mut reading = Vec::new();
    for (number, event) in events {
        match event {
            Event::Restart => return true,
            Event::Read => {
                let txn = opened.snapshot().unwrap();
                let records = records(opened, &txn);
                reading.push((txn, records));
            }
            Event::Done => reading.clear(),
            event => happen(store, event, number).await,
        }
        let now = opened.snapshot().unwrap();
        agree(opened, &now, &records(opened, &now));
        for (txn, records) in &reading {
            agree(opened, txn, records);
        }
    }
    false
}

/// What is on the disk is of records that are there, among them all whose numbers say that they are indexed there.
fn audit(opened: &Opened) {
    let txn = opened.snapshot().unwrap();
    let Opened { tables, hash, .. } = opened;
    let indexed = tables.counters.get(&txn, INDEXED_NUMBER).unwrap().unwrap_or(0);
    let records = tables.deliveries.iter(&txn).unwrap().map(|record| {
        let (key, bytes) = record.unwrap();
        entry_of(*hash, key, bytes).unwrap()
    });
    let (old, new): (BTreeSet<Entry>, BTreeSet<Entry>) = records.partition(|entry| entry.place().number <= indexed);
    let (old, new) = (bytes(old), bytes(new));
    let on_disk: BTreeSet<_> =
        tables.delivery_index.iter(&txn).unwrap().map(|entry| entry.unwrap().0.to_vec()).collect();
    assert!(on_disk.is_superset(&old), "an older record is not in the index");
    assert!(on_disk.difference(&old).all(|entry| new.contains(entry)), "an entry leads to nothing");
}

fn bytes(entries: BTreeSet<Entry>) -> BTreeSet<Vec<u8>> {
    entries.into_iter().map(|entry| entry.bytes().to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_history_leaves_every_delivery_to_be_found(
        events in prop::collection::vec(event(), 1..80), in_memory in 0..6_usize, collide: bool,
    ) {
        let hash = if collide { KeyedHash::colliding } else { KeyedHash::new };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut events = (1..).zip(events);
        runtime.block_on(async {
            loop {
                let store = open_hashed(dir.path(), in_memory, hash);
                audit(store.opened());
                if !live(&store, &mut events).await {
                    break audit(store.opened());
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_conforms_with_hardly_anything_in_memory() {
    let root = tempfile::tempdir().unwrap();
    let logs = std::cell::Cell::new(0);
    conformance::delivery_log(|| {
        logs.set(logs.get() + 1);
        open(&root.path().join(logs.get().to_string()), 1)
    })
    .await;
}

#[tokio::test]
async fn most_of_many_deliveries_are_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 100);
    for batch in 0..40 {
        store.record((0..25).map(|n| delivered(&format!("{batch}-{n}"))).collect()).await;
    }
    let on_disk = |store: &Store| {
        let txn = store.opened().env.read_txn().unwrap();
        store.opened().tables.delivery_index.len(&txn).unwrap()
    };
    assert!((850..=950).contains(&on_disk(&store)), "{}", on_disk(&store));
    let in_memory = store.opened().names.len();
    assert!((50..=150).contains(&in_memory), "{in_memory}");
    drop(store);
    let store = open(dir.path(), 100);
    let in_memory = store.opened().names.len();
    assert!((50..=250).contains(&in_memory), "{in_memory} are read again");
    audit(store.opened());
}

#[tokio::test]
async fn a_store_of_schema_4_has_all_its_deliveries_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 1 << 10);
    store.record(vec![delivered("a"), delivered("b")]).await;
    {
        // As it was then.
        let opened = store.opened();
        let mut txn = opened.env.write_txn().unwrap();
        let names: Database<Bytes, Bytes> = opened.env.create_database(&mut txn, Some("delivery_names")).unwrap();
        for (who, place) in records(opened, &txn) {
            names.put(&mut txn, who.as_bytes(), &place.key()).unwrap();
        }
        txn.commit().unwrap();
        pretend_schema(opened, 4);
    }
    drop(store);
    let store = open(dir.path(), 1 << 10);
    assert_eq!(store.opened().names.len(), 0);
    audit(store.opened());
    let txn = store.opened().snapshot().unwrap();
    agree(store.opened(), &txn, &records(store.opened(), &txn));
    let last = store.opened().tables.counters.get(&txn, LAST_NUMBER).unwrap();
    assert_eq!(store.opened().tables.counters.get(&txn, INDEXED_NUMBER).unwrap(), last);
}
