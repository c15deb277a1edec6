//! The baseline: the store alone, called by one thread through the port that the server uses.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use periodic::{JobOp, JobOpDone, JobStore};
use pusher_store::{Store, StoreOptions};
use tokio::runtime::Handle;

use super::job;
use crate::bench::median;

/// Operations in a commit.
const COMMIT: usize = 256;

/// Jobs that are put a second.
pub(super) fn puts_per_second(count: usize) -> io::Result<f64> {
    Alone::open()?.timed((0..count).map(|n| JobOp::Put(job(n))).collect())
}

/// Jobs that are deleted a second.
pub(super) fn finishes_per_second(count: usize) -> io::Result<f64> {
    let alone = Alone::open()?;
    let put = alone.all((0..count).map(|n| JobOp::Put(job(n))).collect())?;
    let seqs = put.into_iter().filter_map(|done| match done {
        JobOpDone::Put { seq, .. } => Some(JobOp::Finish { seq, result: Bytes::new() }),
        _ => None,
    });
    alone.timed(seqs.collect())
}

/// Microseconds that a commit of one job takes.
pub(super) fn micros_per_commit(count: usize) -> io::Result<f64> {
    let alone = Alone::open()?;
    let mut times = Vec::with_capacity(count);
    for n in 0..count {
        let begun = Instant::now();
        alone.all(vec![JobOp::Put(job(n))])?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}

struct Alone {
    store: Store,
    _dir: tempfile::TempDir,
}

impl Alone {
    fn open() -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path(), StoreOptions::default()).map_err(io::Error::other)?;
        Ok(Self { store, _dir: dir })
    }

    fn all(&self, mut ops: Vec<JobOp>) -> io::Result<Vec<JobOpDone>> {
        let mut done = Vec::with_capacity(ops.len());
        while !ops.is_empty() {
            let rest = ops.split_off(ops.len().min(COMMIT));
            let results = Handle::current().block_on(JobStore::apply(&self.store, std::mem::replace(&mut ops, rest)));
            done.extend(results.into_iter().collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?);
        }
        Ok(done)
    }

    fn timed(&self, ops: Vec<JobOp>) -> io::Result<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a count of jobs is far below 2^52")]
        let count = ops.len() as f64;
        let begun = Instant::now();
        self.all(ops)?;
        Ok(count / begun.elapsed().as_secs_f64())
    }
}
