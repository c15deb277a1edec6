//! The manifest's sections. What can be written, its unit, its default and what happens at the limit is said here and
//! nowhere else.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};

use pusher_core::{BreakerPolicy, RateLimit, RetryPolicy};
use schemars::JsonSchema;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use super::headers::{HeaderSource, Headers};
use super::origin::Origin;
use super::units::{Bytes, Time};

/// `[http]`: requests to the outside.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Http {
    /// The origins that requests may go to. Default: none.
    pub allow: Vec<Origin>,
    /// May those hosts have addresses that are not public (loopback, private, link-local …)? Without it a request to
    /// such an address is denied even if its origin is allowed. Default: false.
    pub private: bool,
    /// `[http.headers."https://api.example.com"]`: headers that the host sets in every request to that origin, which
    /// `allow` must cover: `name = "text"`, `name = { secret = "KEY", prefix = "Bearer " }`, or for HTTP Basic
    /// `name = { basic = "user", secret = "KEY" }`, where `KEY` is one of `[secrets]`. The sender neither sees nor
    /// replaces them, and is not told a secret that a header uses. Of several origins that cover a URL the most exact one
    /// counts, and only that. Default: none.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, HeaderSource>>")]
    pub headers: Headers,
}

/// `[pushers]`: what the sender may do with recipients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Pushers {
    /// May it read them? Default: false.
    pub read: bool,
    /// May it push to one of them, on any channel? Default: false.
    pub push: bool,
    /// May it push to all of them? Default: false.
    pub fan_out: bool,
}

/// `[limits]`: what one send may use. A send that goes over a limit is ended and tried again by the retry schedule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// Memory of the instance, all of its memories together, as in `"64MiB"`. More is refused to it, which most guests
    /// answer with a crash. At most what the host is set up for (1 GiB). Default: 64 MiB.
    pub memory: Bytes,
    /// Computing, in time on a processor; waiting for the host or the network does not count. Kept to within about
    /// 10 ms; where sends wait for a processor, one may have up to 30 ms less of a limit of 100 ms and more.
    /// Default: 200 ms.
    pub cpu: Time,
    /// The whole send by the clock, waiting included. Requests end a little earlier, so that the sender can still say
    /// what went wrong. Default: 30 s.
    pub time: Time,
    /// Sends at once; more wait. Default: 32.
    pub concurrency: NonZeroUsize,
    /// What the sender can write to stdout and stderr together; the rest is dropped, with a note. Default: 16 KiB.
    pub log: Bytes,
    /// How many messages one instance may send, one after the other. With 1 every message gets a fresh instance, and nothing
    /// of one message is there for the next. More saves a guest with a heavy start (Python, JavaScript) most of what a
    /// message costs, and gives that up among the messages of this sender: what one leaves in memory, the next can see.
    /// An instance sends once more only after it answered done or later, while a quarter of its memory is free and no
    /// request of its is under way, and if the next message comes within 30 s. Every message has all of the other limits
    /// to itself, but what the instance has taken of its memory stays taken. At most 10000. Default: 1.
    #[serde(deserialize_with = "reuse")]
    #[schemars(range(max = MAX_REUSE))]
    pub reuse: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Bytes(64 << 20),
            cpu: Time::from_millis(200),
            time: Time::from_millis(30_000),
            concurrency: NonZeroUsize::MIN.saturating_add(31),
            log: Bytes(16 << 10),
            reuse: NonZeroU32::MIN,
        }
    }
}

/// `[retry]`: when to try a message again that failed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Retry {
    /// How long to wait after the first failed attempt, the second, and so on; the attempt after the last wait is the
    /// last. Whole seconds. Default: `["5s", "30s", "5m", "30m", "2h", "5h", "10h", "10h"]`.
    pub schedule: Option<Vec<Time>>,
    /// How far a wait may differ from the schedule, as a share of it from 0 to 1. Default: 0.2.
    #[serde(deserialize_with = "share")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub jitter: Option<f64>,
    /// How many attempts a message gets. With fewer than the schedule has, the schedule is cut; with more, its last
    /// wait is repeated. Default: one more than the schedule has waits.
    pub attempts: Option<NonZeroUsize>,
    /// How long after its first attempt a message may be tried again. One whose next attempt would begin later is a dead
    /// letter at once; one that is redriven is as new. Waiting for a rate, a breaker or a worker is not foreseen, and may
    /// bring an attempt past it. Default: 30 days, which only what the sender puts off itself comes to.
    pub max_age: Option<Time>,
}

/// Most attempts that a manifest can ask for.
const MAX_ATTEMPTS: usize = 100;

impl Retry {
    /// The policy that this makes.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        if let Some(schedule) = &self.schedule {
            policy.schedule = schedule.iter().map(|wait| wait.whole_seconds()).collect();
        }
        if let Some(jitter) = self.jitter {
            policy.jitter = jitter;
        }
        if let Some(attempts) = self.attempts {
            let last = policy.schedule.last().copied().unwrap_or(1);
            policy.schedule.resize(attempts.get().min(MAX_ATTEMPTS) - 1, last);
        }
        if let Some(age) = self.max_age {
            policy.max_age = Some(age.whole_seconds());
        }
        policy
    }
}

