//! What one search has left to spend. When nothing is left the search ends with a sentence, whatever it asked for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps that are left, shared by all parts of one search.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU64,
    overdrawn_by: Mutex<Option<usize>>,
}

/// There are not enough steps left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overdrawn;

impl Budget {
    pub(crate) fn new(steps: u64) -> Self {
        Self { left: AtomicU64::new(steps), overdrawn_by: Mutex::new(None) }
    }

    /// How many steps are left.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Takes steps for the clause that begins at the character `at`. The first one that is refused is remembered.
    pub(crate) fn take(&self, steps: u64, at: usize) -> Result<(), Overdrawn> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(steps));
        taken.map(drop).map_err(|_| {
            self.overdrawn_by.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(at);
            Overdrawn
        })
    }

    /// The clause that was refused steps, if one was.
    pub(crate) fn overdrawn_by(&self) -> Option<usize> {
        *self.overdrawn_by.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
