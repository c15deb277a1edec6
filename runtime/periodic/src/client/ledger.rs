//! Every call that is not answered: its requests that are not sent, its answers so far, and when its time is over.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ClientError;
use super::chunks::Outlet;
use crate::wire::Command;

pub(super) type Answer = Result<Command, ClientError>;

/// What a caller wants asked.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) commands: Vec<Command>,
    /// How long the answers may take once the first of the commands has been sent; `None`: no longer than any request,
    /// connecting included.
    pub(super) within: Option<Duration>,
    /// Where a RECV_DATA's chunks go.
    pub(super) outlet: Option<Outlet>,
    pub(super) reply: oneshot::Sender<Vec<Answer>>,
}

/// What a client asks of its driver.
#[derive(Debug)]
pub(super) enum Call {
    /// Send these and collect their answers.
    Ask(Ask),
    /// Answer what was asked before, then end.
    Close(oneshot::Sender<()>),
}

/// A request's place: its group, and which of its answers.
pub(super) type Slot = (u64, usize);

/// A request that was sent on the present connection.
pub(super) struct Sent {
    /// A ping of our own has none.
    pub(super) slot: Option<Slot>,
    pub(super) size: usize,
    /// Its answer can be of any size.
    pub(super) unbounded: bool,
}

/// A call whose answers are being collected.
struct Group {
    answers: Vec<Option<Answer>>,
    left: usize,
    deadline: Instant,
    within: Option<Duration>,
    outlet: Option<Outlet>,
    reply: oneshot::Sender<Vec<Answer>>,
}

#[derive(Default)]
pub(super) struct Ledger {
    groups: HashMap<u64, Group>,
    last_group: u64,
    /// When each group's time is over.
    deadlines: BTreeSet<(Instant, u64)>,
    /// To be sent, in order.
    pending: VecDeque<(Slot, Command)>,
}

impl Ledger {
    /// Takes a call up. It has `timeout` to be sent, or to be answered.
    pub(super) fn add(&mut self, ask: Ask, timeout: Duration) {
        let Ask { commands, within, outlet, reply } = ask;
        self.last_group += 1;
        let id = self.last_group;
        let answers = vec![None; commands.len()];
        let deadline = Instant::now() + timeout;
        self.deadlines.insert((deadline, id));
        self.groups.insert(id, Group { left: answers.len(), answers, deadline, within, outlet, reply });
        self.pending.extend(commands.into_iter().enumerate().map(|(index, command)| ((id, index), command)));
    }

    /// How many requests are not sent.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The next request to send. Requests that nobody waits for any more are passed over: they are not sent.
    pub(super) fn next_pending(&mut self) -> Option<(Slot, Command)> {
        while let Some((slot, command)) = self.pending.pop_front() {
            if self.groups.get(&slot.0).is_some_and(|group| !group.reply.is_closed()) {
                return Some((slot, command));
            }
            self.answer(slot, Err(ClientError::Closed));
        }
        None
    }

    /// A request is on its way: from now on the time counts that its call has for being answered.
    pub(super) fn sent(&mut self, (id, _): Slot) {
        if let Some(group) = self.groups.get_mut(&id)
            && let Some(within) = group.within.take()
        {
            self.deadlines.remove(&(group.deadline, id));
            group.deadline = Instant::now() + within;
            self.deadlines.insert((group.deadline, id));
        }
    }

    /// Where this request's chunks go, told once.
    pub(super) fn outlet(&mut self, (id, _): Slot) -> Option<Outlet> {
        self.groups.get_mut(&id)?.outlet.take()
    }

    pub(super) fn answer(&mut self, (id, index): Slot, answer: Answer) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.answers[index].replace(answer).is_none() {
            group.left -= 1;
        }
        if group.left == 0
            && let Some(group) = self.groups.remove(&id)
        {
            self.deadlines.remove(&(group.deadline, id));
            // Whoever asked may have stopped waiting.
            let _asker_gone = group.reply.send(group.answers.into_iter().flatten().collect());
        }
    }

    /// When the next call's time is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Ends the time of the next call whose time is over: answers `unsent` for those of its requests that were not sent,
    /// and tells which it is.
    pub(super) fn expire(&mut self, now: Instant, unsent: &ClientError) -> Option<u64> {
        let expired = *self.deadlines.first().filter(|(deadline, _)| *deadline <= now)?;
        self.deadlines.remove(&expired);
        let (_, id) = expired;
        let withdrawn: Vec<Slot> = self.pending.iter().map(|(slot, _)| *slot).filter(|slot| slot.0 == id).collect();
        self.pending.retain(|(slot, _)| slot.0 != id);
        for slot in withdrawn {
            self.answer(slot, Err(unsent.clone()));
        }
        Some(id)
    }
}
