//! A func: its queue of jobs that are due soonest, and the connections that can do it.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use tokio::time::Instant;

use super::ConnId;
use super::life::Reply;
use crate::store::Seq;

/// A func's place in the table; never given again.
pub(super) type FuncId = usize;

/// A job's place in its func's order.
pub(super) type Position = (i64, Seq);

/// What a job is taken to weigh before one has been seen.
const GUESSED_WEIGHT: usize = 16 << 10;

/// How far the queue in memory is complete. In ascending order: a `min` is the more careful of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Horizon {
    /// Nothing has been read from the store yet.
    Unread,
    /// Every stored job up to this position is in memory.
    Through(Position),
    /// Every stored job is.
    All,
}

impl Horizon {
    pub(super) fn covers(self, position: Position) -> bool {
        Self::Through(position) <= self
    }

    /// Where to read on.
    pub(super) fn position(self) -> Option<Position> {
        if let Self::Through(position) = self { Some(position) } else { None }
    }
}

#[derive(Debug)]
pub(super) struct Func {
    pub(super) name: Bytes,
    /// Jobs in the store, leased ones included.
    pub(super) stored: u64,
    /// Leased jobs that are in memory only.
    pub(super) unstored: u64,
    /// Leased jobs.
    pub(super) running: u64,
    /// Jobs that wait for a lock.
    pub(super) locked: u64,
    /// Jobs in memory that wait, in order.
    pub(super) waiting: BTreeSet<Position>,
    pub(super) horizon: Horizon,
    /// The store is being asked what comes after the horizon.
    pub(super) refilling: bool,
    /// Jobs from the head of the queue are being read.
    pub(super) loading: bool,
    /// Nothing is assigned before this moment, because the store failed.
    pub(super) rests_until: Option<Instant>,
    /// Connections that can do it, next one first.
    pub(super) workers: VecDeque<ConnId>,
    /// Every one of them that is free gets each job, because the last to register said so.
    pub(super) broadcast: bool,
    /// When it was served last; see [`super::Scheduler::ready`].
    pub(super) stamp: u64,
    /// It is among the ready.
    pub(super) ready: bool,
    /// It has been dropped, or is being.
    pub(super) dropping: bool,
    /// Who has asked meanwhile for it to be dropped, and may have submitted more before that.
    pub(super) drops: Vec<Reply>,
    /// A job's usual weight, to know how many to read at once.
    pub(super) usual_weight: usize,
}

impl Func {
    pub(super) fn new(name: Bytes) -> Self {
        Self {
            name,
            stored: 0,
            unstored: 0,
            running: 0,
            locked: 0,
            waiting: BTreeSet::new(),
            horizon: Horizon::All,
            refilling: false,
            loading: false,
            rests_until: None,
            workers: VecDeque::new(),
            broadcast: false,
            stamp: 0,
            ready: false,
            dropping: false,
            drops: Vec::new(),
            usual_weight: GUESSED_WEIGHT,
        }
    }

    /// Takes one more job's weight into account.
    pub(super) fn weigh(&mut self, weight: usize) {
        self.usual_weight = (self.usual_weight * 7 + weight) / 8;
    }

    /// Has the store failed on it a moment ago?
    pub(super) fn rests(&self, instant: Instant) -> bool {
        self.rests_until.is_some_and(|until| until > instant)
    }

    /// Is a job due?
    pub(super) fn due(&self, now: i64) -> bool {
        self.waiting.first().is_some_and(|(sched_at, _)| *sched_at <= now)
    }
}
