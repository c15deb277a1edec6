//! What belongs to one connection of a worker.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;
use tokio::task::Id;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use super::work::WorkError;
use crate::job::JobKey;
use crate::link::Link;
use crate::wire::{Command, MsgId};

/// Something that a handler waits for.
pub(super) struct Asked {
    pub(super) task: Id,
    /// It is about a lock: the job may not be ours any more.
    pub(super) acquire: bool,
    pub(super) reply: oneshot::Sender<Result<bool, WorkError>>,
}

pub(super) struct Session {
    pub(super) link: Link,
    /// Which connection this is, counted from 1.
    pub(super) number: u64,
    /// GRABs open.
    pub(super) grabs: HashSet<MsgId>,
    /// Answers said and not confirmed.
    pub(super) said: HashMap<MsgId, (JobKey, u64)>,
    /// What handlers asked.
    pub(super) asked: HashMap<MsgId, Asked>,
    /// Funcs said and not confirmed.
    registering: HashMap<MsgId, Command>,
    /// Funcs that were refused.
    refused: Vec<Command>,
    /// A refusal has been logged.
    complained: bool,
    /// Cancelled when the connection is no more.
    lost: CancellationToken,
    _lose: DropGuard,
}

impl Session {
    pub(super) fn new(link: Link, number: u64) -> Self {
        let lost = CancellationToken::new();
        Self {
            link,
            number,
            grabs: HashSet::new(),
            said: HashMap::new(),
            asked: HashMap::new(),
            registering: HashMap::new(),
            refused: Vec::new(),
            complained: false,
            _lose: lost.clone().drop_guard(),
            lost,
        }
    }

    /// Cancelled when the connection is no more.
    pub(super) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Queues a frame that is known to fit.
    pub(super) fn send(&mut self, msgid: MsgId, command: Command) {
        if let Err(error) = self.link.queue(msgid, command) {
            warn!(%error, "a frame cannot be sent");
        }
    }

    pub(super) fn request(&mut self, command: Command) -> MsgId {
        let msgid = self.link.new_msgid();
        self.send(msgid, command);
        msgid
    }

    /// Says that a func can be done.
    pub(super) fn register(&mut self, command: Command) {
        let msgid = self.request(command.clone());
        self.registering.insert(msgid, command);
    }

    /// Says again what was refused: the server's mind can be changed.
    pub(super) fn register_refused(&mut self) {
        for command in std::mem::take(&mut self.refused) {
            self.register(command);
        }
    }

    /// A request was answered.
    pub(super) fn confirmed(&mut self, msgid: MsgId) {
        self.registering.remove(&msgid);
    }

    /// A request was refused.
    pub(super) fn was_refused(&mut self, msgid: MsgId, peer: &str) {
        let func = self.registering.remove(&msgid);
        if !std::mem::replace(&mut self.complained, true) {
            warn!(
                peer,
                "refused: role or identity may not do what this worker asks; it is asked again from time to time"
            );
        }
        self.refused.extend(func);
    }
}
