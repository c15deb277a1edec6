//! A sender's circuit breaker: when its messages fail one after the other, the provider is taken to be down. Then one
//! message at a time is tried, after a pause that grows, and the others wait without using up their attempts.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pusher_core::{BreakerPolicy, Failure, Fault, Outcome, SendError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Lets messages through, or one of them.
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    state: Mutex<State>,
    /// Somebody who waits may go, or has to look again.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// When the next message may be tried.
    next: Instant,
    pause: Duration,
    /// One is being tried.
    trying: bool,
}

/// A message may be sent.
pub(crate) struct Pass<'b> {
    breaker: &'b Breaker,
    /// It is the one that is tried.
    is_probe: bool,
    judged: bool,
}

/// What a result means for the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// From now on one at a time.
    Opened,
    /// All may go again.
    Closed,
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: Mutex::default(), changed: Notify::new() }
    }

    /// Waits until a message may be sent.
    pub(crate) async fn enter(&self) -> Pass<'_> {
        loop {
            let changed = self.changed.notified();
            let entry = self.state().enter(Instant::now());
            match entry {
                Entry::Pass { is_probe } => return Pass { breaker: self, is_probe, judged: false },
                Entry::Wait(Some(next)) => tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = changed => {}
                },
                Entry::Wait(None) => changed.await,
            }
        }
    }

    /// Waits until it lets one message at a time through.
    pub(crate) async fn opened(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_open() {
                return;
            }
            changed.await;
        }
    }

    /// Does it let one message at a time through?
    pub(crate) fn is_open(&self) -> bool {
        self.state().open.is_some()
    }

    fn judge(&self, is_probe: bool, worked: bool) -> Option<Change> {
        let change = self.state().judge(self.policy, is_probe, worked, Instant::now());
        if is_probe || change.is_some() {
            self.changed.notify_waiters();
        }
        change
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a message that wants to be sent.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Pass {
        is_probe: bool,
    },
    /// Until then, or until something changes.
    Wait(Option<Instant>),
}

impl State {
    fn enter(&mut self, now: Instant) -> Entry {
        match &mut self.open {
            None => Entry::Pass { is_probe: false },
            Some(open) if !open.trying && open.next <= now => {
                open.trying = true;
                Entry::Pass { is_probe: true }
            }
            Some(open) => Entry::Wait((!open.trying).then_some(open.next)),
        }
    }

    fn judge(&mut self, policy: BreakerPolicy, is_probe: bool, worked: bool, now: Instant) -> Option<Change> {
        if worked {
            self.failures = 0;
            // Also one that began before it was opened: the provider answers.
            return self.open.take().map(|_| Change::Closed);
        }
        self.failures = self.failures.saturating_add(1);
        match &mut self.open {
            Some(open) if is_probe => {
                open.pause = (open.pause * 2).min(LONGEST_PAUSE);
                (open.next, open.trying) = (now + open.pause, false);
                None
            }
            None if policy.failures.is_some_and(|most| self.failures >= most.get()) => {
                let pause = policy.pause.min(LONGEST_PAUSE);
                self.open = Some(Open { next: now + pause, pause, trying: false });
                Some(Change::Opened)
            }
            _ => None,
        }
    }
}

