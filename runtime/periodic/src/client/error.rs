//! Why a request was not answered as hoped.

/// Why a request was not answered as hoped. [`ClientError::not_taken`] tells whether it may have had an effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// It cannot be sent to any server.
    #[error("the request is not valid: {0}")]
    Invalid(String),
    /// There was no connection in time.
    #[error("the Periodic server at {peer} cannot be reached: {reason}")]
    Unreachable {
        /// Which server.
        peer: String,
        /// Why the last try failed.
        reason: String,
    },
    /// The server does not let us: it wants an identity, this one may not do that, or nobody may.
    #[error("refused: role or identity may not do this on the Periodic server")]
    Refused,
    /// The connection broke after the request was sent.
    #[error("the connection to the Periodic server broke before it answered")]
    Lost,
    /// The server did not answer in time.
    #[error("the Periodic server did not answer in time")]
    Timeout,
    /// The server's answer is longer than it may be.
    #[error("the answer has {size} bytes, over the limit of {max}; raise `ClientOptions::max_payload`")]
    TooLarge {
        /// Bytes announced.
        size: usize,
        /// [`ClientOptions::max_payload`](super::ClientOptions::max_payload).
        max: usize,
    },
    /// Chunks came faster than they were taken from their [`Chunks`](super::Chunks).
    #[error("the job's chunks came faster than they were taken")]
    TooSlow,
    /// The server answered something else.
    #[error("the Periodic server gave an answer that does not fit the request: {0}")]
    Unexpected(String),
    /// The client was closed before the request was sent.
    #[error("the client has been closed")]
    Closed,
}

impl ClientError {
    /// Is it certain that the request had no effect? If not, it may have had: a submit may then be repeated, because a
    /// job that waits or runs is not there twice; one that has been done meanwhile would be done again.
    pub fn not_taken(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::Unreachable { .. } | Self::Refused | Self::Closed => true,
            Self::Lost | Self::Timeout | Self::TooLarge { .. } | Self::TooSlow | Self::Unexpected(_) => false,
        }
    }
}

/// Why there is no result of a job, or nothing to listen to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// No worker can do the func; or role and identity may not run it. The protocol has one word for both.
    #[error("no worker can do this func; or it was refused: role or identity may not run it")]
    NoWorker,
    /// The worker said that the job failed, put it off, or went away. The job is deleted.
    #[error("the job failed: its worker said so, put it off, or went away")]
    Failed,
    /// Somebody removed the job.
    #[error("the job was removed before it was done")]
    Removed,
    /// The job was not done within its timeout and is deleted.
    #[error("the job was not done within its timeout")]
    Expired,
    /// The request itself went wrong.
    #[error(transparent)]
    Client(ClientError),
}

impl From<ClientError> for RunError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused => Self::NoWorker,
            error => Self::Client(error),
        }
    }
}
