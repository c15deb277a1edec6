//! What a sender is asked to deliver, and what it can answer.

use crate::job_name::JobName;
use crate::words::{PusherId, SenderName};

/// One message to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The job's name: the same for every attempt, so a provider can use it to recognise a repetition.
    pub id: JobName,
    /// The channel.
    pub sender: SenderName,
    /// The recipient; for the `pushall` sender the channel to fan out over.
    pub pusher: PusherId,
    /// What to say, in whatever form the sender asks for.
    pub data: String,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// What a sender answers when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered.
    Done,
    /// Not now: ask again after so many seconds.
    Later(u32),
}

/// What a sender answers when it could not deliver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Trying again may help: the provider is down or slow.
    #[error("temporary: {0}")]
    Temporary(String),
    /// The provider asks to slow down; how many seconds to wait, if it said so.
    #[error("limited{}", .0.map_or(String::new(), |s| format!(": retry after {s} s")))]
    Limited(Option<u32>),
    /// Trying again cannot help: the address is wrong, the data does not parse.
    #[error("permanent: {0}")]
    Permanent(String),
}

/// What went wrong with the sender itself, rather than with the delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It crashed.
    #[error("the sender trapped: {0}")]
    Trap(String),
    /// It computed for longer than its manifest allows.
    #[error("the sender used more than its {0} ms of CPU ([limits] cpu)")]
    Cpu(u64),
    /// It took longer than its manifest allows, waiting included.
    #[error("the sender took more than its {0} ms ([limits] time)")]
    Time(u64),
    /// It asked for more memory than its manifest allows.
    #[error("the sender asked for more than its {0} bytes of memory ([limits] memory)")]
    Memory(u64),
    /// The host could not run it.
    #[error("the sender could not be run: {0}")]
    Host(String),
}

/// Why a send did not end in an [`Outcome`]. The sender's own word and the sender's misbehaviour are kept apart all the
/// way to the retry rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The sender says it could not deliver.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The sender misbehaved.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How a send ended, and what else is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// How it ended.
    pub result: Result<Outcome, SendError>,
    /// The last HTTP status that the sender was answered, if it asked anybody.
    pub status: Option<u16>,
}

impl From<Result<Outcome, SendError>> for Sent {
    fn from(result: Result<Outcome, SendError>) -> Self {
        Self { result, status: None }
    }
}
