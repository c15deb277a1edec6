//! Jobs: the suite of the port, identity, order, numbers and counts, and what happens when hashes collide or few entries
//! of the indexes fit in memory.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::conformance::{self, Site};
use periodic::{Job, JobOp, JobOpDone, JobStore, JobStoreError, Seq};

use super::{COLLIDING, FEW, drop_and_audit, due, funcs, job, key, op, open, open_indexed, put_job};
use crate::Store;
use crate::keys::KeyedHash;
use crate::open::Indexing;

/// A directory and how its store finds jobs.
struct Place(tempfile::TempDir, Indexing);

impl Place {
    fn new(indexing: Indexing) -> Self {
        Self(tempfile::tempdir().unwrap(), indexing)
    }
}

#[async_trait]
impl Site for Place {
    async fn open(&self) -> Arc<dyn JobStore> {
        Arc::new(open_indexed(self.0.path(), self.1))
    }
}

#[tokio::test]
async fn the_store_conforms() {
    conformance::run(|| Place::new(Indexing::default())).await;
}

#[tokio::test]
async fn the_store_conforms_although_all_hashes_collide() {
    conformance::run(|| Place::new(COLLIDING)).await;
}

#[tokio::test]
async fn the_store_conforms_although_only_two_jobs_are_indexed_in_memory() {
    conformance::run(|| Place::new(FEW)).await;
}

#[tokio::test]
async fn the_store_conforms_although_few_are_in_memory_and_all_collide() {
    conformance::run(|| Place::new(Indexing { hash: KeyedHash::colliding, ..FEW })).await;
}

#[tokio::test]
async fn a_job_is_kept_as_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let odd = Job {
        key: periodic::JobKey { func: Bytes::from_static(&[0, 255]), name: Bytes::from_static(b"") },
        workload: Bytes::from(vec![7; 100_000]),
        sched_at: i64::MIN,
        count: -3,
        timeout: i32::MAX,
    };
    let (first, _) = put_job(&store, odd.clone()).await;
    let (second, _) = put_job(&store, job("", "n", 5)).await;
    let loaded = store.load(&[second, 999, first]).await.unwrap();
    assert_eq!(loaded, [Some(job("", "n", 5)), None, Some(odd)]);
}

#[tokio::test]
async fn a_job_with_the_same_key_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (old, none) = put_job(&store, job("f", "n", 5)).await;
    assert_eq!(none, None);
    let (new, replaced) = put_job(&store, job("f", "n", 9)).await;
    assert!(new > old);
    assert_eq!(replaced, Some(old));
    assert_eq!(store.load(&[old]).await.unwrap(), [None]);
    assert_eq!(due(&store, "f", None, 9).await, [(9, new)]);
    assert_eq!(funcs(&store).await, [("f".into(), 1)]);
    let (other, replaced) = put_job(&store, job("g", "n", 9)).await;
    assert_eq!((replaced, store.load(&[new, other]).await.unwrap().iter().flatten().count()), (None, 2));
}

#[tokio::test]
async fn what_is_due_comes_by_time_then_by_number_and_only_of_the_func() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut expected = Vec::new();
    for (n, at) in [5, -1, i64::MAX, 5, 0, i64::MIN].into_iter().enumerate() {
        let (seq, _) = put_job(&store, job("f", &n.to_string(), at)).await;
        put_job(&store, job("ff", &n.to_string(), at)).await;
        put_job(&store, job("", &n.to_string(), at)).await;
        expected.push((at, seq));
    }
    expected.sort_unstable();
    assert_eq!(due(&store, "f", None, 99).await, expected);
    assert_eq!(due(&store, "f", None, 2).await, expected[..2]);
    assert_eq!(due(&store, "f", Some(expected[1]), 2).await, expected[2..4]);
    assert_eq!(due(&store, "f", Some(expected[5]), 2).await, []);
    assert_eq!(due(&store, "f", None, 0).await, []);
    assert_eq!(due(&store, "none", None, 9).await, []);
}

#[tokio::test]
async fn putting_off_moves_a_job_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (seq, _) = put_job(&store, job("f", "n", 5)).await;
    let put_off = |seq, sched_at, step| op(&store, JobOp::Reschedule { seq, sched_at, step });
    assert_eq!(put_off(seq, 60, 2).await.unwrap(), JobOpDone::Rescheduled(true));
    assert_eq!(due(&store, "f", None, 9).await, [(60, seq)]);
    assert_eq!(put_off(seq, 60, i32::MAX).await.unwrap(), JobOpDone::Rescheduled(true));
    let loaded = store.load(&[seq]).await.unwrap();
    assert_eq!(loaded, [Some(Job { count: i32::MAX, ..job("f", "n", 60) })]);
    assert_eq!(put_off(seq + 1, 60, 1).await.unwrap(), JobOpDone::Rescheduled(false));
    assert_eq!(op(&store, JobOp::Discard(seq)).await.unwrap(), JobOpDone::Deleted(Some(seq)));
    assert_eq!(put_off(seq, 60, 1).await.unwrap(), JobOpDone::Rescheduled(false));
}

