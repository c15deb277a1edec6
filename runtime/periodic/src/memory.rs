//! A [`JobStore`] without a disk: for tests, and for those who embed a server whose jobs may die with it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::job::{Job, JobKey};
use crate::store::{JobOp, JobOpDone, JobStore, JobStoreError, Seq, StoredFunc};

/// Jobs in memory. A clone is the same store, so a second server on a clone finds the jobs of the first.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Jobs>>);

#[derive(Debug, Default)]
struct Jobs {
    last: Seq,
    by_seq: HashMap<Seq, Job>,
    by_key: HashMap<JobKey, Seq>,
    due: BTreeMap<Bytes, BTreeSet<(i64, Seq)>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    fn apply(&mut self, op: JobOp) -> JobOpDone {
        match op {
            JobOp::Put(job) => {
                let (seq, replaced) = self.put(job);
                JobOpDone::Put { seq, replaced }
            }
            JobOp::PutAll { jobs, note: _ } => {
                JobOpDone::PutAll(jobs.into_iter().map(|job| Some(self.put(job))).collect())
            }
            JobOp::Replace(job) if !self.by_key.contains_key(&job.key) => JobOpDone::Replaced(None),
            JobOp::Replace(job) => {
                let (seq, replaced) = self.put(job);
                JobOpDone::Replaced(replaced.map(|replaced| (seq, replaced)))
            }
            JobOp::Remove(key) => {
                let seq = self.by_key.get(&key).copied();
                JobOpDone::Deleted(seq.and_then(|seq| self.delete(seq)))
            }
            JobOp::Finish { seq, .. } | JobOp::Discard(seq) => JobOpDone::Deleted(self.delete(seq)),
            JobOp::Reschedule { seq, sched_at, step } => JobOpDone::Rescheduled(self.reschedule(seq, sched_at, step)),
            JobOp::Due { func, after, limit } => JobOpDone::Due(self.due(&func, after, limit)),
        }
    }

    fn put(&mut self, job: Job) -> (Seq, Option<Seq>) {
        let replaced = self.by_key.get(&job.key).copied().and_then(|seq| self.delete(seq));
        self.last += 1;
        let seq = self.last;
        self.due.entry(job.key.func.clone()).or_default().insert((job.sched_at, seq));
        self.by_key.insert(job.key.clone(), seq);
        self.by_seq.insert(seq, job);
        (seq, replaced)
    }

    fn delete(&mut self, seq: Seq) -> Option<Seq> {
        let job = self.by_seq.remove(&seq)?;
        self.by_key.remove(&job.key);
        if let Some(due) = self.due.get_mut(&job.key.func) {
            due.remove(&(job.sched_at, seq));
            if due.is_empty() {
                self.due.remove(&job.key.func);
            }
        }
        Some(seq)
    }

    fn reschedule(&mut self, seq: Seq, sched_at: i64, step: i32) -> bool {
        let Some(job) = self.by_seq.get_mut(&seq) else { return false };
        if let Some(due) = self.due.get_mut(&job.key.func) {
            due.remove(&(job.sched_at, seq));
            due.insert((sched_at, seq));
        }
        job.sched_at = sched_at;
        job.count = job.count.saturating_add(step);
        true
    }

    fn due(&self, func: &Bytes, after: Option<(i64, Seq)>, limit: usize) -> Vec<(i64, Seq)> {
        let Some(due) = self.due.get(func) else { return Vec::new() };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        due.range((from, Bound::Unbounded)).take(limit).copied().collect()
    }
}

#[async_trait]
impl JobStore for MemoryStore {
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        let mut jobs = self.jobs();
        ops.into_iter().map(|op| Ok(jobs.apply(op))).collect()
    }

    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        let jobs = self.jobs();
        Ok(seqs.iter().map(|seq| jobs.by_seq.get(seq).cloned()).collect())
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        let jobs = self.jobs();
        Ok(jobs.due.iter().map(|(func, due)| StoredFunc { func: func.clone(), jobs: due.len() as u64 }).collect())
    }
}
