//! Those who wait for a job's end (RUN_JOB) or listen to what its worker says meanwhile (RECV_DATA): PROTOCOL §9.
//!
//! Waiters belong to a key. They are taken off the table the moment their job's end is decided, and told once that is
//! durable; if it does not come about, they wait again. A job that exists only because somebody waits for it ends with
//! the wait: it is deleted when it fails or expires. One that was also submitted stays, because that was promised.

use bytes::Bytes;
use std::time::Duration;

use tokio::time::Instant;

use super::life::Reply;
use super::{ConnId, Scheduler};
use crate::job::{Job, JobKey};
use crate::wire::{Command, MsgId, Packet};

/// How long somebody waits for a job that has no timeout.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// What ends a stream.
const EOF: Bytes = Bytes::from_static(b"EOF");
/// How many bytes of chunks are kept for a listener who has not come yet.
const EARLY_BYTES: usize = 64 << 10;
/// What a kept chunk counts for besides its bytes.
const CHUNK_WEIGHT: usize = 64;
/// In place of a result: the worker failed, or put the job off, or is gone.
pub(super) const FAILED: Bytes = Bytes::from_static(b"failed");
/// In place of a result: the job was deleted.
pub(super) const REMOVED: Bytes = Bytes::from_static(b"removed");
/// In place of a result: it took too long.
const EXPIRED: Bytes = Bytes::from_static(b"expired");

/// A request that is to be answered, or told, under its msgid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiter {
    conn: ConnId,
    msgid: MsgId,
}

/// Who waits for one key.
#[derive(Debug)]
pub(super) struct Waiters {
    /// RUN_JOB: one answer.
    run: Vec<Waiter>,
    /// RECV_DATA: any number of chunks, then the end.
    receive: Vec<Waiter>,
    /// What was said while there was nobody to listen, though somebody waited for the result: a client that wants both
    /// asks for the result first, and a quick worker may be quicker than its second request. Only the beginning is kept,
    /// up to [`EARLY_BYTES`].
    early: Vec<Bytes>,
    early_bytes: usize,
    /// The job is there only because they wait for it.
    owned: bool,
    /// A job of this key was submitted while they waited: whatever is there of it was promised.
    promised: bool,
    /// When they stop waiting. A later request moves it on, never back.
    deadline: Instant,
}

impl Waiters {
    /// Keeps a chunk that nobody hears, if somebody may still come for it.
    fn keep_early(&mut self, chunk: &Bytes) {
        let bytes = self.early_bytes + chunk.len() + CHUNK_WEIGHT;
        if self.receive.is_empty() && !self.run.is_empty() {
            // After one that does not fit, none is kept: what is heard has no hole in it before its end.
            self.early_bytes = bytes;
            if bytes <= EARLY_BYTES {
                // Not the buffer that it came in.
                self.early.push(Bytes::copy_from_slice(chunk));
            }
        }
    }
}

/// Waiters whose job ends, with what they are to be told.
#[derive(Debug)]
pub(super) struct Ended {
    waiters: Waiters,
    word: Bytes,
}

impl Scheduler {
    pub(super) fn run_job(&mut self, conn: ConnId, msgid: MsgId, job: Job) {
        if !self.has_worker(&job.key.func) {
            return self.answer(conn, msgid, Command::NoWorker);
        }
        let key = job.key.clone();
        self.waiters_of(conn, &job).run.push(Waiter { conn, msgid });
        match self.run_unstored(job) {
            Ok(()) => self.own(&key),
            Err(job) => self.store_job(job, Reply::Runner(conn)),
        }
    }

    /// A job has come to be because somebody waits for it. If that is the only reason, it ends with the wait.
    pub(super) fn own(&mut self, key: &JobKey) {
        if let Some(waiters) = self.waiters.get_mut(key) {
            waiters.owned = !waiters.promised;
        }
    }

