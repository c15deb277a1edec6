//! A map that fills: what grows the store is refused in time, what shrinks it always works.

use bytes::Bytes;
use periodic::{Job, JobOp, JobOpDone, JobStore, JobStoreError, Seq};
use pusher_core::{Applied, Change, ContactFields, PusherChange, StoreError, Tag};

use super::{change, funcs, id, job, op, put_job, put_pusher};
use crate::{Store, StoreOptions};

fn open_tiny(dir: &std::path::Path) -> Store {
    Store::open(dir, StoreOptions { map_size: 4 << 20, ..StoreOptions::default() }).unwrap()
}

const AT_ONCE: usize = 20;

fn large(n: usize) -> Job {
    Job { workload: Bytes::from(vec![7; 1000]), ..job("f", &n.to_string(), 0) }
}

/// As small as a job can be: when it finds no room, nothing does.
fn small(n: usize) -> Job {
    Job { workload: Bytes::new(), ..job("s", &n.to_string(), 0) }
}

/// Puts jobs until one is refused, many at once and then one by one (a batch sets aside more than it takes in the
/// end); the numbers of the others.
async fn fill(store: &Store, job: fn(usize) -> Job) -> Vec<Seq> {
    let mut seqs = Vec::new();
    for at_once in [AT_ONCE, 1] {
        let mut refused = None;
        while refused.is_none() {
            let puts = (seqs.len()..seqs.len() + at_once).map(|n| JobOp::Put(job(n))).collect();
            for result in JobStore::apply(store, puts).await {
                match result {
                    Ok(JobOpDone::Put { seq, .. }) => seqs.push(seq),
                    Err(JobStoreError::Full(reason)) => refused = Some(reason),
                    other => panic!("{other:?}"),
                }
            }
        }
        let advice = "delete something, or restart with a larger map size";
        assert!(refused.is_some_and(|reason| reason.contains(advice)));
    }
    seqs
}

fn tag(who: &str, tag: &str) -> PusherChange {
    PusherChange { id: id(who), change: Change::AddTag(Tag::parse(tag).unwrap()) }
}

fn nickname(who: &str, name: &str) -> PusherChange {
    let fields = ContactFields { nickname: Some(name.into()), ..ContactFields::default() };
    PusherChange { id: id(who), change: Change::Update(fields) }
}

#[tokio::test]
async fn at_nine_tenths_only_what_does_not_grow_the_store_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_tiny(dir.path());
    change(&store, put_pusher("a", 1)).await.unwrap();
    change(&store, tag("a", "old")).await.unwrap();
    let mut seqs = fill(&store, large).await;
    assert!(seqs.len() > 2500, "the map was used: {}", seqs.len());
    seqs.extend(fill(&store, small).await);

    let full = |result: Result<Applied, StoreError>| matches!(result, Err(StoreError::Full(_)));
    assert!(full(change(&store, put_pusher("b", 1)).await));
    assert!(full(change(&store, tag("a", "new")).await));
    assert!(full(change(&store, nickname("a", "longer")).await));
    assert_eq!(change(&store, tag("a", "old")).await.unwrap(), Applied::Unchanged);
    assert_eq!(change(&store, tag("none", "new")).await.unwrap(), Applied::Missing);

    for some in seqs.chunks(AT_ONCE) {
        let put_off = some.iter().map(|&seq| JobOp::Reschedule { seq, sched_at: seq as i64, step: 1 }).collect();
        let results = JobStore::apply(&store, put_off).await;
        assert!(results.iter().all(|r| matches!(r, Ok(JobOpDone::Rescheduled(true)))), "{results:?}");
    }
    assert!(matches!(op(&store, JobOp::Put(large(0))).await, Err(JobStoreError::Full(_))), "also to replace");
    for some in seqs.chunks(AT_ONCE) {
        let results = JobStore::apply(&store, some.iter().map(|&seq| JobOp::Discard(seq)).collect()).await;
        assert!(results.iter().all(|r| matches!(r, Ok(JobOpDone::Deleted(Some(_))))), "{results:?}");
    }
    assert_eq!(change(&store, PusherChange { id: id("a"), change: Change::Delete }).await.unwrap(), Applied::Changed);
    assert_eq!(funcs(&store).await, []);

    assert!(fill(&store, large).await.len() > 2500, "and there is room again");
}

#[tokio::test]
async fn a_large_job_is_refused_before_it_fills_the_map() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_tiny(dir.path());
    let huge = Job { workload: Bytes::from(vec![7; 5 << 20]), ..job("f", "huge", 0) };
    assert!(matches!(op(&store, JobOp::Put(huge)).await, Err(JobStoreError::Full(_))));
    put_job(&store, job("f", "small", 0)).await;
}

#[expect(clippy::await_holding_invalid_type, reason = "what a reader does that is held too long is what this is about")]
#[tokio::test]
async fn a_map_without_a_page_left_is_full_until_pages_are_free_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_tiny(dir.path());
    let seqs = fill(&store, large).await;
    // A reader keeps every page that is replaced from being used again.
    let reader = store.opened().env.read_txn().unwrap();
    let mut at = 1;
    let refused = loop {
        match op(&store, JobOp::Reschedule { seq: seqs[at % seqs.len()], sched_at: at as i64, step: 0 }).await {
            Ok(_) => at += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(&refused, JobStoreError::Full(reason) if reason.contains("no page left")), "{refused}");
    drop(reader);
    let again = op(&store, JobOp::Reschedule { seq: seqs[0], sched_at: 1, step: 0 }).await;
    assert_eq!(again.unwrap(), JobOpDone::Rescheduled(true));
    assert_eq!(funcs(&store).await, [("f".into(), seqs.len() as u64)]);
}
