//! What is read from a file, whatever its format: records, each ready to be sent or known to be wrong.

/// A record of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The line it begins on, counted from 1.
    pub(crate) line: u64,
    /// The id, as far as it can be told here.
    pub(crate) id: Option<String>,
    /// The record as a line of JSON; or why it cannot be sent.
    pub(crate) json: Result<String, String>,
}

/// Why a file cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ReadError(pub(crate) String);

/// The records of a file, in order. After an error there are no more.
pub(crate) type Records = Box<dyn Iterator<Item = Result<Record, ReadError>> + Send>;
