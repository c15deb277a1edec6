//! Ten thousand operations at random, beside a model that is too simple to be wrong: after each batch, and after each
//! reopening, the store says what the model says.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::{Site, apply_all, counts, job, key};
use crate::job::{Job, JobKey};
use crate::store::{JobOp, JobOpDone, JobStore, Seq};

const OPS: usize = 10_000;
/// Few enough that most operations meet a job.
const FUNCS: [&str; 3] = ["f", "fa", ""];
const NAMES: u64 = 60;
/// Operations in a batch, at most.
const BATCH: u64 = 100;

/// Random numbers of one seed, so that a failure repeats.
struct Numbers(fastrand::Rng);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0.u64(..end)
    }

    /// Times that are often equal, now and then far away.
    fn time(&mut self) -> i64 {
        match self.below(20) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => -1,
            _ => self.below(8).cast_signed(),
        }
    }

    fn func(&mut self) -> &'static str {
        FUNCS[usize::try_from(self.below(FUNCS.len() as u64)).unwrap_or_default()]
    }

    fn key(&mut self) -> JobKey {
        key(self.func(), &format!("n{}", self.below(NAMES)))
    }
}

#[derive(Default)]
struct Model {
    last: Seq,
    jobs: BTreeMap<Seq, Job>,
}

impl Model {
    fn find(&self, key: &JobKey) -> Option<Seq> {
        self.jobs.iter().find(|(_, job)| job.key == *key).map(|(seq, _)| *seq)
    }

    /// The number of the job that is replaced.
    fn put(&mut self, job: &Job, seq: Seq) -> Option<Seq> {
        let replaced = self.find(&job.key);
        replaced.map(|old| self.jobs.remove(&old));
        assert!(seq > self.last, "number {seq} comes after {}", self.last);
        self.last = seq;
        self.jobs.insert(seq, job.clone());
        replaced
    }

    /// What the operation should do. The number of a new job is the store's to choose.
    fn apply(&mut self, op: &JobOp, done: &JobOpDone) -> JobOpDone {
        match op {
            JobOp::Put(job) => {
                let JobOpDone::Put { seq, .. } = *done else { panic!("a put, not {done:?}") };
                JobOpDone::Put { seq, replaced: self.put(job, seq) }
            }
            JobOp::PutAll { jobs, .. } => {
                let JobOpDone::PutAll(put) = done else { panic!("puts, not {done:?}") };
                let seqs = put.iter().map(|put| put.expect("nothing is left out").0);
                JobOpDone::PutAll(jobs.iter().zip(seqs).map(|(job, seq)| Some((seq, self.put(job, seq)))).collect())
            }
            JobOp::Replace(job) => {
                let JobOpDone::Replaced(replaced) = done else { panic!("a replacement, not {done:?}") };
                let is_there = self.find(&job.key).is_some();
                let seq = replaced.filter(|_| is_there).map(|(seq, _)| seq);
                JobOpDone::Replaced(seq.and_then(|seq| Some((seq, self.put(job, seq)?))))
            }
            JobOp::Remove(key) => {
                let found = self.find(key);
                found.map(|seq| self.jobs.remove(&seq));
                JobOpDone::Deleted(found)
            }
            JobOp::Finish { seq, .. } | JobOp::Discard(seq) => JobOpDone::Deleted(self.jobs.remove(seq).map(|_| *seq)),
            JobOp::Reschedule { seq, sched_at, step } => {
                let found = self.jobs.get_mut(seq);
                JobOpDone::Rescheduled(found.is_some_and(|job| {
                    job.sched_at = *sched_at;
                    job.count = job.count.saturating_add(*step);
                    true
                }))
            }
            JobOp::Due { func, after, limit } => JobOpDone::Due(self.due(func, *after, *limit)),
        }
    }

    fn due(&self, func: &[u8], after: Option<(i64, Seq)>, limit: usize) -> Vec<(i64, Seq)> {
        let of_func = self.jobs.iter().filter(|(_, job)| job.key.func == func);
        let mut due: Vec<_> = of_func.map(|(seq, job)| (job.sched_at, *seq)).collect();
        due.sort_unstable();
        due.retain(|position| Some(*position) > after);
        due.truncate(limit);
        due
    }

