//! When a message may be sent: its sender's rate and circuit breaker.

use std::time::Duration;

use pusher_core::{BreakerPolicy, RateLimit};
use tokio::time::{Instant, sleep_until};

use crate::breaker::{Breaker, Pass};
use crate::pace::Pace;

/// So long a message waits in the worker. Then it is given back to the queue: the Periodic server takes a worker that has
/// a job for longer than its `timeout` (600 s) for lost.
const HOLD: Duration = Duration::from_secs(300);

/// What a message has to wait for.
pub(crate) struct Turns {
    pace: Option<Pace>,
    pub(crate) breaker: Breaker,
}

/// What became of waiting.
pub(crate) enum Turn<'t> {
    /// It may be sent.
    Send(Pass<'t>),
    /// It is to come back after so long. That is no attempt.
    Back(Duration),
}

impl Turns {
    pub(crate) fn new(rate: Option<RateLimit>, breaker: BreakerPolicy) -> Self {
        Self { pace: rate.map(Pace::new), breaker: Breaker::new(breaker) }
    }

    /// Is there anything to wait for?
    pub(crate) fn may_wait(&self) -> bool {
        self.pace.is_some() || self.breaker.is_open()
    }

    /// Waits: for the breaker, and for a place that the rate has left. If the breaker opens while others wait for their
    /// places, these are given back, and the wait begins anew: so what is held back takes no place, and the one message
    /// that is tried does not queue behind those that are not.
    pub(crate) async fn wait(&self) -> Turn<'_> {
        let end = Instant::now() + HOLD;
        loop {
            let pass = tokio::select! {
                pass = self.breaker.enter() => pass,
                () = sleep_until(end) => return Turn::Back(HOLD),
            };
            let Some(pace) = &self.pace else { return Turn::Send(pass) };
            let now = Instant::now();
            let at = match pace.take_before(now, end) {
                Ok(at) if at <= now => return Turn::Send(pass),
                Ok(at) => at,
                Err(at) => return Turn::Back(at - now),
            };
            if pass.is_probe() {
                sleep_until(at).await;
                return Turn::Send(pass);
            }
            tokio::select! {
                biased;
                () = self.breaker.opened() => pace.give_back(),
                () = sleep_until(at) => return Turn::Send(pass),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::pin::pin;

    use pusher_core::{Failure, Outcome, SendError};
    use tokio::task::yield_now;

    use super::*;
    use crate::breaker::Change;

    #[tokio::test]
    async fn what_would_be_held_for_too_long_is_given_back_and_takes_nobody_s_turn() {
        // One at once, the next in a quarter of an hour.
        let turns = Turns::new(Some(RateLimit { per_second: 1.0 / 900.0, burst: 1 }), BreakerPolicy::default());
        assert!(matches!(turns.wait().await, Turn::Send(_)));
        for _ in 0..3 {
            match turns.wait().await {
                Turn::Back(time) => assert!(time > HOLD && time <= Duration::from_secs(900), "{time:?}"),
                Turn::Send(_) => panic!("it is not its time"),
            }
        }
    }

    fn failure() -> Result<Outcome, SendError> {
        Err(Failure::Temporary("down".into()).into())
    }

    #[tokio::test]
    async fn when_the_breaker_opens_who_waits_for_the_rate_is_held_back_and_its_place_is_free_again() {
        // Two at once, and the next in 100 and in 200 seconds.
        let rate = RateLimit { per_second: 0.01, burst: 2 };
        let pause = Duration::from_secs(50);
        let turns = Turns::new(Some(rate), BreakerPolicy { failures: NonZeroU32::new(2), pause });
        let (Turn::Send(first), Turn::Send(second)) = (turns.wait().await, turns.wait().await) else {
            panic!("there is a burst of two");
        };
        let (mut third, mut fourth) = (pin!(turns.wait()), pin!(turns.wait()));
        let mut next_is_in = async || {
            tokio::select! {
                biased;
                _ = &mut third => panic!("it is not its time"),
                _ = &mut fourth => panic!("it is not its time"),
                () = yield_now() => {}
            }
            let now = Instant::now();
            turns.pace.as_ref().unwrap().take_before(now, now).unwrap_err() - now
        };
        assert!(next_is_in().await > Duration::from_secs(250), "both have taken their places");
        assert_eq!(first.judge(&failure()), None);
        assert_eq!(second.judge(&failure()), Some(Change::Opened));
        assert!(next_is_in().await <= Duration::from_secs(100), "both have given them back");
    }
}
