//! What is kept of a pushall: whom it is for, how far its fan-out has come, and what became of its messages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job_name::JobName;
use crate::words::{PusherId, SenderName};

/// Where a pushall stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushAllState {
    /// Nobody has been looked at yet.
    Accepted,
    /// Some have been pushed to.
    Running,
    /// Everybody has been pushed to.
    Done,
    /// It was cancelled: nobody else is pushed to.
    Cancelled,
}

impl PushAllState {
    /// Its name, as one word in small letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nobody else will be pushed to.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// What became of the messages of a pushall. A message is in one of them, or it waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushAllCounts {
    /// How many recipients were pushed to.
    pub submitted: u64,
    /// Of them, the same message was waiting for or being sent already, or was pushed again since: it is one message, and
    /// counts where it was pushed last.
    pub merged: u64,
    /// How many were delivered.
    pub delivered: u64,
    /// How many were given up.
    pub dead: u64,
    /// How many were cancelled.
    pub cancelled: u64,
}

impl PushAllCounts {
    /// How many wait, or are being sent.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.submitted.saturating_sub(self.merged + self.delivered + self.dead + self.cancelled)
    }
}

/// One pushall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushAll {
    /// Its job's name. The same pushall, accepted again after its end, is another one of the same name.
    pub name: JobName,
    /// The channel that is pushed over.
    pub sender: SenderName,
    /// The tag, or the expression of tags, of those whom it is for; empty: everybody who has the channel.
    pub tag: String,
    /// When it was accepted; Unix milliseconds.
    pub accepted_at: i64,
    /// When it is to begin, in Unix seconds; 0: at once.
    pub due_at: i64,
    /// Where it stands.
    pub state: PushAllState,
    /// When that or the counts of its fan-out changed last; Unix milliseconds.
    pub changed_at: i64,
    /// How many recipients there were when it began.
    pub recipients: Option<u64>,
    /// The last recipient that was looked at.
    pub after: Option<PusherId>,
    /// What became of its messages.
    pub counts: PushAllCounts,
}

/// A place in the list of pushalls: what comes after it was accepted earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PushAllCursor(pub u64);

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of pushalls; leave it out to begin at the newest, or give the \"next\" of a page")]
pub struct PushAllCursorError;

impl fmt::Display for PushAllCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for PushAllCursor {
    type Err = PushAllCursorError;

    fn from_str(text: &str) -> Result<Self, PushAllCursorError> {
        let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_one.then(|| text.parse().ok().map(Self)).flatten().ok_or(PushAllCursorError)
    }
}

/// A part of the list of pushalls, the one that was accepted last first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushAllPage {
    /// The pushalls.
    pub pushalls: Vec<PushAll>,
    /// Where the list goes on. `None`: this was the end.
    pub next: Option<PushAllCursor>,
}
