//! Who a client or a worker is, for servers that want to know.

use std::fmt;

use bytes::Bytes;

use crate::wire::{Registration, Role};

/// A name and its secret, as they stand in the server's auth file (PROTOCOL §11). A server without such a file takes any.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The identity's name.
    pub name: Bytes,
    /// Its secret.
    pub token: Bytes,
}

impl Identity {
    /// An identity of these two.
    pub fn new(name: impl Into<Bytes>, token: impl Into<Bytes>) -> Self {
        Self { name: name.into(), token: token.into() }
    }
}

/// The token is a secret and is not shown.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.name)
    }
}

/// How a connection introduces itself.
pub(crate) fn registration(role: Role, identity: Option<&Identity>) -> Registration {
    match (role, identity.cloned()) {
        (Role::Client, None) => Registration::Client,
        (Role::Worker, None) => Registration::Worker,
        (Role::Client, Some(Identity { name, token })) => Registration::AuthClient { name, token },
        (Role::Worker, Some(Identity { name, token })) => Registration::AuthWorker { name, token },
    }
}
