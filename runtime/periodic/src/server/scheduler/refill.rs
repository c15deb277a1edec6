//! The far end of a queue: bringing places from the store into memory before they are needed, and the jobs themselves
//! when they are.

use std::collections::HashMap;

use tracing::warn;

use super::Scheduler;
use super::entry::{Entry, State, job_weight};
use super::func::{FuncId, Horizon, Position};
use super::life::After;
use crate::job::Job;
use crate::store::{JobOp, JobStoreError, Seq};

impl Scheduler {
    /// Asks the store for what comes after the horizon, if that may soon be needed.
    pub(super) fn refill_if_low(&mut self, func: FuncId) {
        let low = (self.options.queue_cap / 4).max(1);
        if self.funcs[func].waiting.len() < low {
            self.refill(func);
        }
    }

    pub(super) fn refill(&mut self, func: FuncId) {
        let limit = (self.options.queue_cap / 2).max(1);
        let queue = &mut self.funcs[func];
        if queue.refilling || queue.horizon == Horizon::All || queue.rests(self.instant) || self.stopping {
            return;
        }
        queue.refilling = true;
        let from = queue.horizon;
        let op = JobOp::Due { func: queue.name.clone(), after: from.position(), limit };
        self.push(op, After::Refill { func, from, limit });
    }

    pub(super) fn refilled(
        &mut self,
        func: FuncId,
        from: Horizon,
        limit: usize,
        page: Result<Vec<Position>, JobStoreError>,
    ) {
        self.funcs[func].refilling = false;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                warn!(func = %self.funcs[func].name.escape_ascii(), %error, "due jobs cannot be read");
                return self.rest(func);
            }
        };
        // Jobs that came meanwhile pushed the horizon back: what was read does not follow on what is in memory.
        if self.funcs[func].horizon != from {
            self.mark_ready(func);
            return self.refill_if_low(func);
        }
        self.funcs[func].horizon = match page.last() {
            Some(last) if page.len() >= limit => Horizon::Through(*last),
            _ => Horizon::All,
        };
        for position @ (sched_at, seq) in page {
            if !self.entries.contains_key(&seq) && self.funcs[func].horizon.covers(position) {
                self.entries.insert(seq, Entry { func, sched_at, job: None, state: State::Waiting });
                self.enqueue(func, position);
            }
        }
        self.mark_ready(func);
        self.refill_if_low(func);
    }

    /// The store has read jobs from the head of a queue.
    pub(super) fn loaded(&mut self, func: FuncId, seqs: &[Seq], jobs: Result<Vec<Option<Job>>, JobStoreError>) {
        self.loads -= 1;
        self.funcs[func].loading = false;
        let jobs = match jobs {
            Ok(jobs) => jobs,
            Err(error) => {
                warn!(func = %self.funcs[func].name.escape_ascii(), %error, "jobs cannot be read");
                return self.rest(func);
            }
        };
        let found: HashMap<Seq, Option<Job>> = seqs.iter().copied().zip(jobs).collect();
        for (seq, job) in found {
            let Some(entry) = self.entries.get_mut(&seq).filter(|entry| entry.job.is_none()) else { continue };
            match job {
                Some(job) => {
                    let weight = job_weight(&job);
                    self.funcs[func].weigh(weight);
                    self.cached += weight;
                    entry.job = Some(job);
                }
                // It has been deleted; the operation's result is on its way.
                None => self.forget(seq),
            }
        }
        self.mark_ready(func);
    }
}
