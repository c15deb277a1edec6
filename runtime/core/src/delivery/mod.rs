//! The life of one message: its state, its attempts, and what changes them.
//!
//! ```text
//! accepted ─▶ sending ─▶ (waiting ─▶ sending)* ─▶ delivered | dead
//!     └───────────┴──────────┴─▶ cancelled
//! ```
//!
//! States only move forward ([`DeliveryState::may_become`]). What is pushed again after its end, or redriven, begins a
//! new life under the same name. Whoever keeps deliveries ([`DeliveryLog`]) asks [`Delivery::after`] what an event makes
//! of one, so every backend follows the same rules, and an event that comes twice or late does no harm.

mod attempt;
mod event;
mod log;
mod note;
mod pushall;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use attempt::{Attempt, MAX_ATTEMPT_TEXT, SendEnd, cut_text};
pub use event::{Attempted, DeliveryEvent, Report, Reported};
pub use log::{DeliveryCursor, DeliveryCursorError, DeliveryFilter, DeliveryLog, DeliveryPage, Retention};
pub use note::{Note, Once, Page};
pub use pushall::{PushAll, PushAllCounts, PushAllCursor, PushAllCursorError, PushAllPage, PushAllState};

use crate::job_name::JobName;
use crate::words::{PusherId, SenderName};

/// How many attempts of a delivery are kept: the first, and the last of the others.
pub const MAX_KEPT_ATTEMPTS: usize = 16;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It was taken and has not been tried.
    Accepted,
    /// A worker has it. Only said by who looks at that moment; it is not kept.
    Sending,
    /// It was tried and is to be tried again.
    Waiting,
    /// The sender said done.
    Delivered,
    /// It was given up: a dead letter, which can be redriven.
    Dead,
    /// It was cancelled before it went out.
    Cancelled,
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no state of a delivery; those are accepted, sending, waiting, delivered, dead and cancelled")]
pub struct StateError(String);

impl DeliveryState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 6] =
        [Self::Accepted, Self::Sending, Self::Waiting, Self::Delivered, Self::Dead, Self::Cancelled];

    /// Its name, as one word in small letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sending => "sending",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing more comes of it by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Dead | Self::Cancelled)
    }

    /// Is `next` ahead of it, in one life? What was being sent when it was cancelled goes out all the same, and then that
    /// is what became of it.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Accepted => next != Self::Accepted,
            Self::Sending => next.is_final() || next == Self::Waiting,
            Self::Waiting => next != Self::Accepted,
            Self::Cancelled => matches!(next, Self::Delivered | Self::Dead),
            Self::Delivered | Self::Dead => false,
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for DeliveryState {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| StateError(text.to_owned()))
    }
}

/// One message and what became of it so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The channel.
    pub sender: SenderName,
    /// Its job's name. Together with the sender it says which delivery it is.
    pub name: JobName,
    /// The recipient.
    pub pusher: PusherId,
    /// Where it stands.
    pub state: DeliveryState,
    /// When it came to stand there, by the clock of who keeps it; Unix milliseconds.
    pub changed_at: i64,
    /// When it was accepted, if that is known; Unix milliseconds.
    pub accepted_at: Option<i64>,
    /// Accepted or waiting: when it is to be tried, in Unix seconds, if that is known.
    pub due_at: Option<i64>,
    /// The pushall that it is of, if that is known.
    pub pushall: Option<JobName>,
    /// The tag, or the expression of tags, that the pushall was for.
    pub tag: Option<String>,
    /// How many attempts there were.
    pub tries: u32,
    /// The attempts, oldest first; of many, [`MAX_KEPT_ATTEMPTS`].
    pub attempts: Vec<Attempt>,
    /// Dead: why it was given up.
    pub reason: Option<String>,
    /// What is to be delivered, if it is kept here: of what is dead, so that it can be redriven, and of what waits in a
    /// Periodic server elsewhere. Lists leave it out.
    pub data: Option<String>,
}

impl Delivery {
    /// What an event makes of a delivery, or of none, at a time in Unix milliseconds. `None`: nothing changes.
    #[must_use]
    pub fn after(before: Option<&Self>, event: &DeliveryEvent, at: i64) -> Option<Self> {
        let now = Self::made_of(before, event, at)?;
        Some(Self { changed_at: at, ..now })
    }

