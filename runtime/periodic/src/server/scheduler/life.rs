//! A job's way through the store: each request becomes an operation with an [`After`] that says what its result means.

use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::warn;

use super::entry::State;
use super::func::{FuncId, Horizon};
use super::requests::WorkEnd;
use super::unstored::is_unstored;
use super::waiters::{Ended, REMOVED};
use super::{ConnId, Scheduler};
use crate::job::{Job, JobKey};
use crate::server::SubmitError;
use crate::store::{JobOp, JobStoreError, Seq};
use crate::wire::{Command, MsgId};

/// Who waits for an operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    /// A connection, for SUCCESS to this request. If the operation fails it is closed instead: the protocol has no word
    /// for failure, and a client that sees its connection break knows that it does not know.
    Peer(ConnId, MsgId),
    /// A request of several operations, for the result at this index.
    Gather(u64, usize),
    /// A connection that waits for the job's end and is told that. If the operation fails it is closed.
    Runner(ConnId),
    /// Nobody: the server's own doing.
    Nobody,
}

/// Who waits for jobs with a note.
pub(super) type NotedReply = oneshot::Sender<Result<(), SubmitError>>;

/// What an operation under way is for.
#[derive(Debug)]
pub(super) enum After {
    Put {
        job: Job,
        reply: Reply,
    },
    PutAll {
        jobs: Vec<Job>,
        reply: NotedReply,
    },
    Replace {
        job: Job,
        reply: Reply,
    },
    /// A job that a worker has without its being stored is stored after all.
    Keep {
        unstored: Seq,
        job: Job,
    },
    Remove {
        key: JobKey,
        seq: Option<Seq>,
        ended: Option<Box<Ended>>,
        reply: Reply,
    },
    Finish {
        seq: Seq,
        key: JobKey,
        ended: Option<Box<Ended>>,
        reply: Reply,
    },
    Reschedule {
        seq: Seq,
        key: JobKey,
        sched_at: i64,
        step: i32,
        reply: Reply,
    },
    Refill {
        func: FuncId,
        from: Horizon,
        limit: usize,
    },
    DropPage {
        func: FuncId,
        through: Option<Seq>,
        reply: Reply,
    },
    Drop {
        func: FuncId,
        seq: Seq,
    },
}

/// A request of several operations, until all of them have a result.
#[derive(Debug)]
pub(super) struct Gather {
    results: Vec<Result<bool, SubmitError>>,
    left: usize,
    to: GatherTo,
}

#[derive(Debug)]
enum GatherTo {
    Submit(oneshot::Sender<Vec<Result<(), SubmitError>>>),
    Remove(oneshot::Sender<Vec<Result<bool, SubmitError>>>),
    /// A LOAD.
    Peer(ConnId, MsgId),
}

impl Gather {
    /// Takes one result. True: it was the last.
    pub(super) fn take(&mut self, index: usize, result: Result<bool, JobStoreError>) -> bool {
        self.results[index] = result.map_err(SubmitError::from);
        self.left -= 1;
        self.left == 0
    }

    /// Tells an asker in this process. A connection is left to the scheduler.
    fn finish(self) {
        // Whoever asked may have stopped waiting.
        let _asker_gone = match self.to {
            GatherTo::Submit(to) => to.send(self.results.into_iter().map(|done| done.map(|_| ())).collect()).is_err(),
            GatherTo::Remove(to) => to.send(self.results).is_err(),
            GatherTo::Peer(..) => false,
        };
    }
}

/// Requests.
impl Scheduler {
    pub(super) fn submit_all(&mut self, jobs: Vec<Job>, to: oneshot::Sender<Vec<Result<(), SubmitError>>>) {
        let gather = self.gather(jobs.len(), GatherTo::Submit(to));
        for (index, job) in jobs.into_iter().enumerate() {
            self.submit(job, Reply::Gather(gather, index));
        }
    }

