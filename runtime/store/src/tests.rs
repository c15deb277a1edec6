//! What the store promises as a whole: the suites of the ports, durability, one opener, a full map, a writer that
//! survives what it is given.

mod changes;
mod full;
mod jobs;
mod opening;
mod pushers;
mod writing;

use std::path::Path;

use bytes::Bytes;
use periodic::{Job, JobKey, JobOp, JobOpDone, JobStore, JobStoreError, Seq};
use pusher_core::{Applied, Change, ContactFields, PusherChange, PusherId, StoreError, Storer};

use crate::{Store, StoreOptions};

fn open(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { map_size: 1 << 30, ..StoreOptions::default() }).unwrap()
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
