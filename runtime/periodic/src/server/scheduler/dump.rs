//! DUMP, every job in one answer, and LOAD, many jobs in one request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tracing::warn;

use super::life::Reply;
use super::{ConnId, Read, Scheduler};
use crate::job::Job;
use crate::store::{JobOp, JobOpDone, JobStore, JobStoreError};
use crate::wire::{Command, MsgId, put_jobs};

/// Jobs read from the store at once.
const PAGE: usize = 512;
/// Jobs of LOADs that are submitted in one turn: others have theirs in between.
const LOAD_TURN: usize = 512;

/// Jobs that took the place of others while a DUMP is read: one that has gone from what is still to be read to what is
/// read already would be missing else.
#[derive(Debug, Clone, Default)]
pub(super) struct Replaced(Arc<Mutex<Vec<Job>>>);

impl Replaced {
    pub(super) fn note(&self, job: &Job) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(job.clone());
    }

    fn take(&self) -> Vec<Job> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The jobs of a LOAD that are still to be submitted.
#[derive(Debug)]
pub(super) struct Loading {
    conn: ConnId,
    jobs: std::iter::Enumerate<std::vec::IntoIter<Job>>,
    gather: u64,
}

impl Scheduler {
    /// Reads every job that the connection may see, beside everything else. One DUMP at a time is read; others wait for
    /// their turn.
    pub(super) fn dump(&mut self, conn: ConnId, msgid: MsgId) {
        self.dumps.push_back((conn, msgid));
        if self.dumps.len() == 1 {
            self.next_dump();
        }
    }

    fn next_dump(&mut self) {
        let Some((conn, _)) = self.dumps.front().copied() else { return };
        let mut funcs: Vec<_> = self.func_ids.keys().filter(|func| self.may_use(conn, func)).cloned().collect();
        funcs.sort_unstable();
        let unstored = self.unstored_jobs();
        let replaced = Replaced::default();
        self.dumping = Some(replaced.clone());
        self.loads += 1;
        let (store, max, read) = (Arc::clone(&self.store), self.options.max_dump, self.loaded.clone());
        tokio::spawn(async move {
            // In a task of its own, so that a store that panics is a store that failed.
            let dumped = tokio::spawn(async move { dump(&*store, funcs, unstored, &replaced, max).await }).await;
            let dumped = dumped.unwrap_or_else(|error| Err(DumpError::Store(JobStoreError::Failed(error.to_string()))));
            let _scheduler_gone = read.send(Read::Dump(dumped));
        });
    }

    pub(super) fn dumped(&mut self, dumped: Result<Bytes, DumpError>) {
        self.loads -= 1;
        self.dumping = None;
        if let Some((conn, msgid)) = self.dumps.pop_front() {
            match dumped {
                Ok(jobs) => self.answer(conn, msgid, Command::Data(jobs)),
                Err(error) => {
                    warn!(conn, %error, "a DUMP failed");
                    self.close_peer(conn, "its DUMP failed");
                }
            }
        }
        if !self.stopping {
            self.next_dump();
        }
    }

    /// Submits every job; SUCCESS when all are durable.
    pub(super) fn load_jobs(&mut self, conn: ConnId, msgid: MsgId, jobs: Vec<Job>) {
        let gather = self.gather_for(conn, msgid, jobs.len());
        self.loading.push_back(Loading { conn, jobs: jobs.into_iter().enumerate(), gather });
    }

    /// Goes on with LOADs, each of which has its share of the turn.
    pub(super) fn load_some(&mut self) {
        let share = LOAD_TURN.div_ceil(self.loading.len().max(1));
        let (mut unfinished, mut finished) = (VecDeque::new(), Vec::new());
        for mut loading in std::mem::take(&mut self.loading) {
            for (index, job) in loading.jobs.by_ref().take(share) {
                self.submit(job, Reply::Gather(loading.gather, index));
            }
            if loading.jobs.len() > 0 {
                unfinished.push_back(loading);
            } else {
                finished.push(loading.conn);
            }
        }
        self.loading = unfinished;
        for conn in finished {
            let behind = self.peers.get_mut(&conn).map(|peer| std::mem::take(&mut peer.behind_load));
            self.serve(conn, behind.unwrap_or_default());
        }
    }

    pub(super) fn is_loading(&self, conn: ConnId) -> bool {
        self.loading.iter().any(|loading| loading.conn == conn)
    }
}

/// Why there is no dump.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum DumpError {
    #[error("{0}")]
    Store(#[from] JobStoreError),
    #[error("the jobs take more than {0} bytes, the most that one answer may have; copy the data directory instead")]
    TooLarge(usize),
}

/// The jobs of these funcs, those in memory only among them, as DUMP's answer has them: by func, then by name.
async fn dump(
    store: &dyn JobStore,
    funcs: Vec<Bytes>,
    unstored: Vec<Job>,
    replaced: &Replaced,
    max: usize,
) -> Result<Bytes, DumpError> {
    let mut all = Vec::new();
    let mut bytes = 8;
    for func in &funcs {
        let mut after = None;
        loop {
            let page = store.apply(vec![JobOp::Due { func: func.clone(), after, limit: PAGE }]).await;
            let page = match page.into_iter().next() {
                Some(Ok(JobOpDone::Due(page))) => page,
                Some(Err(error)) => return Err(error.into()),
                _ => return Err(JobStoreError::Failed("the store answered another question".to_owned()).into()),
            };
            let Some(last) = page.last().copied() else { break };
            let seqs: Vec<_> = page.iter().map(|(_, seq)| *seq).collect();
            for job in store.load(&seqs).await?.into_iter().flatten() {
                // As much as it may take in the answer.
                bytes += 24 + job.key.func.len() + job.key.name.len() + job.workload.len();
                all.push(job);
            }
            if bytes > max {
                return Err(DumpError::TooLarge(max));
            }
            after = Some(last);
        }
    }
    let of_these = |job: &Job| funcs.binary_search(&job.key.func).is_ok();
    // The newest first: of those with one key it is the first that stays.
    let mut all: Vec<_> = replaced.take().into_iter().rev().filter(of_these).chain(all).collect();
    all.extend(unstored.into_iter().filter(of_these));
    all.sort_by(|one, other| (&one.key.func, &one.key.name).cmp(&(&other.key.func, &other.key.name)));
    // One that was put off, replaced or stored while its func was read may have been met twice.
    all.dedup_by(|one, other| one.key == other.key);
    let mut answer = BytesMut::with_capacity(bytes);
    put_jobs(&mut answer, &all).map_err(|error| JobStoreError::Failed(error.to_string()))?;
    Ok(answer.freeze())
}
