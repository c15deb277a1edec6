//! What an operation of Periodic's server does to the tables of jobs, and reading them.

use heed::{PutFlags, RoTxn};
use periodic::{Job, JobKey, JobOp, JobOpDone, Seq, StoredFunc};
use pusher_core::StoreError;

use crate::batch::Batch;
use crate::deliveries::delivered;
use crate::error::{Failure, corrupt, store_error};
use crate::keys::{JOBS_OF_FUNC, Key, MAX_JOB_TEXT_BYTES, func_of};
use crate::open::Opened;
use crate::record::JobRecord;
use crate::tables::Tables;

impl Batch<'_> {
    pub(crate) fn apply_job_op(&mut self, op: &JobOp) -> Result<JobOpDone, Failure> {
        match op {
            JobOp::Put(job) => self.put_job(job),
            JobOp::Remove(key) => self.remove_job(key),
            JobOp::Finish(seq) => Ok(JobOpDone::Deleted(self.delete_job(*seq)?.then_some(*seq))),
            JobOp::FinishWith { seq, result } => self.finish_job(*seq, result),
            JobOp::Reschedule { seq, sched_at, step } => self.reschedule(*seq, *sched_at, *step),
            JobOp::Due { func, after, limit } => self.due(func, *after, *limit),
        }
    }

    fn put_job(&mut self, job: &Job) -> Result<JobOpDone, Failure> {
        check_key(&job.key)?;
        let record = JobRecord::of(job);
        self.room.take(record.func.len() + record.name.len() + record.workload.len())?;
        let hash = self.store.hash.of(record.func, record.name);
        let replaced = self.find_job(hash, &job.key)?;
        if let Some(old) = replaced {
            self.delete_job(old)?;
        }

        let seq = self.seqs.give();
        record.encode(self.scratch);
        self.tables.jobs.put_with_flags(&mut self.txn, PutFlags::APPEND, &seq, self.scratch)?;
        self.recent.put(hash, record.func, (record.sched_at, seq));
        self.counts.add(record.func, 1);
        Ok(JobOpDone::Put { seq, replaced })
    }

    fn remove_job(&mut self, key: &JobKey) -> Result<JobOpDone, Failure> {
        check_key(key)?;
        let hash = self.store.hash.of(&key.func, &key.name);
        let found = self.find_job(hash, key)?;
        if let Some(seq) = found {
            self.delete_job(seq)?;
        }
        Ok(JobOpDone::Deleted(found))
    }

    /// Deletes a job, and keeps what its worker said, if that is for the delivery log.
    fn finish_job(&mut self, seq: Seq, result: &[u8]) -> Result<JobOpDone, Failure> {
        let said = match read(self.tables, &self.txn, seq)? {
            Some(record) => delivered(record.func, record.name, result),
            None => None,
        };
        let deleted = self.delete_job(seq)?;
        if let Some(said) = said {
            self.enter_delivery(&said)?;
        }
        Ok(JobOpDone::Deleted(deleted.then_some(seq)))
    }

    /// Deletes a job from all tables. Was it there?
    fn delete_job(&mut self, seq: Seq) -> Result<bool, Failure> {
        let Some(record) = read(self.tables, &self.txn, seq)? else { return Ok(false) };
        let hash = self.store.hash.of(record.func, record.name);
        let (func, due) = (Key::of(record.func), (record.sched_at, seq));
        self.counts.add(record.func, -1);
        self.tables.jobs.delete(&mut self.txn, &seq)?;
        self.recent.delete(self.tables, &mut self.txn, hash, func.as_bytes(), due)?;
        Ok(true)
    }

    /// The number of the job with this key, among those that have its hash.
    fn find_job(&self, hash: u64, key: &JobKey) -> Result<Option<Seq>, Failure> {
        self.recent.find(self.tables, &self.txn, hash, |seq| match read(self.tables, &self.txn, seq)? {
            Some(record) => Ok(record.is(key)),
            None => Err(Failure::Refused(corrupt(job_name(seq), "the index names it and it is not there"))),
        })
    }

    fn reschedule(&mut self, seq: Seq, sched_at: i64, step: i32) -> Result<JobOpDone, Failure> {
        let Some(record) = read(self.tables, &self.txn, seq)? else { return Ok(JobOpDone::Rescheduled(false)) };
        let (func, before) = (Key::of(record.func), (record.sched_at, seq));
        JobRecord { sched_at, count: record.count.saturating_add(step), ..record }.encode(self.scratch);
        self.tables.jobs.put(&mut self.txn, &seq, self.scratch)?;
        self.recent.put_off(self.tables, &mut self.txn, func.as_bytes(), before, sched_at)?;
        Ok(JobOpDone::Rescheduled(true))
    }

    fn due(&self, func: &[u8], after: Option<(i64, Seq)>, limit: usize) -> Result<JobOpDone, Failure> {
        check_text("func", func)?;
        self.recent.due(self.tables, &self.txn, func, after, limit).map(JobOpDone::Due)
    }
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
        for entry in self.tables.counters.prefix_iter(&txn, JOBS_OF_FUNC).map_err(lmdb)? {
            let (key, jobs) = entry.map_err(lmdb)?;
            let func = func_of(key).ok_or_else(|| corrupt("counters", "a key is no func"))?;
            funcs.push(StoredFunc { func: bytes::Bytes::copy_from_slice(func), jobs });
        }
        Ok(funcs)
    }
}
