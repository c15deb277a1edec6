//! Turns for sends that compute for long, so that they leave processors to those that do not.
//!
//! A send may compute [`FREE_CPU`](crate::limits::FREE_CPU) as it likes, which is more than most need in all. After that it
//! takes turns of one tick of the engine's clock, and there are fewer turns at once than processors: short sends, timers
//! and the network always find a thread of the runtime that is not busy. Senders wait for turns in one line, each with no
//! more sends in it than there are turns, so a sender with many such sends does not keep another one's from theirs.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of turns that can be taken at once: those of the whole sandbox, or a sender's places in the line for them.
#[derive(Debug, Clone)]
pub(crate) struct Lanes(Arc<Semaphore>);

impl Default for Lanes {
    /// One fewer than there are processors, and at least one.
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(Semaphore::new(processors.saturating_sub(1).max(1))))
    }
}

/// One send's turns.
#[derive(Debug)]
pub(crate) struct Turn {
    own: Lanes,
    all: Lanes,
    held: Mutex<Option<[OwnedSemaphorePermit; 2]>>,
}

impl Turn {
    /// Turns of a sender with these places in the line for all.
    pub(crate) fn new(own: &Lanes, all: &Lanes) -> Self {
        Self { own: own.clone(), all: all.clone(), held: Mutex::default() }
    }

    /// Gives the turn back, lets others run, and waits for the next.
    pub(crate) async fn next(&self) {
        self.end();
        tokio::task::yield_now().await;
        // Neither is ever closed.
        if let Ok(own) = Arc::clone(&self.own.0).acquire_owned().await
            && let Ok(all) = Arc::clone(&self.all.0).acquire_owned().await
        {
            *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some([own, all]);
        }
    }

    /// Gives the turn back, if it has one: who waits for the host or the network does not compute.
    pub(crate) fn end(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_turn_is_one_senders_at_a_time_and_given_back_at_its_end() {
        let one = || Lanes(Arc::new(Semaphore::new(1)));
        let (all, first, second) = (one(), one(), one());
        let (a, b) = (Arc::new(Turn::new(&first, &all)), Turn::new(&second, &all));
        a.next().await;
        assert!(tokio::time::timeout(Duration::from_millis(20), b.next()).await.is_err());
        a.end();
        b.next().await;
        let waiting = tokio::spawn({
            let a = Arc::clone(&a);
            async move { a.next().await }
        });
        tokio::task::yield_now().await;
        drop(b);
        waiting.await.unwrap();
    }
}
