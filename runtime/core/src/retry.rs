//! What becomes of a message after an attempt: the one retry rule for all senders.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::message::{Failure, Outcome, SendError};

/// The longest a sender may put a message off, in seconds (7 days).
const MAX_LATER: u32 = 7 * 24 * 3600;
/// What a provider that says "slow down" without saying for how long is given, in seconds.
const LIMITED_FLOOR: u32 = 60;

/// When to try again, and when to stop.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Seconds to wait after the first failed attempt, the second, and so on. There is one attempt more than waits.
    /// Default: 5 s, 30 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
    pub schedule: Vec<u32>,
    /// How far a wait may differ from the schedule, as a share of it, so that messages that failed together do not come
    /// back together. Default: 0.2.
    pub jitter: f64,
    /// How long after its first attempt a message may be tried again, in seconds; one whose next attempt would begin later
    /// is given up at once. `None`: for as long as the schedule says.
    /// Default: 30 days, which only what senders put off themselves ([`Outcome::Later`]) comes to.
    pub max_age: Option<u32>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            schedule: vec![5, 30, 300, 1800, 7200, 18_000, 36_000, 36_000],
            jitter: 0.2,
            max_age: Some(30 * 24 * 3600),
        }
    }
}

/// What to do with a job after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is delivered.
    Done,
    /// Try again after so many seconds.
    Later {
        /// Seconds from now; at least 1.
        delay: u32,
        /// What to say of it in the log.
        reason: String,
    },
    /// Give up: it becomes a dead letter.
    Dead {
        /// Why.
        reason: String,
    },
}

impl RetryPolicy {
    /// How many attempts a message gets.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.schedule.len()).unwrap_or(u32::MAX - 1) + 1
    }

    /// Judges attempt number `attempt` (1 for the first), which ended now; the first one began `age` ago, if that is known.
    /// `chance` is a number from 0 to 1 that spreads the waits.
    #[must_use]
    pub fn judge(
        &self,
        attempt: u32,
        age: Option<Duration>,
        result: &Result<Outcome, SendError>,
        chance: f64,
    ) -> Verdict {
        let reason = match result {
            Ok(Outcome::Done) => return Verdict::Done,
            Ok(Outcome::Later(seconds)) => format!("the sender asked for {seconds} s"),
            Err(SendError::Failure(failure @ Failure::Permanent(_))) => {
                return Verdict::Dead { reason: failure.to_string() };
            }
            Err(error) => error.to_string(),
        };
        let step = usize::try_from(attempt.saturating_sub(1)).ok().and_then(|i| self.schedule.get(i).copied());
        let Some(step) = step else {
            return Verdict::Dead { reason: format!("given up after {attempt} attempts; the last one: {reason}") };
        };
        let spread = self.spread(step, chance);
        let delay = match result {
            Ok(Outcome::Later(seconds)) => *seconds,
            // At least what the provider asked for; beyond that the schedule decides, up to twice the step.
            Err(SendError::Failure(Failure::Limited(asked))) => {
                let floor = asked.unwrap_or(LIMITED_FLOOR);
                spread.clamp(floor, floor.max(step.saturating_mul(2)))
            }
            _ => spread,
        };
        let delay = delay.clamp(1, MAX_LATER);
        if let (Some(age), Some(most)) = (age, self.max_age)
            && age + Duration::from_secs(delay.into()) > Duration::from_secs(most.into())
        {
            let age = age.as_secs();
            return Verdict::Dead {
                reason: format!(
                    "given up {age} s after the first attempt: the next one in {delay} s would be past its max-age of {most} s; \
                     the last one: {reason}"
                ),
            };
        }
        Verdict::Later { delay, reason }
    }

    fn spread(&self, step: u32, chance: f64) -> u32 {
        let factor = 1.0 + self.jitter * (2.0 * chance.clamp(0.0, 1.0) - 1.0);
        // The product is within u32 or saturates: both are waits that a person would call "long".
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating and never negative")]
        let seconds = (f64::from(step) * factor).round() as u32;
        seconds
    }
}

/// When a sender's messages are held back because they only fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// So many failures in a row, of those that trying again may help, and one message at a time is tried while the others
    /// wait. `None`: never. Default: 20.
    pub failures: Option<NonZeroU32>,
    /// How long to wait before the first is tried; twice as long before each that follows, up to 10 minutes. Default: 10 s.
    pub pause: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self { failures: NonZeroU32::new(20), pause: Duration::from_secs(10) }
    }
}

