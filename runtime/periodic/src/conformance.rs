//! What every [`JobStore`] must do, as a suite that its tests run.
//!
//! ```ignore
//! struct OnDisk(tempfile::TempDir);
//!
//! #[async_trait]
//! impl periodic::conformance::Site for OnDisk {
//!     async fn open(&self) -> Arc<dyn JobStore> { Arc::new(MyStore::open(self.0.path()).unwrap()) }
//! }
//!
//! #[tokio::test]
//! async fn my_store_conforms() {
//!     periodic::conformance::run(|| OnDisk(tempfile::tempdir().unwrap())).await;
//! }
//! ```
//!
//! A failure is a panic that says what was expected.

mod model;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::job::{Job, JobKey};
use crate::store::{JobOp, JobOpDone, JobStore, Seq, StoredFunc};

/// A place that a store can be opened in, closed and opened again.
#[async_trait]
pub trait Site: Send + Sync {
    /// Opens the store that is here; the first time there is nothing in it. The suite drops one before it opens the next.
    async fn open(&self) -> Arc<dyn JobStore>;
}

/// Runs the whole suite. `make` is called once for each part and makes a place with nothing in it.
pub async fn run<S: Site>(make: impl Fn() -> S) {
    puts_and_loads(&make()).await;
    keeps_every_field(&make()).await;
    a_put_replaces_the_job_with_its_key(&make()).await;
    removes_by_key(&make()).await;
    finishes_by_number(&make()).await;
    reschedules(&make()).await;
    tells_what_is_due_in_order(&make()).await;
    pages_through_what_is_due(&make()).await;
    keeps_funcs_apart(&make()).await;
    counts_jobs_per_func(&make()).await;
    applies_a_batch_in_order(&make()).await;
    applies_overlapping_batches_in_order(&make()).await;
    numbers_are_never_given_again(&make()).await;
    takes_any_bytes_as_names(&make()).await;
    keeps_many_jobs_with_similar_names(&make()).await;
    orders_what_moves(&make()).await;
    model::does_what_the_model_does(&make()).await;
}

fn finish(seq: Seq) -> JobOp {
    JobOp::Finish { seq, result: Bytes::new() }
}

fn job(func: &str, name: &str, sched_at: i64) -> Job {
    Job { key: key(func, name), workload: Bytes::from(format!("work of {name}")), sched_at, count: 0, timeout: 0 }
}

fn key(func: &str, name: &str) -> JobKey {
    JobKey { func: Bytes::copy_from_slice(func.as_bytes()), name: Bytes::copy_from_slice(name.as_bytes()) }
}

async fn apply(store: &dyn JobStore, op: JobOp) -> JobOpDone {
    let mut done = apply_all(store, vec![op]).await;
    done.remove(0)
}

async fn apply_all(store: &dyn JobStore, ops: Vec<JobOp>) -> Vec<JobOpDone> {
    let asked = ops.len();
    let done = store.apply(ops).await;
    assert_eq!(done.len(), asked, "one result for each operation");
    done.into_iter().map(|done| done.expect("the operation is possible")).collect()
}

async fn put(store: &dyn JobStore, job: Job) -> Seq {
    match apply(store, JobOp::Put(job)).await {
        JobOpDone::Put { seq, replaced: None } => seq,
        other => panic!("a new job is put and replaces none, not {other:?}"),
    }
}

async fn load(store: &dyn JobStore, seq: Seq) -> Option<Job> {
    let mut found = store.load(&[seq]).await.expect("jobs can be loaded");
    assert_eq!(found.len(), 1, "one answer for each number");
    found.remove(0)
}

async fn due(store: &dyn JobStore, func: &str, after: Option<(i64, Seq)>, limit: usize) -> Vec<(i64, Seq)> {
    match apply(store, JobOp::Due { func: Bytes::copy_from_slice(func.as_bytes()), after, limit }).await {
        JobOpDone::Due(page) => page,
        other => panic!("Due is answered with Due, not {other:?}"),
    }
}

