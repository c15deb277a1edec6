//! The time that a request has. All have the same, so a timer need not be set for each: one that was set for an earlier
//! request rings early at worst, and is only then set anew. Setting one and taking it back, which takes a lock that the
//! whole runtime shares, was a twentieth of what a small request costs.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Gives each request its deadline. Clones share their alarms, of which there are as many as there were ever requests
/// served at once.
#[derive(Clone)]
pub(crate) struct Deadlines {
    limit: Duration,
    /// Alarms that nobody has just now. They stay set, each for no later than a request that begins now.
    idle: Arc<Mutex<Vec<Alarm>>>,
}

type Alarm = Pin<Box<Sleep>>;

impl Deadlines {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, idle: Arc::default() }
    }

    /// Longest time for a request.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Bounds `served`; its time begins with the first poll.
    pub(crate) fn bound<F: Future + Unpin>(&self, served: F) -> Bounded<F> {
        Bounded { served, deadlines: self.clone(), alarm: None }
    }

    /// An alarm that rings at `deadline` or before.
    fn alarm(&self, deadline: Instant) -> Alarm {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // One that has rung is of no use, and may belong to a runtime that is gone.
        idle.filter(|alarm| !alarm.is_elapsed()).unwrap_or_else(|| Box::pin(sleep_until(deadline)))
    }

    fn give_back(&self, alarm: Alarm) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(alarm);
    }
}

/// A request that has until its deadline.
pub(crate) struct Bounded<F> {
    served: F,
    deadlines: Deadlines,
    /// There when it was not served at once.
    alarm: Option<(Instant, Alarm)>,
}

impl<F> Bounded<F> {
    /// How long it may take.
    pub(crate) fn limit(&self) -> Duration {
        self.deadlines.limit
    }
}

/// The deadline has passed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLate;

impl<F: Future + Unpin> Future for Bounded<F> {
    type Output = Result<F::Output, TooLate>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { served, deadlines, alarm } = &mut *self;
        if let Poll::Ready(answer) = Pin::new(served).poll(cx) {
            return Poll::Ready(Ok(answer));
        }
        let (deadline, alarm) = alarm.get_or_insert_with(|| {
            let deadline = Instant::now() + deadlines.limit;
            (deadline, deadlines.alarm(deadline))
        });
        while alarm.is_elapsed() || alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= *deadline {
                return Poll::Ready(Err(TooLate));
            }
            // It was an earlier request's.
            *alarm = Box::pin(sleep_until(*deadline));
        }
        Poll::Pending
    }
}

impl<F> Drop for Bounded<F> {
    fn drop(&mut self) {
        if let Some((_, alarm)) = self.alarm.take() {
            self.deadlines.give_back(alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);

    fn slow(time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(sleep(time))
    }

    #[tokio::test]
    async fn each_has_all_of_its_time_whoever_had_its_alarm_before() {
        let deadlines = Deadlines::new(LIMIT);
        for _ in 0..5 {
            assert_eq!(deadlines.bound(slow(LIMIT / 10)).await, Ok(()));
        }
        assert_eq!(deadlines.idle.lock().unwrap().len(), 1, "they had one alarm between them");
        let begun = Instant::now();
        assert_eq!(deadlines.bound(Box::pin(pending::<()>())).await, Err(TooLate));
        assert!(begun.elapsed() >= LIMIT, "after {:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_alarm_that_rang_while_nobody_had_it_is_not_used_again() {
        let deadlines = Deadlines::new(LIMIT);
        assert_eq!(deadlines.bound(slow(LIMIT / 10)).await, Ok(()));
        sleep(LIMIT).await;
        let begun = Instant::now();
        assert_eq!(deadlines.bound(Box::pin(pending::<()>())).await, Err(TooLate));
        assert!(begun.elapsed() >= LIMIT, "after {:?}", begun.elapsed());
    }

    #[test]
    fn alarms_of_a_runtime_that_is_gone_are_not_used_in_another() {
        let deadlines = Deadlines::new(LIMIT);
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let served = runtime.block_on(async { deadlines.bound(slow(LIMIT / 100)).await });
            assert_eq!(served, Ok(()));
        }
    }

    #[tokio::test]
    async fn what_is_served_at_once_needs_no_alarm() {
        let deadlines = Deadlines::new(LIMIT);
        assert_eq!(deadlines.bound(ready(7)).await, Ok(7));
        assert!(deadlines.idle.lock().unwrap().is_empty());
    }
}