/// How often a sender may be asked to send: what is above waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Messages a second in the long run; more than 0.
    pub per_second: f64,
    /// How many may go out at once after a pause; at least 1.
    pub burst: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Fault;

    fn delay(policy: &RetryPolicy, attempt: u32, result: &Result<Outcome, SendError>) -> Option<u32> {
        match policy.judge(attempt, None, result, 0.5) {
            Verdict::Later { delay, .. } => Some(delay),
            _ => None,
        }
    }

    fn failed(failure: Failure) -> Result<Outcome, SendError> {
        Err(failure.into())
    }

    #[test]
    fn failures_and_faults_follow_the_schedule_and_then_die() {
        let policy = RetryPolicy::default();
        for error in
            [failed(Failure::Temporary("x".into())), Err(Fault::Trap("x".into()).into()), Err(Fault::Cpu(200).into())]
        {
            let waits: Vec<_> = (1..=9).map(|n| delay(&policy, n, &error)).collect();
            let expected = [5, 30, 300, 1800, 7200, 18_000, 36_000, 36_000].map(Some);
            assert_eq!(waits[..8], expected);
            assert_eq!(waits[8], None);
            assert!(matches!(policy.judge(9, None, &error, 0.5), Verdict::Dead { .. }));
        }
        assert_eq!(policy.attempts(), 9);
    }

    #[test]
    fn a_permanent_failure_dies_at_once() {
        let verdict = RetryPolicy::default().judge(1, None, &failed(Failure::Permanent("no address".into())), 0.5);
        assert_eq!(verdict, Verdict::Dead { reason: "permanent: no address".into() });
    }

    #[test]
    fn a_limit_is_respected() {
        let policy = RetryPolicy::default();
        assert_eq!(delay(&policy, 1, &failed(Failure::Limited(None))), Some(60));
        assert_eq!(delay(&policy, 1, &failed(Failure::Limited(Some(7)))), Some(7));
        assert_eq!(delay(&policy, 1, &failed(Failure::Limited(Some(120)))), Some(120));
        assert_eq!(delay(&policy, 3, &failed(Failure::Limited(Some(7)))), Some(300));
        assert_eq!(delay(&policy, 3, &failed(Failure::Limited(Some(u32::MAX)))), Some(MAX_LATER));
    }

    #[test]
    fn later_is_the_senders_choice_within_bounds_and_counts() {
        let policy = RetryPolicy::default();
        assert_eq!(delay(&policy, 1, &Ok(Outcome::Later(10))), Some(10));
        assert_eq!(delay(&policy, 1, &Ok(Outcome::Later(0))), Some(1));
        assert_eq!(delay(&policy, 1, &Ok(Outcome::Later(u32::MAX))), Some(MAX_LATER));
        assert_eq!(delay(&policy, 9, &Ok(Outcome::Later(10))), None);
    }

    #[test]
    fn a_message_whose_next_attempt_would_be_too_late_dies_and_one_of_unknown_age_does_not() {
        let policy = RetryPolicy { max_age: Some(100), ..RetryPolicy::default() };
        let later = Ok(Outcome::Later(10));
        let age = |millis| Some(Duration::from_millis(millis));
        let is_dead = |age, result| matches!(policy.judge(2, age, result, 0.5), Verdict::Dead { .. });
        assert!(is_dead(age(90_001), &later) && !is_dead(age(90_000), &later) && !is_dead(None, &later));
        // Also the first attempt may be the last, if who is asked wants to wait for so long.
        let limited = failed(Failure::Limited(Some(101)));
        assert!(matches!(policy.judge(1, age(1), &limited, 0.5), Verdict::Dead { reason } if reason.starts_with(
            "given up 0 s after the first attempt: the next one in 101 s would be past its max-age of 100 s; the last one: lim"
        )));
        assert_eq!(policy.judge(2, age(1_000_000), &Ok(Outcome::Done), 0.5), Verdict::Done);
        let unbounded = RetryPolicy { max_age: None, ..policy };
        assert!(!matches!(unbounded.judge(2, Some(Duration::MAX), &later, 0.5), Verdict::Dead { .. }));
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let policy = RetryPolicy::default();
        let error = failed(Failure::Temporary("x".into()));
        let at = |chance| match policy.judge(3, None, &error, chance) {
            Verdict::Later { delay, .. } => delay,
            _ => 0,
        };
        assert_eq!((at(0.0), at(0.5), at(1.0)), (240, 300, 360));
    }
}