async fn counts(store: &dyn JobStore) -> Vec<(Bytes, u64)> {
    let funcs = store.funcs().await.expect("funcs can be listed");
    funcs.into_iter().map(|StoredFunc { func, jobs }| (func, jobs)).collect()
}

async fn puts_and_loads(site: &impl Site) {
    let store = site.open().await;
    assert_eq!(counts(&*store).await, [], "a new store is empty");
    assert_eq!(due(&*store, "f", None, 10).await, [], "a func that is not there has nothing due");
    let first = put(&*store, job("f", "a", 10)).await;
    let second = put(&*store, job("f", "b", 5)).await;
    assert!(second > first, "numbers ascend");
    let found = store.load(&[second, first, second + 100]).await.expect("jobs can be loaded");
    assert_eq!(found, [Some(job("f", "b", 5)), Some(job("f", "a", 10)), None], "as asked, in the order asked");
    drop(store);
    let store = site.open().await;
    assert_eq!(load(&*store, first).await, Some(job("f", "a", 10)), "a job is there after reopening");
    assert_eq!(due(&*store, "f", None, 10).await, [(5, second), (10, first)]);
}

async fn keeps_every_field(site: &impl Site) {
    let store = site.open().await;
    let workload: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let full = Job {
        key: key("f", "full"),
        workload: workload.into(),
        sched_at: i64::MAX - 1,
        count: i32::MAX,
        timeout: i32::MAX,
    };
    let empty = Job { key: key("f", "empty"), workload: Bytes::new(), sched_at: 0, count: 0, timeout: 0 };
    let negative = Job { count: -3, timeout: -4, sched_at: -5, ..job("f", "negative", 0) };
    for job in [full, empty, negative] {
        let seq = put(&*store, job.clone()).await;
        assert_eq!(load(&*store, seq).await, Some(job));
    }
}

async fn a_put_replaces_the_job_with_its_key(site: &impl Site) {
    let store = site.open().await;
    let old = put(&*store, job("f", "a", 10)).await;
    let newer = Job { workload: Bytes::from_static(b"other work"), ..job("f", "a", 3) };
    let done = apply(&*store, JobOp::Put(newer.clone())).await;
    let JobOpDone::Put { seq, replaced } = done else { panic!("a put, not {done:?}") };
    assert_eq!(replaced, Some(old), "the number of the job that was replaced");
    assert!(seq > old, "the new one has a new number");
    assert_eq!(load(&*store, old).await, None, "the old number is gone");
    assert_eq!(load(&*store, seq).await, Some(newer));
    assert_eq!(due(&*store, "f", None, 10).await, [(3, seq)], "the old one is not due any more");
    assert_eq!(counts(&*store).await, [(Bytes::from_static(b"f"), 1)]);
    assert_eq!(apply(&*store, finish(old)).await, JobOpDone::Deleted(None), "finishing the old one does nothing");
    assert!(load(&*store, seq).await.is_some());
}

async fn removes_by_key(site: &impl Site) {
    let store = site.open().await;
    let seq = put(&*store, job("f", "a", 1)).await;
    let other = put(&*store, job("g", "a", 1)).await;
    assert_eq!(apply(&*store, JobOp::Remove(key("f", "none"))).await, JobOpDone::Deleted(None));
    assert_eq!(apply(&*store, JobOp::Remove(key("f", "a"))).await, JobOpDone::Deleted(Some(seq)));
    assert_eq!(apply(&*store, JobOp::Remove(key("f", "a"))).await, JobOpDone::Deleted(None), "once is enough");
    assert_eq!(load(&*store, seq).await, None);
    assert!(load(&*store, other).await.is_some(), "the same name in another func is another job");
    drop(store);
    assert_eq!(load(&*site.open().await, seq).await, None, "it is gone after reopening");
}