    fn counts(&self) -> Vec<(Bytes, u64)> {
        let mut counts: BTreeMap<Bytes, u64> = BTreeMap::new();
        for job in self.jobs.values() {
            *counts.entry(job.key.func.clone()).or_default() += 1;
        }
        counts.into_iter().collect()
    }

    /// A number that a job has, or had, or will have.
    fn some_seq(&self, numbers: &mut Numbers) -> Seq {
        let from = self.last.saturating_sub(200) + numbers.below(202);
        self.jobs.range(from..).next().filter(|_| numbers.below(8) > 0).map_or(from, |(seq, _)| *seq)
    }

    fn some_op(&self, numbers: &mut Numbers) -> JobOp {
        match numbers.below(12) {
            0..=3 => JobOp::Put(some_job(numbers)),
            10 => {
                let mut jobs: Vec<Job> = (0..numbers.below(5)).map(|_| some_job(numbers)).collect();
                let mut keys = HashSet::new();
                jobs.retain(|job| keys.insert(job.key.clone()));
                JobOp::PutAll { jobs, note: Bytes::new() }
            }
            11 => JobOp::Replace(some_job(numbers)),
            4 => JobOp::Remove(numbers.key()),
            5 => JobOp::Discard(self.some_seq(numbers)),
            6 => JobOp::Finish { seq: self.some_seq(numbers), result: Bytes::from_static(b"{}") },
            7 | 8 => {
                let step = [0, 1, -1, i32::MAX][usize::try_from(numbers.below(4)).unwrap_or_default()];
                JobOp::Reschedule { seq: self.some_seq(numbers), sched_at: numbers.time(), step }
            }
            _ => {
                let after = (numbers.below(2) == 0).then(|| (numbers.time(), self.some_seq(numbers)));
                let limit = usize::try_from(numbers.below(100)).unwrap_or_default();
                JobOp::Due { func: Bytes::from_static(numbers.func().as_bytes()), after, limit }
            }
        }
    }
}

fn some_job(numbers: &mut Numbers) -> Job {
    let key = numbers.key();
    let count = i32::try_from(numbers.below(3)).unwrap_or_default();
    Job { key, count, ..job("", &format!("w{}", numbers.below(1000)), numbers.time()) }
}

pub(super) async fn does_what_the_model_does(site: &impl Site) {
    let mut numbers = Numbers(fastrand::Rng::with_seed(42));
    let mut model = Model::default();
    let mut store = site.open().await;
    let mut ops_done = 0;
    while ops_done < OPS {
        let count = 1 + numbers.below(BATCH);
        // What is known when the batch is made up is from before it.
        let ops: Vec<_> = (0..count).map(|_| model.some_op(&mut numbers)).collect();
        let done = apply_all(&*store, ops.clone()).await;
        for (op, done) in ops.iter().zip(&done) {
            assert_eq!(*done, model.apply(op, done), "{op:?}, after {ops_done} operations");
            ops_done += 1;
        }
        if numbers.below(20) == 0 {
            drop(store);
            store = site.open().await;
        }
        if numbers.below(10) == 0 {
            agree(&*store, &model).await;
        }
    }
    drop(store);
    agree(&*site.open().await, &model).await;
}

/// Everything that can be asked is answered as the model has it.
async fn agree(store: &dyn JobStore, model: &Model) {
    assert_eq!(counts(store).await, model.counts());
    let seqs: Vec<Seq> = (model.last.saturating_sub(300)..=model.last + 1).chain(model.jobs.keys().copied()).collect();
    let found = store.load(&seqs).await.expect("jobs can be loaded");
    let expected: Vec<_> = seqs.iter().map(|seq| model.jobs.get(seq).cloned()).collect();
    assert_eq!(found, expected, "the jobs themselves");
    let all =
        FUNCS.map(|func| JobOp::Due { func: Bytes::from_static(func.as_bytes()), after: None, limit: usize::MAX });
    for (func, done) in FUNCS.iter().zip(apply_all(store, all.into()).await) {
        assert_eq!(done, JobOpDone::Due(model.due(func.as_bytes(), None, usize::MAX)), "what is due of {func:?}");
    }
}
