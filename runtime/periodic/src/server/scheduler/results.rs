//! What the results of operations mean for the tables, and for those who wait for them.

use tracing::warn;

use super::Scheduler;
use super::entry::{Entry, State, job_weight};
use super::func::{FuncId, Position};
use super::life::{After, NotedReply, Reply};
use super::waiters::Ended;
use crate::job::{Job, JobKey};
use crate::server::SubmitError;
use crate::store::{JobOpDone, JobStoreError, NewSeq, Seq};
use crate::wire::Command;

impl Scheduler {
    pub(super) fn done(&mut self, after: After, result: Result<JobOpDone, JobStoreError>) {
        match after {
            After::Put { job, reply } => self.put_done(job, reply, result.and_then(put)),
            After::PutAll { jobs, reply } => {
                let put = result.and_then(|done| match done {
                    JobOpDone::PutAll(put) => Ok(put),
                    other => Err(nonsense(&other)),
                });
                self.all_put(jobs, reply, put);
            }
            After::Replace { job, reply } => {
                let key = job.key.clone();
                let replaced = result.and_then(|done| match done {
                    JobOpDone::Replaced(replaced) => Ok(replaced),
                    other => Err(nonsense(&other)),
                });
                if let Ok(Some((seq, before))) = replaced {
                    self.put_in(job, seq, Some(before));
                }
                self.settle(&key);
                self.reply(reply, replaced.map(|replaced| replaced.is_some()));
            }
            After::Keep { unstored, job } => self.kept(unstored, job, &result.and_then(put)),
            After::Remove { key, seq, ended, reply } => {
                let deleted = self.deleted(&key, seq, ended, result.and_then(deleted));
                self.reply(reply, deleted);
            }
            After::Finish { seq, key, ended, reply } => {
                let deleted = self.deleted(&key, Some(seq), ended, result.and_then(deleted));
                self.reply(reply, deleted);
            }
            After::Reschedule { seq, key, sched_at, step, reply } => {
                let moved = result.and_then(|done| match done {
                    JobOpDone::Rescheduled(moved) => Ok(moved),
                    other => Err(nonsense(&other)),
                });
                match &moved {
                    Ok(true) => self.moved(seq, sched_at, step),
                    Ok(false) => self.forget(seq),
                    Err(_) => self.revive(seq, Some(&key)),
                }
                self.settle(&key);
                self.reply(reply, moved);
            }
            After::Refill { func, from, limit } => self.refilled(func, from, limit, result.and_then(page)),
            After::DropPage { func, through, reply } => {
                self.drop_page(func, through, reply, result.and_then(page));
            }
            After::Drop { func, seq } => match result.and_then(deleted) {
                Ok(deleted) => {
                    self.forget(seq);
                    let stored = &mut self.funcs[func].stored;
                    *stored = stored.saturating_sub(u64::from(deleted.is_some()));
                }
                Err(_) => self.revive(seq, None),
            },
        }
    }

    fn put_done(&mut self, job: Job, reply: Reply, put: Result<NewSeq, JobStoreError>) {
        let key = job.key.clone();
        if let Ok((seq, replaced)) = put {
            // What is replaced may have been submitted, and then its place is promised.
            if replaced.is_none() && matches!(reply, Reply::Runner(_)) {
                self.own(&key);
            }
            self.put_in(job, seq, replaced);
        }
        self.settle(&key);
        if let (Ok((seq, _)), Reply::Runner(_)) = (&put, reply)
            && self.settings.run_job_aggressive != 0
        {
            self.assign_at_once(*seq);
        }
        self.reply(reply, put.map(|_| true));
    }

    fn all_put(&mut self, jobs: Vec<Job>, reply: NotedReply, put: Result<Vec<Option<NewSeq>>, JobStoreError>) {
        let result = put.as_ref().map(drop).map_err(|error| SubmitError::from(error.clone()));
        let mut put = put.unwrap_or_default().into_iter();
        for job in jobs {
            let key = job.key.clone();
            if let Some((seq, replaced)) = put.next().flatten() {
                self.put_in(job, seq, replaced);
            }
            self.settle(&key);
        }
        let _asker_gone = reply.send(result);
    }

