//! What a sandbox is used for and what it denied, counted for whoever watches it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pusher_core::SenderName;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// How the places for sends ([`SandboxConfig::max_sends`](crate::SandboxConfig::max_sends)) are used at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// How many sends can run at once, over all senders.
    pub size: usize,
    /// How many run. Loading a sender takes a place for a moment, too.
    pub running: usize,
    /// How many wait: for a place here, or for one of their own sender's (`[limits] concurrency`).
    pub waiting: usize,
    /// How many instances wait for the next message of their sender (`[limits] reuse`), which takes no place for sends:
    /// at most [`SandboxConfig::max_idle`](crate::SandboxConfig::max_idle).
    pub idle: usize,
}

/// How often a sender was answered that its manifest does not grant what it asked for, since it was loaded. A reload
/// under the same name counts on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Denials {
    /// Requests: to an origin that `[http] allow` does not have, or to an address that is not public without
    /// `[http] private`.
    pub http: u64,
    /// Questions about recipients and pushes to them that `[pushers]` does not grant.
    pub pushers: u64,
}

/// The denials of one sender, while it runs.
#[derive(Debug, Default)]
pub(crate) struct DenialCounts {
    pub(crate) http: AtomicU64,
    pub(crate) pushers: AtomicU64,
}

/// The counts of all senders by name, for as long as some version of them is loaded.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    by_name: Mutex<BTreeMap<SenderName, Weak<DenialCounts>>>,
}

impl Ledger {
    /// The counts of this sender: those that an earlier version of it has begun, if there is one still.
    pub(crate) fn of(&self, name: &SenderName) -> Arc<DenialCounts> {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.retain(|_, counts| counts.strong_count() > 0);
        if let Some(counts) = by_name.get(name).and_then(Weak::upgrade) {
            return counts;
        }
        let counts = Arc::default();
        by_name.insert(name.clone(), Arc::downgrade(&counts));
        counts
    }

    pub(crate) fn read(&self) -> BTreeMap<SenderName, Denials> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let read =
            |counts: &DenialCounts| Denials { http: counts.http.load(Relaxed), pushers: counts.pushers.load(Relaxed) };
        by_name.iter().filter_map(|(name, counts)| Some((name.clone(), read(&*counts.upgrade()?)))).collect()
    }
}

/// The places for sends over all senders, and those for idle instances: together one for each instance that the engine's
/// pool holds, so that the pool is never found empty. A send has its place while it runs; its instance is given one for
/// idle ones before the send's is given back, and gives it back when the next send has its own.
#[derive(Debug)]
pub(crate) struct Places {
    size: usize,
    free: Semaphore,
    waiting: AtomicUsize,
    max_idle: usize,
    for_idle: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn new(size: usize, max_idle: usize) -> Self {
        let max_idle = max_idle.min(Semaphore::MAX_PERMITS);
        let for_idle = Arc::new(Semaphore::new(max_idle));
        Self { size, free: Semaphore::new(size), waiting: AtomicUsize::new(0), max_idle, for_idle }
    }

    /// A place for an instance that waits for the next message, if there is one: nobody waits for these.
    pub(crate) fn for_idle(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.for_idle).try_acquire_owned().ok()
    }

    /// Waits for one of the sender's `own` places, then for one of these. In this order, so that who waits for its own
    /// sender does not keep others from running.
    pub(crate) async fn take<'a>(
        &'a self,
        own: &'a Semaphore,
    ) -> Result<(SemaphorePermit<'a>, SemaphorePermit<'a>), AcquireError> {
        let _waiting = Waiting::begin(&self.waiting);
        Ok((own.acquire().await?, self.free.acquire().await?))
    }

    pub(crate) fn read(&self) -> PoolUse {
        PoolUse {
            size: self.size,
            running: self.size.saturating_sub(self.free.available_permits()),
            waiting: self.waiting.load(Relaxed),
            idle: self.max_idle - self.for_idle.available_permits(),
        }
    }
}

/// Counts who waits, also if they give up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
