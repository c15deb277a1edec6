//! How many pushes a [`Service`](crate::Service) has accepted, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was accepted since the service was made; each is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Messages to one recipient, from clients of the API and from senders.
    pub pushes: u64,
    /// Messages to everybody, each of which makes many to one.
    pub pushalls: u64,
    /// Messages to one recipient that came out of those.
    pub fanned_out: u64,
}

/// The counts while they grow.
#[derive(Debug, Default)]
pub(crate) struct AcceptedCounts {
    pub(crate) pushes: AtomicU64,
    pub(crate) pushalls: AtomicU64,
    pub(crate) fanned_out: AtomicU64,
}

impl AcceptedCounts {
    pub(crate) fn read(&self) -> Accepted {
        Accepted {
            pushes: self.pushes.load(Relaxed),
            pushalls: self.pushalls.load(Relaxed),
            fanned_out: self.fanned_out.load(Relaxed),
        }
    }
}
