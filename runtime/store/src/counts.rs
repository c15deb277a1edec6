//! What a store takes and how it commits, for whoever watches it.

use std::time::Duration;

use pusher_core::{Distribution, Histogram};

/// How many operations share a commit.
const OPS_BOUNDS: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1_024, 4_096, 16_384];
/// How long commits take, in microseconds.
const TIME_BOUNDS: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// How much of its map a store uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapUse {
    /// What is stored takes so many bytes. Pages that were freed do not count, although the file keeps them.
    pub used: u64,
    /// So many there can be ([`StoreOptions::map_size`](crate::StoreOptions::map_size)); at nine tenths the store is full.
    pub size: u64,
}

/// What was committed since the store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// How many operations (jobs and recipients put, changed and deleted) each commit had.
    pub operations: Distribution,
    /// How long each took, from the first operation until all were durable, in microseconds.
    pub times: Distribution,
}

/// The counts while they grow.
pub(crate) struct CommitCounts {
    operations: Histogram,
    times: Histogram,
}

impl Default for CommitCounts {
    fn default() -> Self {
        Self { operations: Histogram::new(&OPS_BOUNDS), times: Histogram::new(&TIME_BOUNDS) }
    }
}

impl CommitCounts {
    pub(crate) fn count(&self, operations: usize, time: Duration) {
        self.operations.count(operations as u64);
        self.times.count_time(time);
    }

    pub(crate) fn read(&self) -> Commits {
        Commits { operations: self.operations.read(), times: self.times.read() }
    }
}