async fn finishes_by_number(site: &impl Site) {
    let store = site.open().await;
    let seq = put(&*store, job("f", "a", 1)).await;
    assert_eq!(apply(&*store, finish(seq + 1)).await, JobOpDone::Deleted(None));
    assert_eq!(apply(&*store, finish(seq)).await, JobOpDone::Deleted(Some(seq)));
    assert_eq!(apply(&*store, JobOp::Discard(seq)).await, JobOpDone::Deleted(None), "once is enough");
    assert_eq!(due(&*store, "f", None, 10).await, []);
    let again = put(&*store, job("f", "a", 1)).await;
    assert!(again > seq, "the key is free again");
}

async fn reschedules(site: &impl Site) {
    let store = site.open().await;
    let seq = put(&*store, job("f", "a", 1)).await;
    let other = put(&*store, job("f", "b", 5)).await;
    let later = |sched_at, step| JobOp::Reschedule { seq, sched_at, step };
    assert_eq!(apply(&*store, later(9, 2)).await, JobOpDone::Rescheduled(true));
    assert_eq!(load(&*store, seq).await, Some(Job { count: 2, ..job("f", "a", 9) }), "its number stays");
    assert_eq!(due(&*store, "f", None, 10).await, [(5, other), (9, seq)], "its old time is gone");
    apply(&*store, later(9, i32::MAX)).await;
    assert_eq!(load(&*store, seq).await.map(|job| job.count), Some(i32::MAX), "the count saturates");
    apply(&*store, later(-1, -7)).await;
    assert_eq!(load(&*store, seq).await.map(|job| job.count), Some(i32::MAX - 7), "a step may be negative");
    assert_eq!(due(&*store, "f", None, 10).await, [(-1, seq), (5, other)]);
    drop(store);
    let store = site.open().await;
    assert_eq!(due(&*store, "f", None, 10).await, [(-1, seq), (5, other)], "it is durable");
    assert_eq!(apply(&*store, JobOp::Remove(key("f", "a"))).await, JobOpDone::Deleted(Some(seq)));
    assert_eq!(due(&*store, "f", None, 10).await, [(5, other)], "it goes from where it is now");
    assert_eq!(apply(&*store, later(1, 0)).await, JobOpDone::Rescheduled(false), "there is no such job any more");
}

async fn tells_what_is_due_in_order(site: &impl Site) {
    let store = site.open().await;
    let mut expected = Vec::new();
    for (index, sched_at) in [7, 0, 300, 7, 256, 255, -1, i64::MAX, 7, 65_536].into_iter().enumerate() {
        expected.push((sched_at, put(&*store, job("f", &format!("j{index}"), sched_at)).await));
    }
    expected.sort_unstable();
    assert_eq!(due(&*store, "f", None, 100).await, expected, "by time, then by number");
    assert_eq!(due(&*store, "f", None, expected.len()).await, expected);
    assert_eq!(due(&*store, "f", None, 3).await, expected[..3], "no more than the limit");
    for (index, position) in expected.iter().enumerate() {
        assert_eq!(due(&*store, "f", Some(*position), 100).await, expected[index + 1..], "only what comes after");
    }
    assert_eq!(due(&*store, "f", Some((8, 0)), 100).await, expected[5..], "the position itself need not be there");
}

async fn pages_through_what_is_due(site: &impl Site) {
    let store = site.open().await;
    let puts = (0..500).map(|index| JobOp::Put(job("f", &format!("j{index}"), index % 7))).collect();
    apply_all(&*store, puts).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = due(&*store, "f", after, 64).await;
        after = page.last().copied().or(after);
        let last = page.len() < 64;
        found.extend(page);
        if last {
            break;
        }
    }
    assert_eq!(found.len(), 500, "every job once");
    assert!(found.is_sorted(), "in order across pages");
}

