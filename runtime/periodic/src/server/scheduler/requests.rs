//! What a connection asks, and whether it may.

use bytes::Bytes;

use super::life::Reply;
use super::{ConnId, Scheduler};
use crate::job::JobKey;
use crate::wire::{Command, MsgId, Packet, Role};

/// What is done with a command before its arguments matter.
enum Verdict {
    Serve,
    /// A server's own command; nothing is answered.
    Ignore,
    /// Answered NO_WORKER, the protocol's word for every refusal.
    Refuse,
}

/// The one place that says who may ask what.
///
/// Not served yet, and refused to everybody: locks, jobs whose result is waited for, broadcast, dump and load, and
/// ending the server.
fn verdict(role: Role, command: &Command) -> Verdict {
    match command {
        Command::Noop
        | Command::JobAssign(_)
        | Command::NoJob
        | Command::Pong
        | Command::Success
        | Command::Config(_)
        | Command::Acquired(_)
        | Command::NoWorker
        | Command::Data(_) => Verdict::Ignore,

        Command::Acquire { .. }
        | Command::Release { .. }
        | Command::RunJob(_)
        | Command::RecvData(_)
        | Command::WorkData { .. }
        | Command::Broadcast(_)
        | Command::Dump
        | Command::Load(_)
        | Command::Shutdown => Verdict::Refuse,

        Command::GrabJob
        | Command::SchedLater { .. }
        | Command::WorkDone { .. }
        | Command::WorkFail(_)
        | Command::CanDo(_)
        | Command::CantDo(_)
        | Command::Sleep
        | Command::JobAssigned
        | Command::JobUnassigned => match role {
            Role::Worker => Verdict::Serve,
            Role::Client => Verdict::Refuse,
        },

        Command::Ping
        | Command::Unknown
        | Command::SubmitJob(_)
        | Command::Status
        | Command::DropFunc(_)
        | Command::RemoveJob(_)
        | Command::ConfigGet(_)
        | Command::ConfigSet { .. } => Verdict::Serve,
    }
}

/// What a worker says about a job it had.
pub(super) enum WorkEnd {
    Done,
    Failed,
    Later { delay: i64, step: i16 },
}

impl Scheduler {
    pub(super) fn packets(&mut self, conn: ConnId, packets: Vec<Packet>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.last_heard = self.instant;
        peer.requests += packets.len();
        let role = peer.role;
        for Packet { msgid, command } in packets {
            match verdict(role, &command) {
                Verdict::Serve => self.request(conn, msgid, command),
                Verdict::Ignore => self.no_answer(conn),
                Verdict::Refuse => self.answer(conn, msgid, Command::NoWorker),
            }
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
            Command::WorkDone { key, .. } => self.work_ended(conn, key, &WorkEnd::Done, reply),
            Command::WorkFail(key) => self.work_ended(conn, key, &WorkEnd::Failed, reply),
            Command::SchedLater { key, delay, step } => {
                self.work_ended(conn, key, &WorkEnd::Later { delay, step }, reply);
            }
            Command::CanDo(func) => self.can_do(conn, msgid, &func),
            Command::CantDo(func) => self.cant_do(conn, msgid, &func),
            Command::Ping => self.answer(conn, msgid, Command::Pong),
            Command::Sleep => self.answer(conn, msgid, Command::Noop),
            Command::Unknown => self.answer(conn, msgid, Command::Unknown),
            Command::Status => {
                let text = self.status_text();
                self.answer(conn, msgid, Command::Data(text));
            }
            Command::DropFunc(func) => self.drop_func(&func, reply),
            Command::ConfigGet(key) => {
                let value = self.settings.get(&key);
                self.answer(conn, msgid, Command::Config(value));
            }
            Command::ConfigSet { key, value } => {
                self.settings.set(&key, value);
                self.answer(conn, msgid, Command::Success);
            }
            // `verdict` has dealt with the others.
            _ => self.no_answer(conn),
        }
    }

    fn grab(&mut self, conn: ConnId, msgid: MsgId) {
        let max = self.options.max_grabs;
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        // A GRAB that crossed the assignment which used it up is the worker's repetition, not room for another job.
        if !peer.unacked.contains_key(&msgid) && peer.grabs.insert(msgid) {
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

    fn can_do(&mut self, conn: ConnId, msgid: MsgId, func: &Bytes) {
        let func = self.func(func);
        if let Some(peer) = self.peers.get_mut(&conn)
            && !peer.funcs.contains(&func)
        {
            peer.funcs.push(func);
            self.funcs[func].workers.push_back(conn);
            self.mark_ready(func);
        }
        self.answer(conn, msgid, Command::Success);
    }

    fn cant_do(&mut self, conn: ConnId, msgid: MsgId, func: &[u8]) {
        if let Some(func) = self.func_ids.get(func).copied()
            && let Some(peer) = self.peers.get_mut(&conn)
        {
            peer.funcs.retain(|other| *other != func);
            self.funcs[func].workers.retain(|worker| *worker != conn);
        }
        self.answer(conn, msgid, Command::Success);
    }

    /// A worker says how a job ended. Whose job it is decides what that means:
    ///
    /// * its own: the job ends;
    /// * one that waits again because its worker's connection broke: the worker has come back, the job ends;
    /// * another's, or nobody's: nothing, but the worker is told SUCCESS and so stops saying it.
    fn work_ended(&mut self, conn: ConnId, key: JobKey, end: &WorkEnd, reply: Reply) {
        match self.answerable(conn, &key) {
            Some(seq) => self.end(seq, key, end, reply),
            None => self.reply(reply, Ok(true)),
        }
    }
}
