//! Fan-out in words: what a sender asks for, and what it is told. How it is done is in `service/fan_out.rs`.

use crate::job_name::JobName;
use crate::words::SenderName;

/// The most recipients in a request.
pub const MAX_FAN_OUT: usize = 10_000;

/// Part of a fan-out, as a sender asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOutRequest {
    /// The pushall's job, under whose name it is kept how far it has come.
    pub id: JobName,
    /// The channel to push to.
    pub sender: SenderName,
    /// Only those who have this tag, or on whom this expression of tags holds
    /// ([`TagExpr::parse`](crate::TagExpr::parse)); empty: everybody.
    pub tag: String,
    /// What to say.
    pub data: String,
    /// How many recipients to push to, at most [`MAX_FAN_OUT`].
    pub limit: usize,
}

/// How far a fan-out has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanOutProgress {
    /// How many recipients have been pushed to since it began.
    pub pushed: u64,
    /// Is the last recipient among them, or was it cancelled?
    pub done: bool,
}
