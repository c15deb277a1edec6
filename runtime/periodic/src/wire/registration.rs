//! The first payload of a connection: who it is (PROTOCOL §2).

use bytes::{BufMut, Bytes, BytesMut};

use super::WireError;
use super::fields::{Fields, put_str64};

/// What a connection may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Submits and administers jobs.
    Client,
    /// Runs jobs; may do all that a client may.
    Worker,
}

/// Who opens a connection. Its payload has no msgid.
#[derive(Clone, PartialEq, Eq)]
pub enum Registration {
    /// Type 1.
    Client,
    /// Type 2.
    Worker,
    /// Type 3.
    AuthClient {
        /// The identity's name.
        name: Bytes,
        /// Its secret.
        token: Bytes,
    },
    /// Type 4.
    AuthWorker {
        /// The identity's name.
        name: Bytes,
        /// Its secret.
        token: Bytes,
    },
}

impl Registration {
    /// What the connection wants to be.
    pub fn role(&self) -> Role {
        match self {
            Self::Client | Self::AuthClient { .. } => Role::Client,
            Self::Worker | Self::AuthWorker { .. } => Role::Worker,
        }
    }

    /// Reads a whole payload.
    ///
    /// # Errors
    /// An unknown type, a field cut short, or bytes after the last.
    pub fn decode(payload: Bytes) -> Result<Self, WireError> {
        let mut fields = Fields(payload);
        let registration = match fields.u8()? {
            1 => Self::Client,
            2 => Self::Worker,
            3 => Self::AuthClient { name: fields.str64()?, token: fields.str64()? },
            4 => Self::AuthWorker { name: fields.str64()?, token: fields.str64()? },
            other => return Err(WireError::UnknownRegistration(other)),
        };
        fields.end()?;
        Ok(registration)
    }

    /// Appends the payload.
    pub fn encode(&self, to: &mut BytesMut) {
        match self {
            Self::Client => to.put_u8(1),
            Self::Worker => to.put_u8(2),
            Self::AuthClient { name, token } | Self::AuthWorker { name, token } => {
                to.put_u8(if self.role() == Role::Client { 3 } else { 4 });
                put_str64(to, name);
                put_str64(to, token);
            }
        }
    }
}

/// The token is a secret and is not shown.
impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client => f.write_str("Client"),
            Self::Worker => f.write_str("Worker"),
            Self::AuthClient { name, .. } => write!(f, "AuthClient({name:?})"),
            Self::AuthWorker { name, .. } => write!(f, "AuthWorker({name:?})"),
        }
    }
}
