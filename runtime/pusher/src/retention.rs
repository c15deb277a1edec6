//! `pusher serve` forgets what is old in the delivery log, by itself: in small batches, each a commit of its own, with a
//! pause between that is longer than the batch took, so that whoever pushes meanwhile hardly notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use periodic::Clock;
use pusher_core::{DeliveryLog, Retention};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::config::Keep;
use crate::metrics::{Page, Source};

/// Deliveries that are forgotten in one commit.
const BATCH: usize = 512;
/// After a batch, as a multiple of the time it took; and at least.
const PAUSE: u32 = 4;
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// Between the start, or the last batch of a pass, and the next pass; less if what is kept is kept for less than ten times
/// as long.
const LONGEST_REST: Duration = Duration::from_secs(60);
const SHORTEST_REST: Duration = Duration::from_secs(1);
/// A clock that went ahead by more than this within a moment is not believed at once,
const LEAP: Duration = Duration::from_secs(600);
/// but when it has said so for so long.
const DOUBT: Duration = Duration::from_secs(3600);

/// How many deliveries were forgotten since the start. Cheap to clone; all clones see the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pruned(Arc<AtomicU64>);

#[async_trait]
impl Source for Pruned {
    async fn show(&self, page: &mut Page) {
        let help = "How many deliveries were forgotten because they were old.";
        page.counter("pusher_deliveries_pruned_total", help, [(vec![], self.0.load(Relaxed))]);
    }
}

/// Forgets what `keep` says until `stop`. What fails is tried again in the next pass.
pub(crate) async fn run(
    log: Arc<dyn DeliveryLog>,
    clock: Arc<dyn Clock>,
    keep: Keep,
    pruned: Pruned,
    stop: CancellationToken,
) {
    // Also where deliveries are kept for ever: pushalls' names and idempotency keys are not.
    let shortest = [keep.delivered, keep.dead].into_iter().flatten().min();
    let rest = shortest.map_or(LONGEST_REST, |shortest| (shortest / 10).clamp(SHORTEST_REST, LONGEST_REST));
    let mut time = Trusted::new(clock.now_ms());
    let mut pause = SHORTEST_REST;
    while stop.run_until_cancelled(sleep(pause)).await.is_some() {
        let now = time.of(clock.now_ms(), Instant::now());
        let begun = Instant::now();
        pause = match log.prune(retention(keep, now), BATCH).await {
            Ok(count) => {
                pruned.0.fetch_add(count as u64, Relaxed);
                if count < BATCH { rest } else { (begun.elapsed() * PAUSE).max(SHORTEST_PAUSE) }
            }
            Err(error) => {
                tracing::warn!(%error, "old deliveries cannot be forgotten just now");
                rest
            }
        };
    }
}

/// What is old at this time.
fn retention(keep: Keep, now: i64) -> Retention {
    // Nothing is from before 1970.
    let before = |kept: Option<Duration>| {
        kept.map_or(0, |kept| now.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX)))
    };
    Retention { delivered_before: before(keep.delivered), dead_before: before(keep.dead) }
}

/// The time, as far as a clock can be believed that may be set while we look: what was forgotten because of a wrong year
/// does not come back. A clock that is set back is believed at once, for then less is old.
struct Trusted {
    /// The time that is believed, in Unix milliseconds, and when that was.
    now: i64,
    at: Instant,
    /// Since when the clock has been ahead of that.
    ahead_since: Option<Instant>,
}

impl Trusted {
    fn new(now: i64) -> Self {
        Self { now, at: Instant::now(), ahead_since: None }
    }

    /// What to believe, when the clock says `says`.
    fn of(&mut self, says: i64, at: Instant) -> i64 {
        let elapsed = i64::try_from((at - self.at).as_millis()).unwrap_or(i64::MAX);
        let expected = self.now.saturating_add(elapsed);
        let leap = i64::try_from(LEAP.as_millis()).unwrap_or(i64::MAX);
        let is_ahead = says > expected.saturating_add(leap);
        let since = is_ahead.then(|| self.ahead_since.unwrap_or(at));
        if is_ahead && self.ahead_since.is_none() {
            let ahead = (says - expected) / 1000;
            tracing::warn!(
                ahead,
                "the clock went ahead by so many seconds; deliveries are forgotten by the old time for an hour"
            );
        }
        let is_believed = since.is_none_or(|since| at - since >= DOUBT);
        self.ahead_since = since.filter(|_| !is_believed);
        (self.now, self.at) = (if is_believed { says } else { expected }, at);
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const YEAR: i64 = 365 * 86_400_000;

    #[test]
    fn what_is_kept_for_ever_is_never_old() {
        let keep = Keep { delivered: Some(Duration::from_secs(7)), dead: None };
        assert_eq!(retention(keep, 10_000), Retention { delivered_before: 3_000, dead_before: 0 });
        let keep = Keep { delivered: Some(Duration::ZERO), dead: Some(Duration::MAX) };
        let Retention { delivered_before, dead_before } = retention(keep, 10_000);
        assert!(delivered_before == 10_000 && dead_before < 0);
    }

    #[test]
    fn a_clock_that_leaps_ahead_is_believed_an_hour_later_and_one_that_is_set_back_at_once() {
        let (start, mut at) = (1_000_000, Instant::now());
        let mut time = Trusted { now: start, at, ahead_since: None };
        let mut step = |time: &mut Trusted, by: Duration, offset: i64| {
            at += by;
            time.of(start + i64::try_from((at - time.at).as_millis()).unwrap() + (time.now - start) + offset, at)
                - start
        };
        assert_eq!(step(&mut time, SECOND, 0), 1_000);
        // Ahead by a year, and back.
        assert_eq!(step(&mut time, SECOND, YEAR), 2_000);
        assert_eq!(step(&mut time, SECOND, YEAR), 3_000);
        assert_eq!(step(&mut time, SECOND, 0), 4_000);
        // Ahead to stay.
        assert_eq!(step(&mut time, SECOND, YEAR), 5_000);
        assert_eq!(step(&mut time, DOUBT - SECOND, YEAR), 3_604_000);
        assert_eq!(step(&mut time, SECOND, YEAR), 3_605_000 + YEAR);
        assert_eq!(step(&mut time, SECOND, 0), 3_606_000 + YEAR);
        // Set back.
        assert_eq!(step(&mut time, SECOND, -YEAR), 3_607_000);
        assert_eq!(step(&mut time, SECOND, 0), 3_608_000);
        // A little at a time is how clocks go.
        assert_eq!(step(&mut time, SECOND, 5_000), 3_614_000);
    }
}
