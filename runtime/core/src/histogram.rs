//! How values are distributed, counted while the work goes on: fixed buckets of atomic numbers, so that counting a value is
//! two additions and nobody waits for anybody.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counts values by how large they are.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is above them all.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a [`Histogram`] had counted at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// For each bound, in ascending order: how many values were at most that, and above the bound before it.
    pub buckets: Vec<(u64, u64)>,
    /// How many were above the last bound.
    pub above: u64,
    /// All values added up.
    pub sum: u64,
}

impl Histogram {
    /// Nothing counted yet. `bounds`: the largest value of each bucket, in ascending order.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        debug_assert!(bounds.is_sorted());
        Self { bounds, buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn count(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Counts a duration, in microseconds.
    pub fn count_time(&self, time: Duration) {
        self.count(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What was counted so far. What is counted meanwhile may be in a part of it.
    #[must_use]
    pub fn read(&self) -> Distribution {
        let mut counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        let buckets = self.bounds.iter().copied().zip(counts.by_ref()).collect();
        Distribution { buckets, above: counts.next().unwrap_or(0), sum: self.sum.load(Relaxed) }
    }
}

impl Distribution {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_once_in_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101] {
            histogram.count(value);
        }
        let read = histogram.read();
        assert_eq!(read, Distribution { buckets: vec![(10, 2), (100, 2)], above: 1, sum: 222 });
        assert_eq!(read.count(), 5);
    }

    #[test]
    fn times_are_counted_in_microseconds() {
        let histogram = Histogram::new(&[1_000]);
        histogram.count_time(Duration::from_millis(1));
        histogram.count_time(Duration::from_micros(1_001));
        assert_eq!(histogram.read(), Distribution { buckets: vec![(1_000, 1)], above: 1, sum: 2_001 });
    }
}
