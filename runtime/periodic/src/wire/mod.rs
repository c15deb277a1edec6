//! The bytes on the wire (PROTOCOL §1–4).
//!
//! Three layers, each in its file: [`FrameCodec`] cuts the stream into checked payloads; [`Registration`] and [`Packet`]
//! give a payload its meaning; `fields` holds the primitive encodings both are made of. Decoding is strict (a missing,
//! surplus or unknown byte is an error) and copies nothing: names and workloads are slices of the buffer that was read.

mod command;
mod fields;
mod frame;
mod registration;

use bytes::{Bytes, BytesMut};

use crate::job::Job;

pub use command::{Command, MsgId, Packet};
pub use fields::MAX_NAME;
pub(crate) use fields::put_jobs;
pub use frame::{DEFAULT_MAX_PAYLOAD, FrameCodec, FrameReader};
pub use registration::{Registration, Role};

/// Why bytes could not be read, or a value could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The payload ends before its last field does.
    #[error("the payload ends too early")]
    Truncated,
    /// Bytes follow the last field.
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
    /// There is no such command.
    #[error("unknown command {0}")]
    UnknownCommand(u8),
    /// There is no such registration type.
    #[error("unknown registration type {0}")]
    UnknownRegistration(u8),
    /// A field holds a value that it cannot have.
    #[error("the field {0} holds an impossible value")]
    BadValue(&'static str),
    /// The payload is not what its sender checked.
    #[error("the frame's checksum does not fit its payload")]
    BadChecksum,
    /// The frame announces, or would have, more payload than is allowed.
    #[error("a payload of {size} bytes is over the limit of {max}")]
    TooLarge {
        /// Bytes announced.
        size: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A func, name, key or lock that does not fit its one-byte length.
    #[error("a name of {0} bytes is over the limit of 255")]
    NameTooLong(usize),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Writes jobs as LOAD and DUMP have them, their number first: the content of a dump file.
///
/// # Errors
/// A func or name over 255 bytes.
pub fn encode_jobs(jobs: &[Job]) -> Result<Bytes, WireError> {
    let mut to = BytesMut::new();
    put_jobs(&mut to, jobs)?;
    Ok(to.freeze())
}

/// Reads what [`encode_jobs`] writes. The jobs share the memory of `bytes`.
///
/// # Errors
/// A field cut short, or bytes after the last.
pub fn decode_jobs(bytes: Bytes) -> Result<Vec<Job>, WireError> {
    let mut fields = fields::Fields(bytes);
    let jobs = fields.jobs()?;
    fields.end()?;
    Ok(jobs)
}
