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
    /// Answers that were refused: the server's mind can be changed.
    pub(super) refused: Vec<(JobKey, u64)>,
    /// Something was refused since the GRABs were last said again; a job has come.
    refused_lately: bool,
    assigned_lately: bool,
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
            refused: Vec::new(),
            refused_lately: false,
            assigned_lately: false,
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

    /// A job has come.
    pub(super) fn was_assigned(&mut self) {
        self.assigned_lately = true;
    }

    /// A request was refused.
    pub(super) fn was_refused(&mut self, peer: &str) {
        self.refused_lately = true;
        if !std::mem::replace(&mut self.complained, true) {
            warn!(
                peer,
                "refused: role or identity may not do what this worker asks; it is asked again from time to time"
            );
        }
    }

    /// May there be GRABs, of those that were open when this was asked last, that the server does not have?
    pub(super) fn may_miss_grabs(&mut self) -> bool {
        let refused = std::mem::take(&mut self.refused_lately);
        let assigned = std::mem::take(&mut self.assigned_lately);
        refused || !assigned
    }
}
