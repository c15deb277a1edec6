//! What the store promises as a whole: the suites of the ports, durability, one opener, a full map, a writer that
//! survives what it is given.

mod changes;
mod full;
mod jobs;
mod opening;
mod pushers;
mod recent;
mod writing;

use std::path::Path;

use bytes::Bytes;
use periodic::{Job, JobKey, JobOp, JobOpDone, JobStore, JobStoreError, Seq};
use pusher_core::{Applied, Change, ContactFields, PusherChange, PusherId, StoreError, Storer};

use crate::deliveries::RECENT_NAMES;
use crate::keys::{Key, KeyedHash};
use crate::open::{Indexing, Opened};
use crate::recent::RECENT_JOBS;
use crate::record::JobRecord;
use crate::{Store, StoreOptions};

fn options() -> StoreOptions {
    StoreOptions { map_size: 1 << 30, ..StoreOptions::default() }
}

/// Nearly all hashes are the same.
const COLLIDING: Indexing =
    Indexing { hash: KeyedHash::colliding, jobs_in_memory: RECENT_JOBS, deliveries_in_memory: RECENT_NAMES };
/// Two jobs are enough that some are moved to the disk.
const FEW: Indexing = Indexing { hash: KeyedHash::new, jobs_in_memory: 1, deliveries_in_memory: 1 };

fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap()
}

fn open_indexed(dir: &Path, indexing: Indexing) -> Store {
    Store::open_indexed(dir, options(), indexing).unwrap()
}

/// Closes a store and looks whether its indexes of jobs on the disk have one entry each for every job that is to be there,
/// and no other. The jobs whose due time is on the disk.
fn drop_and_audit(store: Store, dir: &Path, indexing: Indexing) -> Vec<Seq> {
    drop(store);
    let (opened, recent) = Opened::open(dir, options(), indexing).unwrap();
    let txn = opened.env.read_txn().unwrap();
    let (mut names, mut dues, mut on_disk) = (Vec::new(), Vec::new(), Vec::new());
    for job in opened.tables.jobs.iter(&txn).unwrap() {
        let (seq, bytes) = job.unwrap();
        let record = JobRecord::decode(bytes).unwrap();
        let name = (opened.hash.of(record.func, record.name), seq);
        if recent.frontier().has_name(name) {
            names.push(name);
        }
        if recent.frontier().has_due_of(seq) {
            dues.push(Key::due(record.func, record.sched_at, seq).as_bytes().to_vec());
            on_disk.push(seq);
        }
    }
    names.sort_unstable();
    dues.sort_unstable();
    let indexed: Vec<(u64, Seq)> = opened.tables.job_index.iter(&txn).unwrap().map(Result::unwrap).collect();
    assert_eq!(indexed, names, "the index by name");
    let due: Vec<Vec<u8>> = opened.tables.due.iter(&txn).unwrap().map(|entry| entry.unwrap().0.to_vec()).collect();
    assert_eq!(due, dues, "the index by due time");
    on_disk
}

fn id(text: &str) -> PusherId {
    PusherId::parse(text).unwrap()
}

fn put_pusher(who: &str, created_at: i64) -> PusherChange {
    let fields = ContactFields { created_at: Some(created_at), ..ContactFields::default() };
    PusherChange { id: id(who), change: Change::Put(fields) }
}

async fn change(store: &Store, change: PusherChange) -> Result<Applied, StoreError> {
    Storer::apply(store, vec![change]).await.remove(0)
}

fn key(func: &str, name: &str) -> JobKey {
    JobKey { func: Bytes::copy_from_slice(func.as_bytes()), name: Bytes::copy_from_slice(name.as_bytes()) }
}

fn job(func: &str, name: &str, sched_at: i64) -> Job {
    Job { key: key(func, name), workload: Bytes::from(format!("work of {name}")), sched_at, count: 0, timeout: 0 }
}

async fn op(store: &Store, op: JobOp) -> Result<JobOpDone, JobStoreError> {
    JobStore::apply(store, vec![op]).await.remove(0)
}

/// Puts a job; its number and that of the job it replaced.
async fn put_job(store: &Store, job: Job) -> (Seq, Option<Seq>) {
    match op(store, JobOp::Put(job)).await {
        Ok(JobOpDone::Put { seq, replaced }) => (seq, replaced),
        other => panic!("a put answered {other:?}"),
    }
}

async fn due(store: &Store, func: &str, after: Option<(i64, Seq)>, limit: usize) -> Vec<(i64, Seq)> {
    match op(store, JobOp::Due { func: Bytes::copy_from_slice(func.as_bytes()), after, limit }).await {
        Ok(JobOpDone::Due(positions)) => positions,
        other => panic!("a look at what is due answered {other:?}"),
    }
}

async fn funcs(store: &Store) -> Vec<(String, u64)> {
    let funcs = store.funcs().await.unwrap();
    funcs.into_iter().map(|f| (String::from_utf8(f.func.to_vec()).unwrap(), f.jobs)).collect()
}
