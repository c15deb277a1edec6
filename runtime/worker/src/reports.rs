//! Where a worker tells what became of messages.

use async_trait::async_trait;
use pusher_core::{JobName, Report, SenderName};

/// Why a report was not taken. It is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Not just now: whoever keeps reports cannot be reached, or there is no room. Telling it again later is right.
    #[error("{0}")]
    Unavailable(String),
    /// It will never be.
    #[error("{0}")]
    Refused(String),
}

/// Takes reports.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Takes a report. When this returns `Ok`, the report outlives this process. A dead letter's job is deleted only then.
    async fn report(&self, report: Report) -> Result<(), ReportError>;

    /// Is it to be told of what was delivered? Not, if the Periodic server keeps that with the end of the job
    /// ([`Attempted`](pusher_core::Attempted)). Default: it is.
    fn wants_delivered(&self) -> bool {
        true
    }

    /// When a delivery was tried first since it was pushed or redriven, in Unix milliseconds, if that is known; asked when
    /// its second attempt or a later one has failed. Default: it is not known, and no message is too old.
    async fn first_attempt(&self, _sender: &SenderName, _name: &JobName) -> Option<i64> {
        None
    }
}