    pub(super) fn remove_all(&mut self, keys: Vec<JobKey>, to: oneshot::Sender<Vec<Result<bool, SubmitError>>>) {
        let gather = self.gather(keys.len(), GatherTo::Remove(to));
        for (index, key) in keys.into_iter().enumerate() {
            self.remove(key, Reply::Gather(gather, index));
        }
    }

    /// Opens the results of a LOAD of so many jobs.
    pub(super) fn gather_for(&mut self, conn: ConnId, msgid: MsgId, left: usize) -> u64 {
        self.gather(left, GatherTo::Peer(conn, msgid))
    }

    /// All operations of a request have a result.
    pub(super) fn gathered(&mut self, gather: Gather) {
        let GatherTo::Peer(conn, msgid) = gather.to else { return gather.finish() };
        match gather.results.into_iter().find_map(Result::err) {
            None => self.answer(conn, msgid, Command::Success),
            Some(error) => {
                warn!(conn, %error, "a LOAD failed");
                self.close_peer(conn, "the store failed");
            }
        }
    }

    fn gather(&mut self, left: usize, to: GatherTo) -> u64 {
        self.last_gather += 1;
        let gather = Gather { results: vec![Ok(false); left], left, to };
        if left == 0 {
            self.gathered(gather);
        } else {
            self.gathers.insert(self.last_gather, gather);
        }
        self.last_gather
    }

    /// SUBMIT_JOB: the job is kept until it is done.
    pub(super) fn submit(&mut self, job: Job, reply: Reply) {
        self.disown(&job.key);
        self.store_job(job, reply);
    }

    /// Stores a job, unless one with its key runs: then it is dropped, and the answer is still SUCCESS (PROTOCOL §5).
    pub(super) fn store_job(&mut self, mut job: Job, reply: Reply) {
        job.sched_at = job.sched_at.max(self.now);
        match self.make_way(&job.key) {
            // To be promised, it must be one that is kept.
            Some(runs) if is_unstored(runs) => self.store_after_all(runs, &job.key, reply),
            Some(_) => self.reply(reply, Ok(true)),
            None => {
                // What the same connection asks about the func next is about this job, too.
                self.func(&job.key.func);
                self.keys.entry(job.key.clone()).or_default().under_way += 1;
                self.push(JobOp::Put(job.clone()), After::Put { job, reply });
            }
        }
    }

    /// Stores jobs as [`store_job`](Self::store_job) does, and a note with them: all of it or nothing.
    pub(super) fn submit_noted(&mut self, jobs: Vec<Job>, note: Bytes, reply: NotedReply) {
        let mut put = Vec::with_capacity(jobs.len());
        for mut job in jobs {
            self.disown(&job.key);
            job.sched_at = job.sched_at.max(self.now);
            match self.make_way(&job.key) {
                Some(runs) if is_unstored(runs) => self.store_after_all(runs, &job.key, Reply::Nobody),
                Some(_) => {}
                None => {
                    self.keys.entry(job.key.clone()).or_default().under_way += 1;
                    put.push(job);
                }
            }
        }
        self.push(JobOp::PutAll { jobs: put.clone(), note }, After::PutAll { jobs: put, reply });
    }

    /// Stores a job in the place of one that waits.
    pub(super) fn replace(&mut self, mut job: Job, to: oneshot::Sender<Vec<Result<bool, SubmitError>>>) {
        let reply = Reply::Gather(self.gather(1, GatherTo::Remove(to)), 0);
        job.sched_at = job.sched_at.max(self.now);
        if self.make_way(&job.key).is_some() {
            return self.reply(reply, Ok(false));
        }
        self.keys.entry(job.key.clone()).or_default().under_way += 1;
        self.push(JobOp::Replace(job.clone()), After::Replace { job, reply });
    }

