//! The one place that says who may ask what (PROTOCOL §2 and §11).

use std::sync::Arc;

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

    /// The file of identities has changed: that counts for connections that are open, too. A worker is no longer given
    /// jobs of funcs that are not its own any more.
    pub(super) fn identities(&mut self, identities: Identities) {
        for (conn, peer) in &mut self.peers {
            peer.access = Access::of(peer.from, &peer.registration, Some(&identities));
            let (funcs, access) = (&mut self.funcs, &peer.access);
            peer.funcs.retain(|func| {
                let may = access.may_use(&funcs[*func].name);
                if !may {
                    funcs[*func].workers.retain(|worker| worker != conn);
                }
                may
            });
        }
        self.identities = Some(identities);
    }
}
