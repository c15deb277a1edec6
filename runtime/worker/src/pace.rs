//! A sender's rate: whoever comes too early waits for its time (the generic cell rate algorithm, as ATM networks and most
//! rate limiters have it).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pusher_core::RateLimit;
use tokio::time::Instant;

/// The longest time between two messages: a rate that is lower is as low as this.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Gives out times to send at.
pub(crate) struct Pace {
    /// Between two messages.
    interval: Duration,
    /// How far the times may run ahead of the rate.
    ahead: Duration,
    /// When the next message would go out if there were no burst.
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(limit: RateLimit) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / limit.per_second).unwrap_or(LONGEST).min(LONGEST);
        let ahead = interval.saturating_mul(limit.burst.saturating_sub(1)).min(LONGEST);
        Self { interval, ahead, next: Mutex::new(Instant::now()) }
    }

    /// The time of the next message, which is `now` at the earliest, if it is before `end`; each call that says so is one.
    /// Else the time it would be, and nothing is taken.
    pub(crate) fn take_before(&self, now: Instant, end: Instant) -> Result<Instant, Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let planned = (*next).max(now);
        // Within the burst it goes out at once.
        let at = planned.checked_sub(self.ahead).unwrap_or(now).max(now);
        if at >= end {
            return Err(at);
        }
        *next = planned + self.interval;
        Ok(at)
    }

    /// Gives back a time that was taken and is not used; those that were given out after it stay as they are.
    pub(crate) fn give_back(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = next.checked_sub(self.interval).unwrap_or(*next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(pace: &Pace, now: Instant, count: usize) -> Vec<u128> {
        let end = now + 10 * LONGEST;
        (0..count).map(|_| (pace.take_before(now, end).unwrap() - now).as_millis()).collect()
    }

    #[test]
    fn a_burst_goes_out_at_once_and_the_rest_at_the_rate() {
        let pace = Pace::new(RateLimit { per_second: 4.0, burst: 3 });
        let now = Instant::now();
        assert_eq!(times(&pace, now, 6), [0, 0, 0, 250, 500, 750]);
        // A pause fills the burst again, and no more than that.
        let now = now + Duration::from_secs(60);
        assert_eq!(times(&pace, now, 5), [0, 0, 0, 250, 500]);
        let now = now + Duration::from_millis(750);
        assert_eq!(times(&pace, now, 3), [0, 250, 500]);
    }

    #[test]
    fn a_time_that_is_given_back_is_given_out_again_and_adds_nothing_to_the_burst() {
        let pace = Pace::new(RateLimit { per_second: 4.0, burst: 2 });
        let now = Instant::now();
        assert_eq!(times(&pace, now, 4), [0, 0, 250, 500]);
        pace.give_back();
        pace.give_back();
        assert_eq!(times(&pace, now, 1), [250]);
        pace.give_back();
        assert_eq!(times(&pace, now + Duration::from_secs(60), 3), [0, 0, 250]);
    }

    #[test]
    fn a_rate_that_is_next_to_none_is_one_a_day() {
        let pace = Pace::new(RateLimit { per_second: f64::MIN_POSITIVE, burst: 2 });
        assert_eq!(times(&pace, Instant::now(), 4), [0, 0, 86_400_000, 2 * 86_400_000]);
    }
}
