//! How long to wait before the next try to connect: longer each time, never twice the same.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(50);

/// Doubles from 50 ms to a limit; each wait is shortened at random by up to half, so that a server that comes back is
/// not met by all its peers at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(max: Duration) -> Self {
        Self { next: FIRST.min(max), max }
    }

    /// It worked: begin anew.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST.min(self.max);
    }

    /// The wait before the next try.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (self.next * 2).min(self.max);
        // Without randomness the whole wait is a wait too.
        wait.mul_f64(1.0 - 0.5 * f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_never_beyond() {
        let mut backoff = Backoff::new(Duration::from_secs(3));
        let waits: Vec<_> = (0..20).map(|_| backoff.next_wait()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits[19] >= Duration::from_millis(1500));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(3)));
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
