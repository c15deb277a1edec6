//! What an operation of Periodic's server does to the tables of jobs, and reading them.

use std::ops::Bound;

use heed::{PutFlags, RoTxn};
use periodic::{Job, JobKey, JobOp, JobOpDone, Seq, StoredFunc};
use pusher_core::StoreError;

use crate::batch::Batch;
use crate::error::{Failure, corrupt, store_error};
use crate::keys::{Key, MAX_JOB_TEXT_BYTES, due_position, func_of};
use crate::open::Opened;
use crate::record::JobRecord;
use crate::tables::Tables;

impl Batch<'_> {
    pub(crate) fn apply_job_op(&mut self, op: &JobOp) -> Result<JobOpDone, Failure> {
        match op {
            JobOp::Put(job) => self.put_job(job),
            JobOp::Remove(key) => self.remove_job(key),
            JobOp::Finish(seq) => Ok(JobOpDone::Deleted(self.delete_job(*seq)?.then_some(*seq))),
            JobOp::Reschedule { seq, sched_at, step } => self.reschedule(*seq, *sched_at, *step),
            JobOp::Due { func, after, limit } => self.due(func, *after, *limit),
        }
    }

    fn put_job(&mut self, job: &Job) -> Result<JobOpDone, Failure> {
        check_key(&job.key)?;
        let record = JobRecord::of(job);
        self.room.take(record.func.len() + record.name.len() + record.workload.len())?;
        let seq = self.seqs.give();
        let hash = self.store.hash.of(record.func, record.name);

        // One descent of the index answers the usual case, a job that is new, and enters it.
        let index = &self.tables.job_index;
        let mut replaced = None;
        if index.get_or_put_with_flags(&mut self.txn, PutFlags::empty(), &hash, &seq)?.is_some() {
            replaced = find(self.tables, &self.txn, hash, &job.key)?;
            if let Some(old) = replaced {
                self.delete_job(old)?;
            }
            index.put(&mut self.txn, &hash, &seq)?;
        }

        record.encode(self.scratch);
        self.tables.jobs.put_with_flags(&mut self.txn, PutFlags::APPEND, &seq, self.scratch)?;
        let due = Key::due(record.func, record.sched_at, seq);
        self.tables.due.put(&mut self.txn, due.as_bytes(), &())?;
        self.counts.add(record.func, 1);
        Ok(JobOpDone::Put { seq, replaced })
    }

    fn remove_job(&mut self, key: &JobKey) -> Result<JobOpDone, Failure> {
        check_key(key)?;
        let hash = self.store.hash.of(&key.func, &key.name);
        let found = find(self.tables, &self.txn, hash, key)?;
        if let Some(seq) = found {
            self.delete_job(seq)?;
        }
        Ok(JobOpDone::Deleted(found))
    }

    /// Deletes a job from all tables. Was it there?
    fn delete_job(&mut self, seq: Seq) -> Result<bool, Failure> {
        let Some(record) = read(self.tables, &self.txn, seq)? else { return Ok(false) };
        let hash = self.store.hash.of(record.func, record.name);
        let due = Key::due(record.func, record.sched_at, seq);
        self.counts.add(record.func, -1);
        self.tables.jobs.delete(&mut self.txn, &seq)?;
        self.tables.due.delete(&mut self.txn, due.as_bytes())?;
        self.tables.job_index.delete_one_duplicate(&mut self.txn, &hash, &seq)?;
        Ok(true)
    }

    fn reschedule(&mut self, seq: Seq, sched_at: i64, step: i32) -> Result<JobOpDone, Failure> {
        let Some(record) = read(self.tables, &self.txn, seq)? else { return Ok(JobOpDone::Rescheduled(false)) };
        let before = Key::due(record.func, record.sched_at, seq);
        let after = Key::due(record.func, sched_at, seq);
        JobRecord { sched_at, count: record.count.saturating_add(step), ..record }.encode(self.scratch);
        self.tables.jobs.put(&mut self.txn, &seq, self.scratch)?;
        if before.as_bytes() != after.as_bytes() {
            self.tables.due.delete(&mut self.txn, before.as_bytes())?;
            self.tables.due.put(&mut self.txn, after.as_bytes(), &())?;
        }
        Ok(JobOpDone::Rescheduled(true))
    }

    fn due(&self, func: &[u8], after: Option<(i64, Seq)>, limit: usize) -> Result<JobOpDone, Failure> {
        check_text("func", func)?;
        let prefix = Key::due_of(func);
        let after = after.map(|(sched_at, seq)| Key::due(func, sched_at, seq));
        let start = after.as_ref().map_or(Bound::Included(prefix.as_bytes()), |key| Bound::Excluded(key.as_bytes()));
        let mut found = Vec::new();
        for entry in self.tables.due.range(&self.txn, &(start, Bound::Unbounded))?.take(limit) {
            let (key, ()) = entry?;
            let Some(rest) = key.strip_prefix(prefix.as_bytes()) else { break };
            found.push(due_position(rest).ok_or_else(|| Failure::Refused(corrupt("due", "a key has no position")))?);
        }
        Ok(JobOpDone::Due(found))
    }
}

/// The number of the job with this key, among those that have its hash.
fn find(tables: &Tables, txn: &RoTxn, hash: u64, key: &JobKey) -> Result<Option<Seq>, Failure> {
    let Some(candidates) = tables.job_index.get_duplicates(txn, &hash)? else { return Ok(None) };
    for candidate in candidates {
        let (_, seq) = candidate?;
        let Some(record) = read(tables, txn, seq)? else {
            return Err(Failure::Refused(corrupt(job_name(seq), "the index names it and it is not there")));
        };
        if record.is(key) {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

fn read<'t>(tables: &Tables, txn: &'t RoTxn, seq: Seq) -> Result<Option<JobRecord<'t>>, Failure> {
    let Some(bytes) = tables.jobs.get(txn, &seq)? else { return Ok(None) };
    JobRecord::decode(bytes).map(Some).map_err(|reason| Failure::Refused(corrupt(job_name(seq), reason)))
}

fn job_name(seq: Seq) -> String {
    format!("job {seq}")
}

fn check_key(key: &JobKey) -> Result<(), Failure> {
    check_text("func", &key.func)?;
    check_text("name", &key.name)
}

fn check_text(what: &str, text: &[u8]) -> Result<(), Failure> {
    let len = text.len();
    if len <= MAX_JOB_TEXT_BYTES {
        return Ok(());
    }
    let reason = format!("the {what} of a job is {len} bytes long; the limit is {MAX_JOB_TEXT_BYTES}");
    Err(Failure::Refused(StoreError::Failed(reason)))
}

impl Opened {
    pub(crate) fn load_jobs(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        let load = |&seq| Ok(read(&self.tables, &txn, seq).map_err(Failure::into_reason)?.map(JobRecord::to_job));
        seqs.iter().map(load).collect()
    }

    pub(crate) fn stored_funcs(&self) -> Result<Vec<StoredFunc>, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.env.read_txn().map_err(lmdb)?;
        let mut funcs = Vec::new();
        for entry in self.tables.funcs.iter(&txn).map_err(lmdb)? {
            let (key, jobs) = entry.map_err(lmdb)?;
            let func = func_of(key).ok_or_else(|| corrupt("funcs", "a key is no func"))?;
            funcs.push(StoredFunc { func: bytes::Bytes::copy_from_slice(func), jobs });
        }
        Ok(funcs)
    }
}