async fn keeps_funcs_apart(site: &impl Site) {
    let store = site.open().await;
    let names = ["a", "ab", "", "a\0", "b"];
    let mut seqs = Vec::new();
    for name in names {
        seqs.push(put(&*store, job(name, "j", 1)).await);
    }
    for (name, seq) in names.iter().zip(seqs) {
        assert_eq!(due(&*store, name, None, 10).await, [(1, seq)], "only the jobs of {name:?}");
        assert_eq!(due(&*store, name, Some((1, seq)), 10).await, [], "nothing of the next func after {name:?}");
    }
}

async fn counts_jobs_per_func(site: &impl Site) {
    let store = site.open().await;
    let counted = |list: &[(&'static str, u64)]| -> Vec<(Bytes, u64)> {
        list.iter().map(|(func, jobs)| (Bytes::from_static(func.as_bytes()), *jobs)).collect()
    };
    let first = put(&*store, job("b", "1", 1)).await;
    put(&*store, job("b", "2", 1)).await;
    put(&*store, job("a", "1", 1)).await;
    apply(&*store, JobOp::Put(job("b", "2", 9))).await;
    apply(&*store, JobOp::Reschedule { seq: first, sched_at: 5, step: 1 }).await;
    assert_eq!(counts(&*store).await, counted(&[("a", 1), ("b", 2)]), "in byte order; replacing adds none");
    apply(&*store, finish(first)).await;
    apply(&*store, JobOp::Remove(key("a", "1"))).await;
    assert_eq!(counts(&*store).await, counted(&[("b", 1)]), "a func without jobs is not listed");
    drop(store);
    assert_eq!(counts(&*site.open().await).await, counted(&[("b", 1)]));
}

async fn applies_a_batch_in_order(site: &impl Site) {
    let store = site.open().await;
    let look = || JobOp::Due { func: Bytes::from_static(b"f"), after: None, limit: 10 };
    let ops = vec![
        JobOp::Put(job("f", "a", 1)),
        look(),
        JobOp::Put(job("f", "a", 2)),
        look(),
        JobOp::Remove(key("f", "a")),
        look(),
        JobOp::Put(job("f", "a", 3)),
    ];
    let done = apply_all(&*store, ops).await;
    let (JobOpDone::Put { seq: first, .. }, JobOpDone::Put { seq: second, replaced }) = (&done[0], &done[2]) else {
        panic!("puts, not {done:?}")
    };
    assert_eq!(*replaced, Some(*first), "a batch sees what it did itself");
    assert_eq!(done[1], JobOpDone::Due(vec![(1, *first)]));
    assert_eq!(done[3], JobOpDone::Due(vec![(2, *second)]));
    assert_eq!(done[4], JobOpDone::Deleted(Some(*second)));
    assert_eq!(done[5], JobOpDone::Due(Vec::new()));
    assert!(matches!(done[6], JobOpDone::Put { seq, replaced: None } if seq > *second));
    assert_eq!(store.apply(Vec::new()).await.len(), 0, "nothing to do is fine");
}

async fn applies_overlapping_batches_in_order(site: &impl Site) {
    let store = site.open().await;
    let puts = (0..50).map(|at| store.apply(vec![JobOp::Put(job("f", "a", at))]));
    let mut last = None;
    for done in futures_util::future::join_all(puts).await {
        let [Ok(JobOpDone::Put { seq, replaced })] = done[..] else { panic!("a put, not {done:?}") };
        assert_eq!(replaced, last, "a call sees what the call before it did");
        last = Some(seq);
    }
}

async fn numbers_are_never_given_again(site: &impl Site) {
    let store = site.open().await;
    let mut last = 0;
    for _ in 0..3 {
        let seq = put(&*store, job("f", "a", 1)).await;
        assert!(seq > last);
        last = seq;
        apply(&*store, finish(seq)).await;
    }
    drop(store);
    let store = site.open().await;
    assert!(put(&*store, job("f", "a", 1)).await > last, "nor after reopening an empty store");
}

async fn takes_any_bytes_as_names(site: &impl Site) {
    let store = site.open().await;
    let names: [&[u8]; 6] = [b"", b"\0", b"\n,", &[255; 255], &[0; 255], b"a"];
    for func in names {
        for name in names {
            let key = JobKey { func: Bytes::copy_from_slice(func), name: Bytes::copy_from_slice(name) };
            let seq = put(&*store, Job { key: key.clone(), ..job("", "", 1) }).await;
            assert_eq!(load(&*store, seq).await.map(|job| job.key), Some(key));
        }
    }
    assert_eq!(counts(&*store).await.len(), names.len());
    for func in names {
        for name in names {
            let key = JobKey { func: Bytes::copy_from_slice(func), name: Bytes::copy_from_slice(name) };
            assert!(matches!(apply(&*store, JobOp::Remove(key)).await, JobOpDone::Deleted(Some(_))));
        }
    }
    assert_eq!(counts(&*store).await, []);
}

/// A job that is put off goes behind its equals only by its number, and one that is replaced goes behind them all.
async fn orders_what_moves(site: &impl Site) {
    let store = site.open().await;
    let mut seqs = Vec::new();
    for name in ["a", "b", "c"] {
        seqs.push(put(&*store, job("f", name, 5)).await);
    }
    let [a, b, c] = seqs[..] else { panic!("three jobs") };
    apply(&*store, JobOp::Reschedule { seq: a, sched_at: 9, step: 1 }).await;
    assert_eq!(due(&*store, "f", None, 10).await, [(5, b), (5, c), (9, a)]);
    apply(&*store, JobOp::Reschedule { seq: a, sched_at: 5, step: 1 }).await;
    assert_eq!(due(&*store, "f", None, 10).await, [(5, a), (5, b), (5, c)], "it keeps its number, and so its place");
    let replaced = apply(&*store, JobOp::Put(job("f", "a", 5))).await;
    let JobOpDone::Put { seq: again, replaced: Some(old) } = replaced else { panic!("a put, not {replaced:?}") };
    assert_eq!(old, a);
    drop(store);
    let store = site.open().await;
    assert_eq!(due(&*store, "f", None, 10).await, [(5, b), (5, c), (5, again)], "the new one comes last");
    assert_eq!(due(&*store, "f", Some((5, b)), 10).await, [(5, c), (5, again)]);
    assert_eq!(apply(&*store, JobOp::Reschedule { seq: a, sched_at: 1, step: 0 }).await, JobOpDone::Rescheduled(false));
    assert_eq!(due(&*store, "f", None, 10).await.len(), 3, "a number that is gone moves nothing");
}

/// Whatever index a store has over keys: it tells keys apart.
async fn keeps_many_jobs_with_similar_names(site: &impl Site) {
    let store = site.open().await;
    let split = |index: usize| {
        // "f" + "abc", "fa" + "bc": the same bytes in another place.
        let text = format!("f{:05}", index / 4);
        let (func, name) = text.split_at(index % 4 + 1);
        job(func, name, 1)
    };
    let done = apply_all(&*store, (0..4000).map(|index| JobOp::Put(split(index))).collect()).await;
    let seqs: Vec<Seq> = done
        .into_iter()
        .map(|done| match done {
            JobOpDone::Put { seq, replaced: None } => seq,
            other => panic!("every key is a new one, not {other:?}"),
        })
        .collect();
    let jobs = store.load(&seqs).await.expect("jobs can be loaded");
    for (index, found) in jobs.into_iter().enumerate() {
        assert_eq!(found, Some(split(index)));
    }
    for (index, seq) in seqs.iter().enumerate().step_by(97) {
        assert_eq!(apply(&*store, JobOp::Remove(split(index).key)).await, JobOpDone::Deleted(Some(*seq)));
    }
}
