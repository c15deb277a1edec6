//! What an operation of Periodic's server does to the tables of jobs, and reading them.

use heed::{PutFlags, RoTxn};
use periodic::{Job, JobKey, JobOp, JobOpDone, Seq, StoredFunc};
use pusher_core::StoreError;

use crate::batch::Batch;
use crate::deliveries::{End, event_of, facts};
use crate::error::{Failure, corrupt, store_error};
use crate::keys::{JOBS_OF_FUNC, Key, MAX_JOB_TEXT_BYTES, func_of};
use crate::open::Opened;
use crate::record::JobRecord;
use crate::tables::Tables;

impl Batch<'_> {
    pub(crate) fn apply_job_op(&mut self, op: &JobOp) -> Result<JobOpDone, Failure> {
        match op {
            JobOp::Put(job) => {
                self.check_job(job)?;
                let (seq, replaced) = self.put_checked(job, 0)?;
                Ok(JobOpDone::Put { seq, replaced })
            }
            JobOp::PutAll { jobs, note } => self.put_jobs_noted(jobs, note),
            JobOp::Replace(job) => self.replace_job(job),
            JobOp::Remove(key) => self.remove_job(key),
            JobOp::Finish { seq, result } => self.end_job(*seq, End::Done(result)),
            JobOp::Discard(seq) => self.end_job(*seq, End::Discarded),
            JobOp::Reschedule { seq, sched_at, step } => self.reschedule(*seq, *sched_at, *step),
            JobOp::Due { func, after, limit } => self.due(func, *after, *limit),
        }
    }

    /// Refuses a job that cannot be stored.
    pub(crate) fn check_job(&mut self, job: &Job) -> Result<(), Failure> {
        check_key(&job.key)?;
        self.room.take(job.key.func.len() + job.key.name.len() + job.workload.len())
    }

    /// Stores a job as one of this pushall (0: of none); its number, and that of the job it replaced. The same message pushed
    /// again by itself stays one of its pushall.
    pub(crate) fn put_checked(&mut self, job: &Job, pushall: u32) -> Result<(Seq, Option<Seq>), Failure> {
        let mut record = JobRecord { pushall, number: self.next_number()?, ..JobRecord::of(job) };
        let hash = self.store.hash.of(record.func, record.name);
        let replaced = self.find_job(hash, &job.key)?;
        if let Some(old) = replaced {
            let before = self.delete_job(old)?;
            if pushall == 0 {
                record.pushall = before;
            } else {
                self.pushall_counts.merged(before);
            }
        }

        let seq = self.seqs.give();
        record.encode(self.scratch);
        self.tables.jobs.put_with_flags(&mut self.txn, PutFlags::APPEND, &seq, self.scratch)?;
        self.recent.put(hash, record.func, (record.sched_at, seq));
        self.counts.add(record.func, 1);
        Ok((seq, replaced))
    }

    fn replace_job(&mut self, job: &Job) -> Result<JobOpDone, Failure> {
        check_key(&job.key)?;
        if self.find_job(self.store.hash.of(&job.key.func, &job.key.name), &job.key)?.is_none() {
            return Ok(JobOpDone::Replaced(None));
        }
        self.check_job(job)?;
        let (seq, replaced) = self.put_checked(job, 0)?;
        Ok(JobOpDone::Replaced(replaced.map(|replaced| (seq, replaced))))
    }

    fn remove_job(&mut self, key: &JobKey) -> Result<JobOpDone, Failure> {
        check_key(key)?;
        match self.find_job(self.store.hash.of(&key.func, &key.name), key)? {
            Some(seq) => self.end_job(seq, End::Discarded),
            None => Ok(JobOpDone::Deleted(None)),
        }
    }

    /// Deletes a job, and has the delivery log say how it ended.
    fn end_job(&mut self, seq: Seq, end: End) -> Result<JobOpDone, Failure> {
        let Some(record) = read(self.tables, &self.txn, seq)? else { return Ok(JobOpDone::Deleted(None)) };
        let (event, facts) = (event_of(&self.store.prefix, &record, end), facts(seq, &record));
        let at = Entries::of(self.store, &record);
        self.counts.add(record.func, -1);
        self.delete_entries(seq, &at)?;
        if let Some(event) = event {
            self.enter(&event, Some(facts))?;
        }
        Ok(JobOpDone::Deleted(Some(seq)))
    }

    /// Deletes a job from all tables. The number of the pushall that it was of; 0: of none.
    fn delete_job(&mut self, seq: Seq) -> Result<u32, Failure> {
        let Some(record) = read(self.tables, &self.txn, seq)? else { return Ok(0) };
        let (at, pushall) = (Entries::of(self.store, &record), record.pushall);
        self.counts.add(record.func, -1);
        self.delete_entries(seq, &at)?;
        Ok(pushall)
    }

    fn delete_entries(&mut self, seq: Seq, at: &Entries) -> Result<(), Failure> {
        self.tables.jobs.delete(&mut self.txn, &seq)?;
        Ok(self.recent.delete(self.tables, &mut self.txn, at.hash, at.func.as_bytes(), (at.sched_at, seq))?)
    }

    /// The number of the job with this key, among those that have its hash.
    pub(crate) fn find_job(&self, hash: u64, key: &JobKey) -> Result<Option<Seq>, Failure> {
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

/// Where a job stands in the indexes.
struct Entries {
    hash: u64,
    func: Key,
    sched_at: i64,
}

impl Entries {
    fn of(store: &Opened, record: &JobRecord) -> Self {
        Self { hash: store.hash.of(record.func, record.name), func: Key::of(record.func), sched_at: record.sched_at }
    }
}

pub(crate) fn read<'t>(tables: &Tables, txn: &'t RoTxn, seq: Seq) -> Result<Option<JobRecord<'t>>, Failure> {
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
