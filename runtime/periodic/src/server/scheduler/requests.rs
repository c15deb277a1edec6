//! What a connection asks.

use bytes::Bytes;

use super::access::Verdict;
use super::life::Reply;
use super::{ConnId, Scheduler};
use crate::job::JobKey;
use crate::wire::{Command, MsgId, Packet};

/// What a worker says about a job it had.
pub(super) enum WorkEnd {
    Done(Bytes),
    Failed,
    Later { delay: i64, step: i16 },
}

impl Scheduler {
    pub(super) fn packets(&mut self, conn: ConnId, packets: Vec<Packet>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.last_heard = self.instant;
        peer.requests += packets.len();
        self.serve(conn, packets);
    }

    /// Requests of a connection are served in order: what comes behind a LOAD waits until all of that is submitted.
    pub(super) fn serve(&mut self, conn: ConnId, packets: impl IntoIterator<Item = Packet>) {
        let Some(access) = self.peers.get(&conn).map(|peer| peer.access.clone()) else { return };
        let mut packets = packets.into_iter();
        while !self.is_loading(conn)
            && let Some(Packet { msgid, command }) = packets.next()
        {
            match access.verdict(&command) {
                Verdict::Serve => self.request(conn, msgid, command),
                Verdict::Ignore => self.no_answer(conn),
                Verdict::Refuse => self.answer(conn, msgid, Command::NoWorker),
            }
        }
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.behind_load.extend(packets);
        }
    }

    fn request(&mut self, conn: ConnId, msgid: MsgId, command: Command) {
        let reply = Reply::Peer(conn, msgid);
        match command {
            Command::SubmitJob(job) => self.submit(job, reply),
            Command::RemoveJob(key) => self.remove(key, reply),
            Command::GrabJob => self.grab(conn, msgid),
            Command::JobAssigned => self.job_assigned(conn, msgid),
            Command::JobUnassigned => self.job_unassigned(conn, msgid),
            Command::WorkDone { key, result } => self.work_ended(conn, key, WorkEnd::Done(result), reply),
            Command::WorkFail(key) => self.work_ended(conn, key, WorkEnd::Failed, reply),
            Command::SchedLater { key, delay, step } => {
                self.work_ended(conn, key, WorkEnd::Later { delay, step }, reply);
            }
            Command::WorkData { key, chunk } => self.work_data(conn, msgid, &key, &chunk),
            Command::RunJob(job) => self.run_job(conn, msgid, job),
            Command::RecvData(job) => self.receive_data(conn, msgid, &job),
            Command::Acquire { lock, capacity, key } => self.acquire(conn, msgid, &lock, capacity, &key),
            Command::Release { lock, key } => self.release(conn, msgid, &lock, &key),
            Command::CanDo(func) => self.can_do(conn, msgid, &func, false),
            Command::Broadcast(func) => self.can_do(conn, msgid, &func, true),
            Command::Dump => self.dump(conn, msgid),
            Command::Load(jobs) => self.load_jobs(conn, msgid, jobs),
            Command::Shutdown => self.shutdown(conn, msgid),
            Command::CantDo(func) => self.cant_do(conn, msgid, &func),
            Command::Ping => self.answer(conn, msgid, Command::Pong),
            Command::Sleep => self.answer(conn, msgid, Command::Noop),
            Command::Unknown => self.answer(conn, msgid, Command::Unknown),
            Command::Status => {
                let text = self.status_text(conn);
                self.answer(conn, msgid, Command::Data(text));
            }
            Command::DropFunc(func) => self.drop_func(&func, reply),
            Command::ConfigGet(key) => {
                let value = self.settings.get(&key);
                self.answer(conn, msgid, Command::Config(value));
            }
            Command::ConfigSet { key, value } => {
                self.settings.set(&key, value);
                self.shorten_acks();
                self.answer(conn, msgid, Command::Success);
            }
            // The verdict has dealt with the others.
            _ => self.no_answer(conn),
        }
    }

    fn grab(&mut self, conn: ConnId, msgid: MsgId) {
        let max = self.options.max_grabs;
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        // A GRAB that crossed the assignment which used it up is the worker's repetition, not room for another job.
        if !peer.unacked.contains_key(&msgid) && peer.grabs.open(msgid) {
            self.open_grabs += 1;
            let (open, funcs) = (peer.grabs.len(), std::mem::take(&mut peer.funcs));
            for func in &funcs {
                self.mark_ready(*func);
            }
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.funcs = funcs;
            }
            if open > max {
                return self.close_peer(conn, "it has too many grabs open");
            }
        }
        self.answer(conn, msgid, Command::Success);
    }

    /// The last to register for a func says whether its jobs go to one worker or to all; one that has registered
    /// already changes nothing.
    fn can_do(&mut self, conn: ConnId, msgid: MsgId, func: &Bytes, broadcast: bool) {
        let max = self.options.max_funcs;
        let known = self.func_ids.get(func).copied();
        let Some(peer) = self.peers.get(&conn) else { return };
        let is_new = known.is_none_or(|func| !peer.funcs.contains(&func));
        if is_new && peer.funcs.len() >= max {
            return self.close_peer(conn, "it registers for too many funcs");
        }
        let func = self.func(func);
        if is_new && let Some(peer) = self.peers.get_mut(&conn) {
            peer.funcs.push(func);
            // Its turn is next, as with the reference server.
            self.funcs[func].workers.push_front(conn);
            self.funcs[func].broadcast = broadcast;
            self.mark_ready(func);
        }
        self.answer(conn, msgid, Command::Success);
    }

    fn cant_do(&mut self, conn: ConnId, msgid: MsgId, func: &[u8]) {
        if let Some(func) = self.func_ids.get(func).copied()
            && let Some(peer) = self.peers.get_mut(&conn)
        {
            peer.funcs.retain(|other| *other != func);
            peer.withheld.retain(|other| *other != func);
            self.funcs[func].workers.retain(|worker| *worker != conn);
        }
        self.answer(conn, msgid, Command::Success);
    }

    /// A worker says how a job ended. Whose job it is decides what that means:
    ///
    /// * its own: the job ends;
    /// * one that waits again because its worker's connection broke: the worker has come back, the job ends;
    /// * another's, or nobody's: nothing, but the worker is told SUCCESS and so stops saying it.
    fn work_ended(&mut self, conn: ConnId, key: JobKey, end: WorkEnd, reply: Reply) {
        let Some(seq) = self.answerable(conn, &key) else { return self.reply(reply, Ok(true)) };
        if self.acknowledge(conn, seq) == Some(true)
            && let Some(peer) = self.peers.get_mut(&conn)
        {
            peer.never_acks = true;
        }
        // Of several who have a broadcast job, the first that has done it ends it, and the last that has not.
        let is_done = matches!(end, WorkEnd::Done(_));
        if !is_done && self.take_from(seq, conn) {
            return self.reply(reply, Ok(true));
        }
        self.end(seq, key, end, reply);
    }

    /// Ends the server, if it is one that clients may end: nothing more is assigned, and whoever runs it is told.
    fn shutdown(&mut self, conn: ConnId, msgid: MsgId) {
        if self.options.remote_shutdown {
            self.no_answer(conn);
            self.shutdown.cancel();
        } else {
            self.answer(conn, msgid, Command::NoWorker);
        }
    }
}
