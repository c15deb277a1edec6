//! Every call that is not answered: its requests that are not sent, its answers so far, and when its time is over.
//!
//! A call's time is one of progress: each answer of the server renews it, so that a call of a million requests ends
//! only when the server has stopped answering it. Calls take turns, a request each, so that it holds up no other.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::iter::Enumerate;
use std::time::Duration;
use std::vec::IntoIter;

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
    /// How long each of the answers may take once the first of the commands has been sent; `None`: as long as any
    /// request, connecting included.
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

/// How soon a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As soon as the server comes to it.
    Short,
    /// When a job has ended, or when all of a func or of the store has been gone through.
    Long,
}

impl Pace {
    fn of(command: &Command) -> Self {
        match command {
            Command::RunJob(_) | Command::Dump | Command::DropFunc(_) => Self::Long,
            _ => Self::Short,
        }
    }
}

/// A call whose answers are being collected.
struct Group {
    /// Of all its requests.
    pace: Pace,
    /// Not sent.
    pending: Enumerate<IntoIter<Command>>,
    answers: Vec<Option<Answer>>,
    left: usize,
    /// When its time is over.
    until: Instant,
    /// When that is looked at: `until`, or earlier.
    noted: Instant,
    within: Option<Duration>,
    /// The first of what is to be sent on the present connection has been.
    begun: bool,
    outlet: Option<Outlet>,
    reply: oneshot::Sender<Vec<Answer>>,
}

pub(super) struct Ledger {
    /// How long a request may take.
    timeout: Duration,
    groups: HashMap<u64, Group>,
    last_group: u64,
    /// When each group's time is to be looked at.
    deadlines: BTreeSet<(Instant, u64)>,
    /// The groups with requests that are not sent, in the order of their turns: short ones, and long ones.
    short_turns: VecDeque<u64>,
    long_turns: VecDeque<u64>,
}

impl Ledger {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            groups: HashMap::new(),
            last_group: 0,
            deadlines: BTreeSet::new(),
            short_turns: VecDeque::new(),
            long_turns: VecDeque::new(),
        }
    }

    /// Takes a call up. It has the time of any request to be sent, or to be answered.
    pub(super) fn add(&mut self, ask: Ask) {
        let Ask { commands, within, outlet, reply } = ask;
        self.last_group += 1;
        let id = self.last_group;
        let until = Instant::now() + self.timeout;
        let (left, answers) = (commands.len(), vec![None; commands.len()]);
        let pace = commands.first().map_or(Pace::Short, Pace::of);
        let pending = commands.into_iter().enumerate();
        let group = Group { pace, pending, answers, left, until, noted: until, within, begun: false, outlet, reply };
        self.groups.insert(id, group);
        self.deadlines.insert((until, id));
        self.turns(pace).push_back(id);
    }

    fn turns(&mut self, pace: Pace) -> &mut VecDeque<u64> {
        match pace {
            Pace::Short => &mut self.short_turns,
            Pace::Long => &mut self.long_turns,
        }
    }

    /// Is there a request that is not sent?
    pub(super) fn is_pending(&self) -> bool {
        !self.short_turns.is_empty() || !self.long_turns.is_empty()
    }

    /// How many calls have short requests that are not sent.
    pub(super) fn short_pending(&self) -> usize {
        self.short_turns.len()
    }

    /// Does somebody wait for a long request to be sent?
    pub(super) fn long_is_awaited(&self) -> bool {
        self.long_turns.iter().any(|id| self.groups.get(id).is_some_and(|group| !group.reply.is_closed()))
    }

    /// Does somebody wait for this request's answer?
    pub(super) fn is_awaited(&self, (id, _): Slot) -> bool {
        self.groups.get(&id).is_some_and(|group| !group.reply.is_closed())
    }

    /// The next request to send. Requests that nobody waits for any more are passed over: they are not sent.
    pub(super) fn next_pending(&mut self, pace: Pace) -> Option<(Slot, Command)> {
        while let Some(id) = self.turns(pace).pop_front() {
            let Some(group) = self.groups.get_mut(&id) else { continue };
            if group.reply.is_closed() {
                self.withdraw(id, &ClientError::Closed);
            } else if let Some((index, command)) = group.pending.next() {
                if group.pending.len() > 0 {
                    self.turns(pace).push_back(id);
                }
                return Some(((id, index), command));
            }
        }
        None
    }

    /// A request is on its way: from now on the time counts that its call has for being answered.
    pub(super) fn sent(&mut self, (id, _): Slot) {
        if let Some(group) = self.groups.get_mut(&id)
            && !std::mem::replace(&mut group.begun, true)
            && let Some(within) = group.within
        {
            self.set_time(id, Instant::now() + within);
        }
    }

    /// The server has answered a request: what is left of its call has its time anew.
    pub(super) fn renew(&mut self, (id, _): Slot, now: Instant) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.until = now + group.within.unwrap_or(self.timeout);
        }
    }

    /// The connection is no more: what is not sent of the calls that had begun has the time of any request to be sent
    /// on the next one.
    pub(super) fn interrupted(&mut self) {
        let until = Instant::now() + self.timeout;
        let begun = |id: &u64| self.groups.get(id).is_some_and(|group| group.begun);
        for id in self.short_turns.iter().chain(&self.long_turns).copied().filter(begun).collect::<Vec<_>>() {
            self.set_time(id, until);
            if let Some(group) = self.groups.get_mut(&id) {
                group.begun = false;
            }
        }
    }

    /// Takes out the calls of which something has been sent on the present connection.
    pub(super) fn split_begun(&mut self) -> Self {
        let mut begun = Self::new(self.timeout);
        for (id, group) in self.groups.extract_if(|_, group| group.begun) {
            self.deadlines.remove(&(group.noted, id));
            begun.deadlines.insert((group.noted, id));
            begun.groups.insert(id, group);
        }
        for pace in [Pace::Short, Pace::Long] {
            let turns = std::mem::take(self.turns(pace)).into_iter();
            let (theirs, ours) = turns.partition(|id| begun.groups.contains_key(id));
            (*begun.turns(pace), *self.turns(pace)) = (theirs, ours);
        }
        begun
    }

    fn set_time(&mut self, id: u64, until: Instant) {
        if let Some(group) = self.groups.get_mut(&id) {
            self.deadlines.remove(&(group.noted, id));
            (group.until, group.noted) = (until, until);
            self.deadlines.insert((until, id));
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
            self.deadlines.remove(&(group.noted, id));
            // Whoever asked may have stopped waiting.
            let _asker_gone = group.reply.send(group.answers.into_iter().flatten().collect());
        }
    }

    /// When to look for calls whose time is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Ends the time of the next call whose time is over: answers `unsent` for those of its requests that were not sent,
    /// and tells which it is.
    pub(super) fn expire(&mut self, now: Instant, unsent: &ClientError) -> Option<u64> {
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now) {
            let until = self.groups.get(&id).map_or(now, |group| group.until);
            if until > now {
                self.set_time(id, until);
                continue;
            }
            self.deadlines.pop_first();
            self.withdraw(id, unsent);
            return Some(id);
        }
        None
    }

    /// Answers what was not sent of a call.
    fn withdraw(&mut self, id: u64, error: &ClientError) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let (pace, pending) = (group.pace, std::mem::take(&mut group.pending));
        self.turns(pace).retain(|turn| *turn != id);
        for (index, _) in pending {
            self.answer((id, index), Err(error.clone()));
        }
    }
}
