//! The one place that says who may ask what (PROTOCOL §2 and §11).

use std::sync::Arc;

use super::func::FuncId;
use super::{ConnId, Scheduler};
use crate::server::Origin;
use crate::server::auth::{Grade, Identities, Identity};
use crate::wire::{Command, Registration, Role};

/// What a connection is, as far as its rights go.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// There is no file of identities, or the connection is from this process: a client or a worker, as it says itself.
    Open(Role),
    /// Somebody in the file.
    Known(Arc<Identity>),
    /// Nobody in the file, or one who does not register as what that is.
    Nobody,
}

/// What is done with a command before its arguments matter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Serve,
    /// A server's own command; nothing is answered.
    Ignore,
    /// Answered NO_WORKER, the protocol's word for every refusal.
    Refuse,
}

/// Whose command it is.
enum Kind {
    Server,
    Worker,
    Client,
    /// A client's that is about everybody's jobs.
    Admin,
}

fn kind(command: &Command) -> Kind {
    match command {
        Command::Noop
        | Command::JobAssign(_)
        | Command::NoJob
        | Command::Pong
        | Command::Success
        | Command::Config(_)
        | Command::Acquired(_)
        | Command::NoWorker
        | Command::Data(_) => Kind::Server,

        Command::GrabJob
        | Command::SchedLater { .. }
        | Command::WorkDone { .. }
        | Command::WorkFail(_)
        | Command::WorkData { .. }
        | Command::CanDo(_)
        | Command::CantDo(_)
        | Command::Broadcast(_)
        | Command::Acquire { .. }
        | Command::Release { .. }
        | Command::Sleep
        | Command::JobAssigned
        | Command::JobUnassigned => Kind::Worker,

        Command::Ping
        | Command::Unknown
        | Command::SubmitJob(_)
        | Command::RunJob(_)
        | Command::RecvData(_)
        | Command::Status
        | Command::DropFunc(_)
        | Command::RemoveJob(_)
        | Command::Dump
        | Command::Load(_)
        | Command::ConfigGet(_) => Kind::Client,

        Command::ConfigSet { .. } | Command::Shutdown => Kind::Admin,
    }
}

impl Access {
    pub(super) fn of(from: Origin, registration: &Registration, identities: Option<&Identities>) -> Self {
        let Some(identities) = identities.filter(|_| from == Origin::Outside) else {
            return Self::Open(registration.role());
        };
        let (Registration::AuthClient { name, token } | Registration::AuthWorker { name, token }) = registration else {
            return Self::Nobody;
        };
        match identities.find(name, token) {
            Some(identity) => match (identity.grade, registration.role()) {
                (Grade::Admin, _) | (Grade::Client, Role::Client) | (Grade::Worker, Role::Worker) => {
                    Self::Known(Arc::clone(identity))
                }
                _ => Self::Nobody,
            },
            None => Self::Nobody,
        }
    }

    /// May it do something with this func?
    pub(super) fn may_use(&self, func: &[u8]) -> bool {
        match self {
            Self::Open(_) => true,
            Self::Known(identity) => identity.may_use(func),
            Self::Nobody => false,
        }
    }

    pub(super) fn verdict(&self, command: &Command) -> Verdict {
        let may = match (kind(command), self) {
            (Kind::Server, _) => return Verdict::Ignore,
            (_, Self::Nobody) => false,
            (Kind::Client | Kind::Admin, Self::Open(_)) => true,
            (Kind::Worker, Self::Open(role)) => *role == Role::Worker,
            (Kind::Client, Self::Known(_)) => true,
            (Kind::Worker, Self::Known(identity)) => identity.grade != Grade::Client,
            (Kind::Admin, Self::Known(identity)) => identity.grade == Grade::Admin,
        };
        let may_use = match command {
            Command::SubmitJob(job) | Command::RunJob(job) | Command::RecvData(job) => self.may_use(&job.key.func),
            Command::DropFunc(func) | Command::CanDo(func) | Command::Broadcast(func) => self.may_use(func),
            Command::RemoveJob(key) => self.may_use(&key.func),
            Command::Load(jobs) => jobs.iter().all(|job| self.may_use(&job.key.func)),
            _ => true,
        };
        if may && may_use { Verdict::Serve } else { Verdict::Refuse }
    }
}

impl Scheduler {
    pub(super) fn may_use(&self, conn: ConnId, func: &[u8]) -> bool {
        self.peers.get(&conn).is_some_and(|peer| peer.access.may_use(func))
    }

    /// The file of identities has changed: that counts for connections that are open, too. A worker is given jobs of
    /// those funcs only that are its own now, of the ones it has registered for; and nobody is told of a job any more that
    /// is not theirs.
    pub(super) fn identities(&mut self, identities: Identities) {
        let mut conns: Vec<_> = self.peers.keys().copied().collect();
        // In the order in which they came, so that what one turn may do does not depend on a table's.
        conns.sort_unstable();
        for conn in conns {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            peer.access = Access::of(peer.from, &peer.registration, Some(&identities));
            let access = peer.access.clone();
            let not_theirs: Vec<_> = peer.waits.iter().filter(|key| !access.may_use(&key.func)).cloned().collect();
            let registered: Vec<_> = peer.funcs.drain(..).chain(peer.withheld.drain(..)).collect();
            for func in registered {
                self.withhold(conn, func, !access.may_use(&self.funcs[func].name));
            }
            for key in not_theirs {
                self.refuse_wait(conn, &key);
            }
        }
        self.identities = Some(identities);
    }

    /// A worker that has registered for a func may not do it, or may again.
    fn withhold(&mut self, conn: ConnId, func: FuncId, withhold: bool) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let workers = &mut self.funcs[func].workers;
        if withhold {
            peer.withheld.push(func);
            workers.retain(|worker| *worker != conn);
        } else {
            peer.funcs.push(func);
            if !workers.contains(&conn) {
                workers.push_front(conn);
            }
            self.mark_ready(func);
        }
    }
}