/// `[breaker]`: when messages are held back because they only fail. Then one at a time is tried, and the others wait,
/// without that counting as an attempt. Each worker counts alone: one that finds the provider down holds its own messages
/// back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Breaker {
    /// So many failures in a row, of those that trying again may help (temporary, limited, too slow). With 0 messages are
    /// never held back. Default: 20.
    pub failures: Option<u32>,
    /// How long to wait before one is tried; twice as long before each that follows, up to 10 minutes. Default: 10 s.
    pub pause: Option<Time>,
}

impl Breaker {
    /// The policy that this makes.
    #[must_use]
    pub fn policy(&self) -> BreakerPolicy {
        let BreakerPolicy { failures, pause } = BreakerPolicy::default();
        BreakerPolicy {
            failures: self.failures.map_or(failures, NonZeroU32::new),
            pause: self.pause.map_or(pause, Time::duration),
        }
    }
}

/// `[rate]`: how many messages the sender is given a second. What is above waits, without that counting as an attempt. Each
/// worker counts alone, from its own start: for N workers write an Nth of what the provider allows.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rate {
    /// In the long run; a fraction is a message every few seconds.
    #[serde(deserialize_with = "positive")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub per_second: f64,
    /// How many may go out at once after a pause. Default: what a second brings, and at least 1.
    pub burst: Option<NonZeroU32>,
}

impl Rate {
    /// The limit that this makes.
    #[must_use]
    pub fn limit(&self) -> RateLimit {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating and never negative")]
        let second = self.per_second.ceil() as u32;
        RateLimit { per_second: self.per_second, burst: self.burst.map_or(second.max(1), NonZeroU32::get) }
    }
}

/// Most messages that one instance may be given: by then its start costs nothing, and what it has gathered should go.
const MAX_REUSE: u32 = 10_000;

fn reuse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroU32, D::Error> {
    let reuse = NonZeroU32::deserialize(deserializer)?;
    if reuse.get() <= MAX_REUSE {
        Ok(reuse)
    } else {
        let problem = format!("reuse = {reuse} is more messages than an instance may send; write at most {MAX_REUSE}");
        Err(de::Error::custom(problem))
    }
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let rate = f64::deserialize(deserializer)?;
    if rate.is_finite() && rate > 0.0 {
        Ok(rate)
    } else {
        Err(de::Error::custom(format!("{rate} is not a rate; write a number that is more than 0")))
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&share) {
        Ok(Some(share))
    } else {
        Err(de::Error::custom(format!("{share} is not a share; write a number from 0 to 1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> Vec<u32> {
        toml::from_str::<Retry>(text).unwrap().policy().schedule
    }

    #[test]
    fn a_rate_has_a_burst_of_a_second_unless_it_says_otherwise() {
        let limit = |text: &str| toml::from_str::<Rate>(text).map(|rate| rate.limit()).map_err(|e| e.to_string());
        assert_eq!(limit("per-second = 2.5"), Ok(RateLimit { per_second: 2.5, burst: 3 }));
        assert_eq!(limit("per-second = 0.1"), Ok(RateLimit { per_second: 0.1, burst: 1 }));
        assert_eq!(limit("per-second = 14\nburst = 5"), Ok(RateLimit { per_second: 14.0, burst: 5 }));
        for wrong in
            ["per-second = 0", "per-second = -1.0", "per-second = nan", "burst = 1", "per-second = 1\nburst = 0"]
        {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_breaker_is_what_is_written() {
        let policy = |text: &str| toml::from_str::<Breaker>(text).unwrap().policy();
        assert_eq!(policy(""), BreakerPolicy::default());
        assert_eq!(policy("failures = 0").failures, None);
        let (failures, pause) = (NonZeroU32::new(3), std::time::Duration::from_secs(60));
        assert_eq!(policy("failures = 3\npause = \"1m\""), BreakerPolicy { failures, pause });
    }

    #[test]
    fn a_schedule_is_what_is_written_cut_or_drawn_out_to_the_attempts() {
        assert_eq!(schedule(""), RetryPolicy::default().schedule);
        assert_eq!(schedule("schedule = [\"1s\", \"1m\"]"), [1, 60]);
        assert_eq!(schedule("schedule = []"), [0; 0]);
        assert_eq!(schedule("attempts = 1"), [0; 0]);
        assert_eq!(schedule("attempts = 3"), [5, 30]);
        assert_eq!(schedule("schedule = [\"1s\", \"1m\"]\nattempts = 5"), [1, 60, 60, 60]);
        assert_eq!(schedule("schedule = [\"100ms\"]"), [1]);
    }
}
