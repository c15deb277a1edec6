//! The wall clock, as a port: the server never asks the system for the time of day itself, so a test can own it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day. Jobs are due by this clock; leases and timeouts go by the monotonic clock of the runtime.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch. It may jump either way; the server copes.
    fn now_ms(&self) -> i64;

    /// Whole seconds since the Unix epoch, rounded down: the unit of `sched_at`.
    fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes as an argument")]
    fn now_ms(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        }
    }
}