    fn made_of(before: Option<&Self>, event: &DeliveryEvent, at: i64) -> Option<Self> {
        let (sender, name) = event.of();
        match event {
            DeliveryEvent::Accepted { due_at, pushall, tag, data, .. } => {
                let mut now = match before {
                    Some(before) if !before.state.is_final() => before.clone(),
                    _ => Self::accepted(sender, name, at, *due_at)?,
                };
                now.due_at = Some(*due_at);
                now.data.clone_from(data);
                if pushall.is_some() {
                    (now.pushall, now.tag) = (pushall.clone(), tag.clone());
                }
                Some(now)
            }
            DeliveryEvent::Attempted(report) | DeliveryEvent::Concluded(report) => {
                let concluded = matches!(event, DeliveryEvent::Concluded(_));
                match before {
                    Some(before) if before.begins_anew_with(&report.attempt) => {
                        Self::new(sender, name)?.tried(report, concluded)
                    }
                    Some(before) => before.clone().tried(report, concluded),
                    None => Self::new(sender, name)?.tried(report, concluded),
                }
            }
            DeliveryEvent::Ended { .. } => match before {
                Some(before) if before.state == DeliveryState::Delivered || before.state == DeliveryState::Dead => None,
                before => {
                    let now = before.cloned().or_else(|| Self::new(sender, name))?;
                    Some(Self { state: DeliveryState::Delivered, due_at: None, data: None, ..now })
                }
            },
            DeliveryEvent::Cancelled { .. } => {
                let waits = before.filter(|before| before.state.may_become(DeliveryState::Cancelled))?.clone();
                Some(Self { state: DeliveryState::Cancelled, due_at: None, data: None, ..waits })
            }
            DeliveryEvent::Redriven { .. } => {
                let dead = before.filter(|before| before.state == DeliveryState::Dead)?.clone();
                Some(Self { state: DeliveryState::Accepted, reason: None, due_at: None, ..dead })
            }
            DeliveryEvent::Deleted { .. } => None,
        }
    }

    /// One that was accepted at this time, in Unix milliseconds, and is to be tried at another, in Unix seconds. `None`: the
    /// name is not one that a push has.
    #[must_use]
    pub fn accepted(sender: &SenderName, name: &JobName, at: i64, due_at: i64) -> Option<Self> {
        Some(Self { accepted_at: Some(at), changed_at: at, due_at: Some(due_at), ..Self::new(sender, name)? })
    }

    /// One of which nothing is known but its name.
    fn new(sender: &SenderName, name: &JobName) -> Option<Self> {
        Some(Self {
            sender: sender.clone(),
            name: name.clone(),
            pusher: name.pusher()?,
            state: DeliveryState::Accepted,
            changed_at: 0,
            accepted_at: None,
            due_at: None,
            pushall: None,
            tag: None,
            tries: 0,
            attempts: Vec::new(),
            reason: None,
            data: None,
        })
    }

    /// When it was tried first in the life that it has now, in Unix milliseconds: one that was redriven has the attempts of
    /// the lives before, and is as old as one that was just pushed.
    #[must_use]
    pub fn tried_since(&self) -> Option<i64> {
        if self.state == DeliveryState::Accepted {
            // All of them are of lives before.
            return None;
        }
        let attempts = &self.attempts;
        let begins =
            |at: &usize| *at == 0 || attempts[*at].number == 1 || attempts[*at].number < attempts[*at - 1].number;
        let first = (0..attempts.len()).rev().find(begins)?;
        // Of many attempts the very first is kept and the last ones. With more of them than the last one's number says,
        // that first one is of another life.
        if let [kept, next, .., last] = &attempts[first..]
            && next.number > kept.number + 1
            && self.tries > last.number
        {
            return Some(next.at);
        }
        Some(attempts[first].at)
    }

    /// Is the attempt known already?
    fn has(&self, attempt: &Attempt) -> bool {
        self.attempts.iter().any(|known| (known.number, known.at) == (attempt.number, attempt.at))
    }

    /// It has ended, and this is the first attempt of the same message pushed again.
    fn begins_anew_with(&self, attempt: &Attempt) -> bool {
        let is_later = self.attempts.last().is_some_and(|last| last.at < attempt.at);
        self.state.is_final() && attempt.number == 1 && is_later && self.state != DeliveryState::Cancelled
    }

    /// Was this attempt made before the last one that is known? Its number says, and where numbers begin again the time
    /// does: the workers' clocks may differ. The first one of a life is told late by nobody.
    fn is_late(&self, attempt: &Attempt) -> bool {
        let is_before = |last: &Attempt| attempt.number <= last.number && attempt.at < last.at;
        self.state != DeliveryState::Accepted && self.attempts.last().is_some_and(is_before)
    }

    /// With one attempt more. One that is told late, after a later one, is entered before that and decides nothing.
    /// `None`: that is known.
    fn tried(mut self, report: &Report, concluded: bool) -> Option<Self> {
        let Report { attempt, reported, .. } = report;
        let next = reported.state();
        let decides = concluded || !self.is_late(attempt);
        if self.has(attempt) {
            if !concluded || !self.state.may_become(next) {
                return None;
            }
        } else {
            let earlier = self.attempts.iter().rposition(|known| known.at <= attempt.at).map_or(0, |at| at + 1);
            let place = if decides { self.attempts.len() } else { earlier };
            self.attempts.insert(place, attempt.clone());
            if self.attempts.len() > MAX_KEPT_ATTEMPTS {
                self.attempts.remove(1);
            }
            self.tries = self.tries.saturating_add(1);
        }
        if decides && (self.state.may_become(next) || self.state == next) {
            self.state = next;
            (self.due_at, self.reason) = (None, None);
            match reported {
                Reported::Delivered => self.data = None,
                Reported::Waiting { due_at } => self.due_at = Some(*due_at),
                Reported::Dead { reason, data } => {
                    (self.reason, self.data) = (Some(reason.clone()), Some(data.clone()));
                }
            }
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests;