    pub(super) fn receive_data(&mut self, conn: ConnId, msgid: MsgId, job: &Job) {
        if !self.has_worker(&job.key.func) {
            return self.answer(conn, msgid, Command::NoWorker);
        }
        let max = self.options.max_streams;
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.streams >= max {
            return self.close_peer(conn, "it listens to too many jobs");
        }
        peer.streams += 1;
        let waiters = self.waiters_of(conn, job);
        waiters.receive.push(Waiter { conn, msgid });
        waiters.early_bytes = 0;
        let early = std::mem::take(&mut waiters.early);
        self.answer(conn, msgid, Command::Success);
        for chunk in early {
            self.send(conn, Packet { msgid, command: Command::Data(chunk) });
        }
    }

    fn has_worker(&self, func: &[u8]) -> bool {
        self.func_ids.get(func).is_some_and(|func| !self.funcs[*func].workers.is_empty())
    }

    /// The waiters of the job's key, with time for one more.
    fn waiters_of(&mut self, conn: ConnId, job: &Job) -> &mut Waiters {
        let wait = match u64::try_from(job.timeout) {
            Ok(seconds @ 1..) => Duration::from_secs(seconds),
            _ => DEFAULT_WAIT,
        };
        let deadline = self.instant + wait;
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.waits.insert(job.key.clone());
        }
        let waiters = self.waiters.entry(job.key.clone()).or_insert_with(|| Waiters {
            run: Vec::new(),
            receive: Vec::new(),
            early: Vec::new(),
            early_bytes: 0,
            owned: false,
            promised: false,
            deadline,
        });
        waiters.deadline = waiters.deadline.max(deadline);
        waiters
    }

    /// The job has been submitted, too: it stays when those who wait for it are gone.
    pub(super) fn disown(&mut self, key: &JobKey) {
        if let Some(waiters) = self.waiters.get_mut(key) {
            (waiters.owned, waiters.promised) = (false, true);
        }
    }

    /// A piece of what a job's worker says.
    pub(super) fn work_data(&mut self, conn: ConnId, msgid: MsgId, key: &JobKey, chunk: &Bytes) {
        if self.speaks_for(conn, key)
            && let Some(waiters) = self.waiters.get_mut(key)
        {
            waiters.keep_early(chunk);
            for Waiter { conn, msgid } in waiters.receive.clone() {
                self.send(conn, Packet { msgid, command: Command::Data(chunk.clone()) });
            }
        }
        self.answer(conn, msgid, Command::Success);
    }

    /// Takes everybody who waits for the key, to be told `word` once the job's end is durable.
    pub(super) fn take_waiters(&mut self, key: &JobKey, word: Bytes) -> Option<Box<Ended>> {
        if self.waiters.is_empty() {
            return None;
        }
        let waiters = self.waiters.remove(key)?;
        self.forget_waits(key, &waiters);
        Some(Box::new(Ended { waiters, word }))
    }

    /// The run of a job has failed. If it is there only for those who wait, that is its end, and they are returned. Else
    /// those who wait for its result are told at once, and it goes on.
    pub(super) fn fail_waiters(&mut self, key: &JobKey) -> Option<Box<Ended>> {
        let waiters = self.waiters.get_mut(key)?;
        if waiters.run.is_empty() {
            return None;
        }
        if waiters.owned {
            return self.take_waiters(key, FAILED);
        }
        for Waiter { conn, msgid } in std::mem::take(&mut waiters.run) {
            self.answer(conn, msgid, Command::Data(FAILED));
        }
        None
    }

    /// Nobody of them waits any more, as far as their connections are concerned.
    fn forget_waits(&mut self, key: &JobKey, waiters: &Waiters) {
        for waiter in &waiters.run {
            if let Some(peer) = self.peers.get_mut(&waiter.conn) {
                peer.waits.remove(key);
            }
        }
        for waiter in &waiters.receive {
            if let Some(peer) = self.peers.get_mut(&waiter.conn) {
                peer.waits.remove(key);
                peer.streams -= 1;
            }
        }
    }

    /// The job has ended: first the streams end, then the results are told.
    pub(super) fn tell_ended(&mut self, ended: Option<Box<Ended>>) {
        let Some(ended) = ended else { return };
        for Waiter { conn, msgid } in ended.waiters.receive {
            self.send(conn, Packet { msgid, command: Command::Data(EOF) });
        }
        for Waiter { conn, msgid } in ended.waiters.run {
            self.answer(conn, msgid, Command::Data(ended.word.clone()));
        }
    }

    /// The job has not ended after all: they wait on.
    pub(super) fn wait_again(&mut self, key: &JobKey, ended: Option<Box<Ended>>) {
        let Some(ended) = ended else { return };
        let Waiters { run, receive, early, early_bytes, owned, promised, deadline } = ended.waiters;
        let is_there = |scheduler: &Self, waiter: &Waiter| scheduler.peers.contains_key(&waiter.conn);
        let run: Vec<_> = run.into_iter().filter(|waiter| is_there(self, waiter)).collect();
        let receive: Vec<_> = receive.into_iter().filter(|waiter| is_there(self, waiter)).collect();
        for waiter in &receive {
            if let Some(peer) = self.peers.get_mut(&waiter.conn) {
                peer.streams += 1;
            }
        }
        for waiter in run.iter().chain(&receive) {
            if let Some(peer) = self.peers.get_mut(&waiter.conn) {
                peer.waits.insert(key.clone());
            }
        }
        let waiters = self.waiters.entry(key.clone()).or_insert(Waiters {
            run: Vec::new(),
            receive: Vec::new(),
            early,
            early_bytes,
            owned,
            promised,
            deadline,
        });
        waiters.run.extend(run);
        waiters.receive.extend(receive);
        if waiters.run.is_empty() && waiters.receive.is_empty() {
            self.waiters.remove(key);
        }
    }

    /// A connection is gone, and nobody is left there to be told. Its jobs run all the same. How many of its requests that
    /// leaves without an answer.
    pub(super) fn stop_waiting(&mut self, conn: ConnId, keys: impl IntoIterator<Item = JobKey>) -> usize {
        let mut unanswered = 0;
        for key in keys {
            if let Some(waiters) = self.waiters.get_mut(&key) {
                unanswered += waiters.run.iter().filter(|waiter| waiter.conn == conn).count();
                waiters.run.retain(|waiter| waiter.conn != conn);
                waiters.receive.retain(|waiter| waiter.conn != conn);
                let for_nobody = waiters.run.is_empty();
                if waiters.run.is_empty() && waiters.receive.is_empty() {
                    self.waiters.remove(&key);
                }
                if for_nobody {
                    self.keep_running(&key);
                }
            }
        }
        unanswered
    }

    /// Somebody waits for a job, or listens to it, who may not know of it any more.
    pub(super) fn refuse_wait(&mut self, conn: ConnId, key: &JobKey) {
        let Some(waiters) = self.waiters.get_mut(key) else { return };
        let (run, receive): (Vec<_>, Vec<_>) = (
            waiters.run.extract_if(.., |waiter| waiter.conn == conn).collect(),
            waiters.receive.extract_if(.., |waiter| waiter.conn == conn).collect(),
        );
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.waits.remove(key);
            peer.streams -= receive.len();
        }
        for Waiter { conn, msgid } in receive {
            self.send(conn, Packet { msgid, command: Command::NoWorker });
        }
        for Waiter { conn, msgid } in run {
            self.answer(conn, msgid, Command::NoWorker);
        }
        self.stop_waiting(conn, [key.clone()]);
    }

    /// Those who have waited long enough are told so. What is there only for them is deleted.
    pub(super) fn expire_waiters(&mut self) {
        let expired = |waiters: &Waiters| waiters.deadline <= self.instant;
        let keys: Vec<_> =
            self.waiters.iter().filter(|(_, waiters)| expired(waiters)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let ended = self.take_waiters(&key, EXPIRED);
            if ended.as_ref().is_some_and(|ended| ended.waiters.owned) {
                self.delete(key, ended, Reply::Nobody);
            } else {
                self.tell_ended(ended);
            }
        }
    }

    /// A func has been dropped: its jobs are gone.
    pub(super) fn waiters_dropped(&mut self, func: &[u8]) {
        let keys: Vec<_> = self.waiters.keys().filter(|key| key.func == func).cloned().collect();
        for key in keys {
            let ended = self.take_waiters(&key, REMOVED);
            self.tell_ended(ended);
        }
    }
}
