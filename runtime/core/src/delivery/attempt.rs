//! One attempt to deliver, as it is kept.

use serde::{Deserialize, Serialize};

use crate::message::{Failure, Fault, Outcome, SendError};

/// How much of a text that a sender or its provider wrote is kept, in bytes.
pub const MAX_ATTEMPT_TEXT: usize = 1024;

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// 1 for the first of a life.
    pub number: u32,
    /// When it began, by the worker's clock; Unix milliseconds.
    pub at: i64,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// Which version of the sender it was, as far as that is known.
    pub version: Option<String>,
    /// How it ended.
    pub end: SendEnd,
    /// The last HTTP status that the sender was answered, if it asked anybody.
    pub status: Option<u16>,
    /// What the sender, or its provider through it, said; at most [`MAX_ATTEMPT_TEXT`] bytes.
    pub message: Option<String>,
}

/// How a send can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SendEnd {
    /// [`Outcome::Done`].
    Done,
    /// [`Outcome::Later`].
    Later,
    /// [`Failure::Temporary`].
    Temporary,
    /// [`Failure::Limited`].
    Limited,
    /// [`Failure::Permanent`].
    Permanent,
    /// [`Fault::Trap`].
    Trap,
    /// [`Fault::Cpu`].
    Cpu,
    /// [`Fault::Time`].
    Time,
    /// [`Fault::Memory`].
    Memory,
    /// [`Fault::Host`].
    Host,
}

impl SendEnd {
    /// Every one, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Later,
        Self::Temporary,
        Self::Limited,
        Self::Permanent,
        Self::Trap,
        Self::Cpu,
        Self::Time,
        Self::Memory,
        Self::Host,
    ];

    /// Its name, as one word in small letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Later => "later",
            Self::Temporary => "temporary",
            Self::Limited => "limited",
            Self::Permanent => "permanent",
            Self::Trap => "trap",
            Self::Cpu => "cpu",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Host => "host",
        }
    }

    /// How this send ended.
    #[must_use]
    pub fn of(result: &Result<Outcome, SendError>) -> Self {
        match result {
            Ok(Outcome::Done) => Self::Done,
            Ok(Outcome::Later(_)) => Self::Later,
            Err(SendError::Failure(Failure::Temporary(_))) => Self::Temporary,
            Err(SendError::Failure(Failure::Limited(_))) => Self::Limited,
            Err(SendError::Failure(Failure::Permanent(_))) => Self::Permanent,
            Err(SendError::Fault(Fault::Trap(_))) => Self::Trap,
            Err(SendError::Fault(Fault::Cpu(_))) => Self::Cpu,
            Err(SendError::Fault(Fault::Time(_))) => Self::Time,
            Err(SendError::Fault(Fault::Memory(_))) => Self::Memory,
            Err(SendError::Fault(Fault::Host(_))) => Self::Host,
        }
    }
}

/// The beginning of a text, at most [`MAX_ATTEMPT_TEXT`] bytes of it, cut between two characters.
#[must_use]
pub fn cut_text(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_ATTEMPT_TEXT));
    text
}