impl Pass<'_> {
    /// Is it the one message that is tried?
    pub(crate) fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Takes note of how the send ended. What a message is itself to blame for says nothing of the provider: a permanent
    /// failure means that it answers.
    pub(crate) fn judge(mut self, result: &Result<Outcome, SendError>) -> Option<Change> {
        self.judged = true;
        let worked = match result {
            Ok(_) | Err(SendError::Failure(Failure::Permanent(_))) => true,
            Err(SendError::Failure(Failure::Temporary(_) | Failure::Limited(_)) | SendError::Fault(Fault::Time(_))) => {
                false
            }
            // The sender's own trouble, and parking's business; one that was tried is tried again.
            Err(SendError::Fault(_)) if self.is_probe => false,
            Err(SendError::Fault(_)) => return None,
        };
        self.breaker.judge(self.is_probe, worked)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        // It was broken off; somebody else may try.
        if self.is_probe && !self.judged {
            if let Some(open) = &mut self.breaker.state().open {
                open.trying = false;
            }
            self.breaker.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);
    const MILLI: Duration = Duration::from_millis(1);

    fn policy(pause: Duration) -> BreakerPolicy {
        BreakerPolicy { failures: NonZeroU32::new(3), pause }
    }

    fn failure() -> Result<Outcome, SendError> {
        Err(Failure::Temporary("down".into()).into())
    }

    async fn open(pause: Duration) -> Breaker {
        let breaker = Breaker::new(policy(pause));
        for expected in [None, None, Some(Change::Opened)] {
            assert_eq!(breaker.enter().await.judge(&failure()), expected);
        }
        breaker
    }

    #[test]
    fn after_failures_in_a_row_one_is_tried_after_a_pause_that_grows_and_success_lets_all_in() {
        let (mut state, policy, mut now) = (State::default(), policy(PAUSE), Instant::now());
        for expected in [None, None, Some(Change::Opened)] {
            assert_eq!(state.enter(now), Entry::Pass { is_probe: false });
            assert_eq!(state.judge(policy, false, false, now), expected);
        }
        let mut pause = PAUSE;
        for _ in 0..10 {
            assert_eq!(state.enter(now + pause - MILLI), Entry::Wait(Some(now + pause)));
            now += pause;
            assert_eq!(state.enter(now), Entry::Pass { is_probe: true });
            assert_eq!(state.enter(now + LONGEST_PAUSE), Entry::Wait(None), "one at a time");
            assert_eq!(state.judge(policy, false, false, now), None, "one that was under way decides nothing");
            assert_eq!(state.judge(policy, true, false, now), None);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(state.enter(now + pause), Entry::Pass { is_probe: true });
        assert_eq!(state.judge(policy, true, true, now), Some(Change::Closed));
        assert_eq!(state.enter(now), Entry::Pass { is_probe: false });
    }

    #[tokio::test]
    async fn an_answer_of_any_kind_begins_the_count_anew() {
        let breaker = Breaker::new(policy(PAUSE));
        for answer in [Ok(Outcome::Later(5)), Err(Failure::Permanent("no".into()).into())] {
            for result in [failure(), failure(), answer] {
                assert_eq!(breaker.enter().await.judge(&result), None);
            }
        }
        assert_eq!(breaker.enter().await.judge(&Err(Fault::Trap("x".into()).into())), None);
        assert!(!breaker.is_open());
    }

    #[tokio::test]
    async fn whoever_waits_is_let_in_one_by_one_and_all_at_once_when_it_works() {
        let breaker = open(MILLI).await;
        let results = Mutex::new(vec![Ok(Outcome::Done), failure(), failure()]);
        let trying = std::sync::atomic::AtomicUsize::new(0);
        let send = async || {
            let pass = breaker.enter().await;
            if breaker.is_open() {
                assert_eq!(trying.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "one at a time");
                tokio::task::yield_now().await;
                trying.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            }
            let result = results.lock().unwrap().pop().unwrap_or(Ok(Outcome::Done));
            pass.judge(&result);
        };
        tokio::join!(send(), send(), send(), send(), send());
        assert!(!breaker.is_open() && results.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_try_that_is_broken_off_is_another_s() {
        let breaker = open(MILLI).await;
        let probe = breaker.enter().await;
        assert!(probe.is_probe);
        let (other, ()) = tokio::join!(breaker.enter(), async { drop(probe) });
        assert!(other.is_probe);
    }

    #[tokio::test]
    async fn without_a_number_it_never_opens() {
        let breaker = Breaker::new(BreakerPolicy { failures: None, pause: PAUSE });
        for _ in 0..1000 {
            assert_eq!(breaker.enter().await.judge(&failure()), None);
        }
    }
}
