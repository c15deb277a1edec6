//! The indexes of jobs are partly in memory: whatever happens, a job is found by its name and by its due time, and what
//! is on the disk is exactly what is not in memory.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use heed::types::Str;
use heed::{Database, DatabaseFlags};
use periodic::{Job, JobOp, JobOpDone, JobStore, Seq};
use proptest::prelude::*;

use super::writing::Odd;
use super::{COLLIDING, FEW, drop_and_audit, due, funcs, job, key, op, open, open_indexed, options, put_job};
use crate::Store;
use crate::keys::{Key, KeyedHash};
use crate::open::Indexing;
use crate::record::JobRecord;

const FUNCS: [&str; 3] = ["", "f", "ff"];

/// What may happen to a store.
#[derive(Debug, Clone)]
enum Event {
    /// This job is put, and so are as many behind it in the same batch.
    Put {
        func: usize,
        name: u8,
        sched_at: i64,
        more: u8,
    },
    Remove {
        func: usize,
        name: u8,
    },
    /// The job that is at this place among those there are.
    Finish(usize),
    PutOff {
        nth: usize,
        sched_at: i64,
    },
    /// A batch that puts a job and then fails.
    Lose,
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let (func, name, sched_at) = (0..FUNCS.len(), 0..12_u8, 0..6_i64);
    prop_oneof![
        6 => (func.clone(), name.clone(), sched_at.clone(), 0..4_u8)
            .prop_map(|(func, name, sched_at, more)| Event::Put { func, name, sched_at, more }),
        1 => (func, name).prop_map(|(func, name)| Event::Remove { func, name }),
        2 => any::<usize>().prop_map(Event::Finish),
        2 => (any::<usize>(), sched_at).prop_map(|(nth, sched_at)| Event::PutOff { nth, sched_at }),
        1 => Just(Event::Lose),
        1 => Just(Event::Restart),
    ]
}

/// What a store is to have: func, name and due time of each job.
type Model = BTreeMap<Seq, (String, String, i64)>;

fn with_name(model: &Model, func: &str, name: &str) -> Option<Seq> {
    model.iter().find(|(_, (f, n, _))| f == func && n == name).map(|(&seq, _)| seq)
}

async fn happen(store: &Store, model: &mut Model, event: Event) {
    let nth = |model: &Model, nth: usize| model.keys().nth(nth % model.len().max(1)).copied();
    match event {
        Event::Put { func, name, sched_at, more } => {
            let jobs: Vec<Job> =
                (name..=name + more).map(|name| job(FUNCS[func], &name.to_string(), sched_at)).collect();
            let results = JobStore::apply(store, jobs.iter().cloned().map(JobOp::Put).collect()).await;
            for (job, result) in jobs.iter().zip(results) {
                let (func, name) = (text(&job.key.func), text(&job.key.name));
                let JobOpDone::Put { seq, replaced } = result.unwrap() else { panic!("a put did something else") };
                assert_eq!(replaced, with_name(model, &func, &name));
                replaced.map(|old| model.remove(&old));
                assert!(model.insert(seq, (func, name, job.sched_at)).is_none());
            }
        }
        Event::Remove { func, name } => {
            let (func, name) = (FUNCS[func], name.to_string());
            let there = with_name(model, func, &name);
            assert_eq!(op(store, JobOp::Remove(key(func, &name))).await.unwrap(), JobOpDone::Deleted(there));
            there.map(|seq| model.remove(&seq));
        }
        Event::Finish(n) => {
            let Some(seq) = nth(model, n) else { return };
            assert_eq!(op(store, JobOp::Discard(seq)).await.unwrap(), JobOpDone::Deleted(Some(seq)));
            model.remove(&seq);
        }
        Event::PutOff { nth: n, sched_at } => {
            let Some(seq) = nth(model, n) else { return };
            let done = op(store, JobOp::Reschedule { seq, sched_at, step: 1 }).await.unwrap();
            assert_eq!(done, JobOpDone::Rescheduled(true));
            model.entry(seq).and_modify(|job| job.2 = sched_at);
        }
        Event::Lose => {
            let results = store.writer().write(vec![Odd::Lose("3"), Odd::Panic("4")]).await;
            assert!(results.iter().all(Result::is_err));
        }
        Event::Restart => unreachable!("whoever has the store restarts it"),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is due is what the model says, read whole and page by page.
async fn agree(store: &Store, model: &Model) {
    for func in FUNCS {
        let mut expected: Vec<(i64, Seq)> =
            model.iter().filter(|(_, job)| job.0 == func).map(|(&seq, job)| (job.2, seq)).collect();
        expected.sort_unstable();
        assert_eq!(due(store, func, None, usize::MAX).await, expected);
        let mut paged = Vec::new();
        while paged.len() < expected.len() {
            paged.extend(due(store, func, paged.last().copied(), 3).await);
        }
        assert_eq!(paged, expected);
    }
}

async fn run(indexing: Indexing, events: Vec<Event>) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open_indexed(dir.path(), indexing);
    let mut model = Model::new();
    for event in events {
        if matches!(event, Event::Restart) {
            drop_and_audit(store, dir.path(), indexing);
            store = open_indexed(dir.path(), indexing);
        } else {
            happen(&store, &mut model, event).await;
        }
        agree(&store, &model).await;
    }
    drop_and_audit(store, dir.path(), indexing);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_history_leaves_every_job_in_both_indexes(
        events in prop::collection::vec(event(), 1..60), in_memory in 0..12_usize, collide: bool,
    ) {
        let hash = if collide { KeyedHash::colliding } else { KeyedHash::new };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(Indexing { hash, jobs_in_memory: in_memory, ..FEW }, events));
    }
}