    /// A job is in the store: into memory with it, if its place is there.
    pub(super) fn put_in(&mut self, job: Job, seq: Seq, replaced: Option<Seq>) {
        let func = self.count_put(&job.key, seq, replaced);
        if let (Some(dumping), Some(_)) = (&self.dumping, replaced) {
            dumping.note(&job);
        }
        self.funcs[func].weigh(job_weight(&job));
        if self.funcs[func].horizon.covers((job.sched_at, seq)) {
            let sched_at = job.sched_at;
            let job = self.keep(job);
            self.entries.insert(seq, Entry { func, sched_at, job, state: State::Waiting });
            self.enqueue(func, (sched_at, seq));
        }
    }

    /// The store has one more job, or another in the place of one.
    pub(super) fn count_put(&mut self, key: &JobKey, seq: Seq, replaced: Option<Seq>) -> FuncId {
        let func = self.func(&key.func);
        self.last_seq = self.last_seq.max(Some(seq));
        match replaced {
            Some(replaced) => self.forget(replaced),
            None => self.funcs[func].stored += 1,
        }
        func
    }

    /// What [`JobOp::Remove`] and [`JobOp::Finish`] have in common: was there a job? `seq` is the job in memory that was
    /// retired for it.
    fn deleted(
        &mut self,
        key: &JobKey,
        seq: Option<Seq>,
        ended: Option<Box<Ended>>,
        deleted: Result<Option<Seq>, JobStoreError>,
    ) -> Result<bool, JobStoreError> {
        match &deleted {
            Ok(deleted) => {
                self.tell_ended(ended);
                for gone in seq.iter().chain(deleted.iter().filter(|gone| Some(**gone) != seq)) {
                    self.forget(*gone);
                }
                if deleted.is_some() {
                    let func = self.func(&key.func);
                    self.funcs[func].stored = self.funcs[func].stored.saturating_sub(1);
                }
            }
            Err(_) => {
                self.wait_again(key, ended);
                if let Some(seq) = seq {
                    self.revive(seq, Some(key));
                }
            }
        }
        self.settle(key);
        deleted.map(|deleted| deleted.is_some())
    }

    /// A job in memory has got a new place.
    fn moved(&mut self, seq: Seq, sched_at: i64, step: i32) {
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        let func = entry.func;
        entry.state = State::Waiting;
        entry.sched_at = sched_at;
        let job = entry.job.take();
        if let Some(job) = &job {
            self.cached -= job_weight(job);
        }
        if !self.funcs[func].horizon.covers((sched_at, seq)) {
            self.entries.remove(&seq);
            return self.refill_if_low(func);
        }
        let job = job.and_then(|job| self.keep(Job { sched_at, count: job.count.saturating_add(step), ..job }));
        if let Some(entry) = self.entries.get_mut(&seq) {
            entry.job = job;
        }
        self.enqueue(func, (sched_at, seq));
    }

    pub(super) fn reply(&mut self, reply: Reply, result: Result<bool, JobStoreError>) {
        match (reply, result) {
            (Reply::Peer(conn, msgid), Ok(_)) => self.answer(conn, msgid, Command::Success),
            (Reply::Runner(_) | Reply::Nobody, Ok(_)) => {}
            (Reply::Nobody, Err(error)) => warn!(%error, "what the server wanted done with a job was not done"),
            (Reply::Peer(conn, _) | Reply::Runner(conn), Err(error)) => {
                warn!(conn, %error, "a request failed");
                self.close_peer(conn, "the store failed");
            }
            (Reply::Gather(id, index), result) => {
                let is_last = self.gathers.get_mut(&id).is_some_and(|gather| gather.take(index, result));
                if is_last && let Some(gather) = self.gathers.remove(&id) {
                    self.gathered(gather);
                }
            }
        }
    }
}

fn put(done: JobOpDone) -> Result<NewSeq, JobStoreError> {
    match done {
        JobOpDone::Put { seq, replaced } => Ok((seq, replaced)),
        other => Err(nonsense(&other)),
    }
}

fn deleted(done: JobOpDone) -> Result<Option<Seq>, JobStoreError> {
    match done {
        JobOpDone::Deleted(seq) => Ok(seq),
        other => Err(nonsense(&other)),
    }
}

fn page(done: JobOpDone) -> Result<Vec<Position>, JobStoreError> {
    match done {
        JobOpDone::Due(page) => Ok(page),
        other => Err(nonsense(&other)),
    }
}

fn nonsense(done: &JobOpDone) -> JobStoreError {
    JobStoreError::Failed(format!("the store answered another question: {done:?}"))
}