    /// The job of this key that runs. If none does, one that may be stored is free to be replaced after this: it is not
    /// held for a worker whose connection broke, waits for no lock and has none.
    fn make_way(&mut self, key: &JobKey) -> Option<Seq> {
        let held = self.keys.get(key).and_then(|state| state.held);
        if let Some((seq, entry)) = held.and_then(|seq| Some((seq, self.entries.get_mut(&seq)?))) {
            match entry.state {
                State::Leased(_) => return Some(seq),
                State::Orphaned(_) => {
                    entry.state = State::Waiting;
                    self.unhold(key);
                }
                State::Locked(_) => {
                    self.unlock_job(key);
                }
                State::Waiting | State::Parked(_) | State::Ending => {}
            }
        }
        self.leave_locks(key);
        None
    }

    /// Deletes a job in whatever state. A worker that has it is not told.
    pub(super) fn remove(&mut self, key: JobKey, reply: Reply) {
        let ended = self.take_waiters(&key, REMOVED);
        self.delete(key, ended, reply);
    }

    /// Deletes a job in whatever state, and then tells those who waited for it.
    pub(super) fn delete(&mut self, key: JobKey, ended: Option<Box<Ended>>, reply: Reply) {
        self.leave_locks(&key);
        let state = self.keys.entry(key.clone()).or_default();
        state.under_way += 1;
        let seq = state.held;
        if let Some(seq) = seq {
            self.retire(seq);
        }
        self.push(JobOp::Remove(key.clone()), After::Remove { key, seq, ended, reply });
    }

    /// The job of this key that `conn` may speak about: one it has, or one whose worker's connection broke.
    pub(super) fn answerable(&self, conn: ConnId, key: &JobKey) -> Option<Seq> {
        let seq = self.keys.get(key)?.held?;
        match &self.entries.get(&seq)?.state {
            State::Leased(lease) if lease.is_held_by(conn) => Some(seq),
            State::Orphaned(_) => Some(seq),
            _ => None,
        }
    }

    /// Ends a job's run as its worker says.
    pub(super) fn end(&mut self, seq: Seq, key: JobKey, end: WorkEnd, reply: Reply) {
        let (delay, step) = match end {
            WorkEnd::Done(result) => {
                let ended = self.take_waiters(&key, result.clone());
                return self.finish(JobOp::Finish { seq, result }, seq, key, ended, reply);
            }
            WorkEnd::Failed => (1, 0),
            WorkEnd::Later { delay, step } => (delay, i32::from(step)),
        };
        if let Some(ended) = self.fail_waiters(&key) {
            return self.give_up(seq, key, Some(ended), reply);
        }
        let sched_at = self.seconds_from_now(delay);
        if is_unstored(seq) {
            return self.put_off_unstored(seq, sched_at, step, reply);
        }
        self.keys.entry(key.clone()).or_default().under_way += 1;
        self.retire(seq);
        self.push(JobOp::Reschedule { seq, sched_at, step }, After::Reschedule { seq, key, sched_at, step, reply });
    }

    /// Deletes a job whose run is over and was no success, and then tells those who waited for it.
    pub(super) fn give_up(&mut self, seq: Seq, key: JobKey, ended: Option<Box<Ended>>, reply: Reply) {
        self.finish(JobOp::Discard(seq), seq, key, ended, reply);
    }

    fn finish(&mut self, op: JobOp, seq: Seq, key: JobKey, ended: Option<Box<Ended>>, reply: Reply) {
        if is_unstored(seq) {
            return self.finish_unstored(seq, key, ended, reply);
        }
        self.keys.entry(key.clone()).or_default().under_way += 1;
        self.retire(seq);
        self.push(op, After::Finish { seq, key, ended, reply });
    }

    /// The first second that is no earlier than `delay` seconds from this very moment.
    fn seconds_from_now(&self, delay: i64) -> i64 {
        if delay <= 0 {
            return self.now;
        }
        let now_ms = self.clock.now_ms();
        let rounded_up = now_ms.div_euclid(1000) + i64::from(now_ms.rem_euclid(1000) > 0);
        rounded_up.saturating_add(delay)
    }

    pub(super) fn push(&mut self, op: JobOp, after: After) {
        self.ops.push(op);
        self.under_way.push_back(after);
    }
}
