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

    /// Waits.
    pub(crate) async fn wait(&self) -> Turn<'_> {
        let end = Instant::now() + HOLD;
        let pass = tokio::select! {
            pass = self.breaker.enter() => pass,
            () = sleep_until(end) => return Turn::Back(HOLD),
        };
        let Some(pace) = &self.pace else { return Turn::Send(pass) };
        match pace.take_before(Instant::now(), end) {
            Ok(at) => {
                sleep_until(at).await;
                Turn::Send(pass)
            }
            Err(at) => Turn::Back(at - Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
