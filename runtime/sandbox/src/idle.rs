//! Instances that have sent a message and wait for the next one of the same sender (`[limits] reuse`).
//!
//! Every loaded version of a sender has a stack of its own, so an instance is never given to another sender, and a reload
//! begins with none. What waits keeps its memory and a place in the engine's pool; therefore there are only so many over
//! all senders ([`Places`](crate::counts::Places)), and none waits longer than
//! [`SandboxConfig::idle_time`](crate::SandboxConfig::idle_time).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use wasmtime::Store;

use crate::bindings::SenderComponent;
use crate::state::State;

/// An instance that can be called once more.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) component: SenderComponent,
    /// How many messages it has sent.
    pub(crate) served: u32,
}

/// The idle instances of one sender.
pub(crate) struct Idle {
    longest: Duration,
    stack: Mutex<Stack>,
}

#[derive(Default)]
struct Stack {
    /// The one that came last is at the end.
    instances: Vec<Waiting>,
    /// Drops what has waited too long, while there is anything.
    watch: Option<JoinHandle<()>>,
}

struct Waiting {
    instance: Instance,
    since: Instant,
    /// Given back after the instance is gone, since it is declared after it.
    _place: OwnedSemaphorePermit,
}

impl Idle {
    /// None yet; `longest` is how long one may wait.
    pub(crate) fn new(longest: Duration) -> Arc<Self> {
        Arc::new(Self { longest, stack: Mutex::default() })
    }

    /// An instance for the next message: the one that came last, so that those which are not needed get old.
    pub(crate) fn take(&self) -> Option<Instance> {
        let waiting = self.lock().instances.pop()?;
        Some(waiting.instance)
    }

    /// Has an instance wait in a place for idle ones.
    pub(crate) fn put(self: &Arc<Self>, instance: Instance, place: OwnedSemaphorePermit) {
        let mut stack = self.lock();
        stack.instances.push(Waiting { instance, since: Instant::now(), _place: place });
        // A watch also ends with the runtime that it ran on.
        if stack.watch.as_ref().is_none_or(JoinHandle::is_finished) {
            stack.watch = Some(tokio::spawn(watch(Arc::downgrade(self))));
        }
    }

    /// Drops what has waited too long. When that will be so of the next; `None`: there is nothing left to watch.
    fn drop_old(&self) -> Option<Instant> {
        let mut stack = self.lock();
        let now = Instant::now();
        let end = |waiting: &Waiting| waiting.since + self.longest;
        let old = stack.instances.partition_point(|waiting| end(waiting) <= now);
        let old: Vec<_> = stack.instances.drain(..old).collect();
        let next = stack.instances.first().map(end);
        if next.is_none() {
            // Under the same lock, so that whoever comes next starts another.
            stack.watch = None;
        }
        drop(stack);
        // Giving memory back takes its time, which nobody else should wait for.
        drop(old);
        next
    }

    fn lock(&self) -> MutexGuard<'_, Stack> {
        // Nothing that is done under the lock leaves half of it done.
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what has waited too long, until nothing waits or the sender is gone.
async fn watch(idle: Weak<Idle>) {
    while let Some(next) = idle.upgrade().and_then(|idle| idle.drop_old()) {
        sleep_until(next).await;
    }
}
