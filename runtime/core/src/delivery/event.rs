//! What happens to deliveries.

use serde::{Deserialize, Serialize};

use super::DeliveryState;
use super::attempt::{Attempt, cut_text};
use crate::job_name::JobName;
use crate::words::SenderName;

/// An attempt, as the worker that made it reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The channel.
    pub sender: SenderName,
    /// The job's name.
    pub name: JobName,
    /// The attempt.
    pub attempt: Attempt,
    /// What was made of it.
    #[serde(flatten)]
    pub reported: Reported,
}

/// What a worker says with WORK_DONE of a message that it has delivered or given up, so that a server which keeps jobs and
/// deliveries together can do both in one commit: JSON. Other servers throw it away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// The channel.
    pub sender: SenderName,
    /// The attempt.
    pub attempt: Attempt,
    /// It was given up, and why; `None`: it is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<String>,
}

impl Attempted {
    /// As it is said.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Every value of these types has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what was said. `None`: it is something else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        // Most jobs of other programs have no result, or one that is no object.
        if bytes.first() != Some(&b'{') || bytes.len() > MAX_SAID {
            return None;
        }
        let mut said: Self = serde_json::from_slice(bytes).ok()?;
        said.attempt.message = said.attempt.message.map(cut_text);
        said.dead = said.dead.map(cut_text);
        Some(said)
    }
}

/// Nothing longer is read.
const MAX_SAID: usize = 16 << 10;

/// What an attempt made of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Reported {
    /// It is delivered.
    Delivered,
    /// It is to be tried again.
    Waiting {
        /// When, in Unix seconds.
        due_at: i64,
    },
    /// It was given up.
    Dead {
        /// Why.
        reason: String,
        /// What was to be delivered.
        data: String,
    },
}

impl Reported {
    /// The state that it is in now.
    #[must_use]
    pub fn state(&self) -> DeliveryState {
        match self {
            Self::Delivered => DeliveryState::Delivered,
            Self::Waiting { .. } => DeliveryState::Waiting,
            Self::Dead { .. } => DeliveryState::Dead,
        }
    }
}

/// Something that happened to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryEvent {
    /// It was accepted. A message that waits already is the same message.
    Accepted {
        /// The channel.
        sender: SenderName,
        /// The job's name.
        name: JobName,
        /// When it is to be tried, in Unix seconds.
        due_at: i64,
        /// The pushall that it is of.
        pushall: Option<JobName>,
        /// Whom the pushall was for.
        tag: Option<String>,
        /// What is to be delivered, if nobody else keeps that.
        data: Option<String>,
    },
    /// It was tried.
    Attempted(Report),
    /// It was tried, and its job has ended with that: nothing comes after it, whatever any clock says.
    Concluded(Report),
    /// Its job was done by a worker that did not say more.
    Ended {
        /// The channel.
        sender: SenderName,
        /// The job's name.
        name: JobName,
    },
    /// It was cancelled before it went out.
    Cancelled {
        /// The channel.
        sender: SenderName,
        /// The job's name.
        name: JobName,
    },
    /// It was dead and is accepted once more. Its attempts are kept.
    Redriven {
        /// The channel.
        sender: SenderName,
        /// The job's name.
        name: JobName,
    },
    /// It is to be forgotten. Only what has ended can be.
    Deleted {
        /// The channel.
        sender: SenderName,
        /// The job's name.
        name: JobName,
    },
}

impl DeliveryEvent {
    /// Which delivery it is about.
    #[must_use]
    pub fn of(&self) -> (&SenderName, &JobName) {
        match self {
            Self::Accepted { sender, name, .. }
            | Self::Attempted(Report { sender, name, .. })
            | Self::Concluded(Report { sender, name, .. })
            | Self::Ended { sender, name }
            | Self::Cancelled { sender, name }
            | Self::Redriven { sender, name }
            | Self::Deleted { sender, name } => (sender, name),
        }
    }
}