#[tokio::test]
async fn operations_of_one_batch_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let look = || JobOp::Due { func: Bytes::from_static(b"f"), after: None, limit: 9 };
    let results = JobStore::apply(
        &store,
        vec![
            look(),
            JobOp::Put(job("f", "a", 2)),
            look(),
            JobOp::Put(job("f", "b", 1)),
            JobOp::Remove(key("f", "a")),
            look(),
            JobOp::Put(job("f", "b", 3)),
            JobOp::Discard(1),
            JobOp::Remove(key("f", "a")),
            look(),
        ],
    )
    .await;
    let results: Vec<JobOpDone> = results.into_iter().map(Result::unwrap).collect();
    let expected = [
        JobOpDone::Due(vec![]),
        JobOpDone::Put { seq: 1, replaced: None },
        JobOpDone::Due(vec![(2, 1)]),
        JobOpDone::Put { seq: 2, replaced: None },
        JobOpDone::Deleted(Some(1)),
        JobOpDone::Due(vec![(1, 2)]),
        JobOpDone::Put { seq: 3, replaced: Some(2) },
        JobOpDone::Deleted(None),
        JobOpDone::Deleted(None),
        JobOpDone::Due(vec![(3, 3)]),
    ];
    assert_eq!(results, expected);
}

#[tokio::test]
async fn funcs_are_counted_in_order_and_go_with_their_last_job() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (func, jobs) in [("b", 3), ("a", 1), ("aa", 2), ("", 1)] {
        let puts = (0..jobs).map(|n| JobOp::Put(job(func, &n.to_string(), 0))).collect();
        JobStore::apply(&store, puts).await;
    }
    assert_eq!(funcs(&store).await, [("".into(), 1), ("a".into(), 1), ("aa".into(), 2), ("b".into(), 3)]);
    for (func, name) in [("a", "0"), ("", "0"), ("b", "1"), ("b", "1")] {
        op(&store, JobOp::Remove(key(func, name))).await.unwrap();
    }
    assert_eq!(funcs(&store).await, [("aa".into(), 2), ("b".into(), 2)]);
    assert!(drop_and_audit(store, dir.path(), Indexing::default()).is_empty());
}

#[tokio::test]
async fn a_number_is_never_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for round in 0..3 {
        let store = open(dir.path());
        let (seq, _) = put_job(&store, job("f", "n", round)).await;
        assert!(seq > last, "{seq} after {last}");
        last = seq;
        op(&store, JobOp::Discard(seq)).await.unwrap();
        assert_eq!(funcs(&store).await, []);
    }
}

#[tokio::test]
async fn jobs_whose_hashes_collide_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_indexed(dir.path(), COLLIDING);
    let mut seqs = Vec::new();
    for n in 0..50 {
        let (seq, replaced) = put_job(&store, job("f", &n.to_string(), 0)).await;
        assert_eq!(replaced, None, "job {n}");
        seqs.push(seq);
    }
    for n in (0..50).step_by(2) {
        let (seq, replaced) = put_job(&store, job("f", &n.to_string(), 1)).await;
        assert_eq!(replaced, Some(seqs[n]), "job {n}");
        seqs[n] = seq;
    }
    for n in (0..50).step_by(3) {
        let removed = op(&store, JobOp::Remove(key("f", &n.to_string()))).await.unwrap();
        assert_eq!(removed, JobOpDone::Deleted(Some(seqs[n])), "job {n}");
    }
    assert_eq!(op(&store, JobOp::Remove(key("f", "0"))).await.unwrap(), JobOpDone::Deleted(None));
    for (n, seq) in seqs.iter().enumerate() {
        let gone = n % 3 == 0;
        assert_eq!(store.load(&[*seq]).await.unwrap()[0].is_none(), gone, "job {n}");
        let finished = op(&store, JobOp::Discard(*seq)).await.unwrap();
        assert_eq!(finished, JobOpDone::Deleted((!gone).then_some(*seq)), "job {n}");
    }
    assert!(drop_and_audit(store, dir.path(), COLLIDING).is_empty());
}

#[tokio::test]
async fn names_that_are_too_long_are_refused_and_harm_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let long = "x".repeat(256);
    let results = JobStore::apply(
        &store,
        vec![
            JobOp::Put(job("f", "a", 0)),
            JobOp::Put(job(&long, "n", 0)),
            JobOp::Put(job("f", &long, 0)),
            JobOp::Remove(key(&long, "n")),
            JobOp::Due { func: Bytes::from(long.clone()), after: None, limit: 1 },
            JobOp::Put(job(&long[1..], &long[1..], 0)),
        ],
    )
    .await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, false, false, true]);
    assert!(results[1].as_ref().unwrap_err().to_string().contains("func of a job is 256 bytes long; the limit is 255"));
}

pub(super) fn overwrite(store: &Store, seq: Seq, bytes: &[u8]) {
    let opened = store.opened();
    let mut txn = opened.env.write_txn().unwrap();
    opened.tables.jobs.put(&mut txn, &seq, bytes).unwrap();
    txn.commit().unwrap();
}

#[tokio::test]
async fn a_job_that_cannot_be_read_is_named_and_harms_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (bad, _) = put_job(&store, job("f", "bad", 0)).await;
    overwrite(&store, bad, b"\x09");
    let named = |e: &JobStoreError| e.to_string().contains("job 1 cannot be read");
    assert!(named(&store.load(&[bad]).await.unwrap_err()));
    let ops = vec![
        JobOp::Put(job("f", "a", 0)),
        JobOp::Discard(bad),
        JobOp::Put(job("f", "bad", 0)),
        JobOp::Put(job("f", "b", 0)),
    ];
    let results = JobStore::apply(&store, ops).await;
    assert!(results[0].is_ok() && results[3].is_ok(), "{results:?}");
    assert!(named(results[1].as_ref().unwrap_err()) && named(results[2].as_ref().unwrap_err()), "{results:?}");
    assert_eq!(funcs(&store).await, [("f".into(), 3)]);
}