#[tokio::test]
async fn a_job_that_is_done_soon_never_reaches_the_indexes_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let indexing = Indexing { jobs_in_memory: 10, ..Indexing::default() };
    let store = open_indexed(dir.path(), indexing);
    for round in 0..50 {
        let (seq, _) = put_job(&store, job("f", "a", round)).await;
        op(&store, JobOp::Reschedule { seq, sched_at: round + 60, step: 1 }).await.unwrap();
        op(&store, JobOp::Discard(seq)).await.unwrap();
    }
    for n in 0..10 {
        put_job(&store, job("f", &n.to_string(), n)).await;
    }
    assert!(drop_and_audit(store, dir.path(), indexing).is_empty());
}

#[tokio::test]
async fn most_of_many_jobs_are_on_the_disk() {
    for indexing in [Indexing { jobs_in_memory: 100, ..COLLIDING }, Indexing { jobs_in_memory: 100, ..FEW }] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_indexed(dir.path(), indexing);
        for batch in 0..40 {
            let puts = (0..25).map(|n| JobOp::Put(job("f", &format!("{batch}-{n}"), batch))).collect();
            JobStore::apply(&store, puts).await;
        }
        let on_disk = drop_and_audit(store, dir.path(), indexing);
        assert!((850..=950).contains(&on_disk.len()), "{}", on_disk.len());
        let (_, recent) = crate::open::Opened::open(dir.path(), options(), indexing).unwrap();
        assert!((50..=150).contains(&recent.names_in_memory()), "{}", recent.names_in_memory());
    }
}

/// Makes what schema 2 was: the last job number in `meta`, and all jobs in both indexes.
fn store_of_schema_2(dir: &Path, jobs: &[Job]) {
    use heed::byteorder::BE;
    use heed::types::{Bytes, U64, Unit};
    let mut options = heed::EnvOpenOptions::new();
    options.max_dbs(16).map_size(1 << 26);
    #[expect(unsafe_code, reason = "a test's own directory, which nobody else opens")]
    let env = unsafe { options.open(dir) }.unwrap();
    let mut txn = env.write_txn().unwrap();
    let meta: Database<Str, Bytes> = env.create_database(&mut txn, Some("meta")).unwrap();
    for (key, value) in [("schema", &2_u32.to_be_bytes()[..]), ("hash_key", &[7; 16]), ("identity", &[8; 16])] {
        meta.put(&mut txn, key, value).unwrap();
    }
    meta.put(&mut txn, "next_seq", &(jobs.len() as u64 + 5).to_be_bytes()).unwrap();
    let table: Database<U64<BE>, Bytes> = env.create_database(&mut txn, Some("jobs")).unwrap();
    let due: Database<Bytes, Unit> = env.create_database(&mut txn, Some("due")).unwrap();
    let funcs: Database<Bytes, U64<BE>> = env.create_database(&mut txn, Some("funcs")).unwrap();
    let flags = DatabaseFlags::DUP_SORT | DatabaseFlags::DUP_FIXED;
    let mut options = env.database_options().types::<U64<BE>, U64<BE>>();
    let index = options.name("job_index").flags(flags).create(&mut txn).unwrap();
    let mut bytes = Vec::new();
    for (seq, job) in (1..).zip(jobs) {
        JobRecord::of(job).encode(&mut bytes);
        table.put(&mut txn, &seq, &bytes).unwrap();
        due.put(&mut txn, Key::due(&job.key.func, job.sched_at, seq).as_bytes(), &()).unwrap();
        index.put(&mut txn, &KeyedHash::new([7; 16]).of(&job.key.func, &job.key.name), &seq).unwrap();
    }
    funcs.put(&mut txn, b":f", &(jobs.len() as u64)).unwrap();
    txn.commit().unwrap();
    env.prepare_for_closing().wait();
}

#[tokio::test]
async fn a_store_of_schema_2_is_brought_up_to_date_and_keeps_its_jobs() {
    let dir = tempfile::tempdir().unwrap();
    store_of_schema_2(dir.path(), &[job("f", "a", 7), job("f", "b", 5), job("f", "c", 6)]);
    let store = open(dir.path());
    assert_eq!(due(&store, "f", None, 9).await, [(5, 2), (6, 3), (7, 1)]);
    assert_eq!(
        put_job(&store, job("f", "a", 4)).await,
        (9, Some(1)),
        "found by its name, and no number is given twice"
    );
    assert_eq!(op(&store, JobOp::Discard(3)).await.unwrap(), JobOpDone::Deleted(Some(3)));
    assert_eq!(due(&store, "f", None, 9).await, [(4, 9), (5, 2)]);
    assert_eq!(funcs(&store).await, [("f".into(), 2)]);
    assert_eq!(drop_and_audit(store, dir.path(), Indexing::default()), [2]);
    let store = open(dir.path());
    assert_eq!(put_job(&store, job("f", "b", 3)).await, (10, Some(2)));
    assert_eq!(due(&store, "f", None, 9).await, [(3, 10), (4, 9)]);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_does_not_keep_the_store_from_opening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (bad, _) = put_job(&store, job("f", "bad", 0)).await;
    let (good, _) = put_job(&store, job("f", "good", 0)).await;
    super::jobs::overwrite(&store, bad, b"\x09");
    drop(store);
    let store = open(dir.path());
    assert_eq!(due(&store, "f", None, 9).await, [(0, good)]);
    assert_eq!(put_job(&store, job("f", "good", 1)).await.1, Some(good));
    assert!(store.load(&[bad]).await.unwrap_err().to_string().contains("job 1 cannot be read"));
}
