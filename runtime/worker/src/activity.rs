//! What a worker does, counted for whoever watches it: how its sends ended and how long they took, which messages wait,
//! and which senders get no jobs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use periodic::worker::Connected;
use pusher_core::{Distribution, Histogram, Outcome, SendEnd, SendError, SenderName};
use tokio_util::sync::CancellationToken;

/// How long sends take, in microseconds: from what a computation takes to what a patient provider is given.
const SEND_BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    30_000_000,
];

/// What a worker does and has done; made by [`Worker::activity`](crate::Worker::activity). Cheap to clone; all clones see
/// the same.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    served: Arc<Mutex<BTreeMap<SenderName, Arc<Tally>>>>,
}

/// What became of one sender's messages in this worker since it serves a sender of that name. A version that takes the
/// place of another counts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderActivity {
    /// How many sends ended in each way; every way is there.
    pub sends: [(SendEnd, u64); SendEnd::ALL.len()],
    /// How long those took, in microseconds: from when it was a message's turn ([`Channel::rate`](crate::Channel::rate))
    /// to its end, waiting for a place included.
    pub times: Distribution,
    /// How many of its messages have become dead letters.
    pub dead_letters: u64,
    /// How many messages wait for their turn ([`Channel::rate`](crate::Channel::rate), [`Channel::breaker`](crate::Channel::breaker)).
    pub waiting_for_rate: usize,
    /// It only crashed, so it gets no more jobs.
    pub is_parked: bool,
    /// Its connection has a Periodic server at the other end, as far as that is known. A parked sender has no connection.
    pub is_connected: bool,
}

impl Activity {
    /// The senders that are served, by name, and what each does.
    #[must_use]
    pub fn read(&self) -> BTreeMap<SenderName, SenderActivity> {
        self.served().iter().map(|(name, tally)| (name.clone(), tally.read())).collect()
    }

    /// The counts of this sender: those that an earlier version of it has begun, if it is served already.
    pub(crate) fn of(&self, name: &SenderName) -> Arc<Tally> {
        Arc::clone(self.served().entry(name.clone()).or_insert_with(|| Arc::new(Tally::new())))
    }

    /// Forgets a sender that is served no more.
    pub(crate) fn remove(&self, name: &SenderName) {
        self.served().remove(name);
    }

    fn served(&self) -> MutexGuard<'_, BTreeMap<SenderName, Arc<Tally>>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One sender's counts while they grow.
#[derive(Debug)]
pub(crate) struct Tally {
    ends: [AtomicU64; SendEnd::ALL.len()],
    times: Histogram,
    dead_letters: AtomicU64,
    waiting_for_rate: AtomicUsize,
    version: Mutex<Version>,
}

/// The version of a sender that gets its jobs.
#[derive(Debug, Default)]
struct Version {
    /// Cancelled when it is parked. When another takes its place it is no longer here.
    retire: CancellationToken,
    connected: Connected,
}

impl Tally {
    fn new() -> Self {
        Self {
            ends: Default::default(),
            times: Histogram::new(&SEND_BOUNDS),
            dead_letters: AtomicU64::new(0),
            waiting_for_rate: AtomicUsize::new(0),
            version: Mutex::default(),
        }
    }

    /// From now on this version gets the jobs. `retire` is cancelled when it is parked.
    pub(crate) fn begins(&self, retire: CancellationToken, connected: Connected) {
        *self.version() = Version { retire, connected };
    }

    /// A send ended so after this time.
    pub(crate) fn sent(&self, result: &Result<Outcome, SendError>, time: Duration) {
        self.ends[SendEnd::of(result) as usize].fetch_add(1, Relaxed);
        self.times.count_time(time);
    }

    /// A message became a dead letter.
    pub(crate) fn buried(&self) {
        self.dead_letters.fetch_add(1, Relaxed);
    }

    /// A message waits for its turn, until what is returned is dropped.
    pub(crate) fn waits(&self) -> Waiting<'_> {
        self.waiting_for_rate.fetch_add(1, Relaxed);
        Waiting(&self.waiting_for_rate)
    }

    fn read(&self) -> SenderActivity {
        let version = self.version();
        SenderActivity {
            sends: SendEnd::ALL.map(|end| (end, self.ends[end as usize].load(Relaxed))),
            times: self.times.read(),
            dead_letters: self.dead_letters.load(Relaxed),
            waiting_for_rate: self.waiting_for_rate.load(Relaxed),
            is_parked: version.retire.is_cancelled(),
            is_connected: version.connected.get(),
        }
    }

    fn version(&self) -> MutexGuard<'_, Version> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts who waits, also if it is broken off.
pub(crate) struct Waiting<'t>(&'t AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use pusher_core::{Failure, Fault};

    use super::*;

    fn name() -> SenderName {
        SenderName::parse("sample").unwrap()
    }

    fn only(activity: &Activity) -> SenderActivity {
        activity.read().remove(&name()).unwrap()
    }

    #[test]
    fn every_end_has_a_count_of_its_own() {
        let results: [Result<Outcome, SendError>; 10] = [
            Ok(Outcome::Done),
            Ok(Outcome::Later(1)),
            Err(Failure::Temporary(String::new()).into()),
            Err(Failure::Limited(None).into()),
            Err(Failure::Permanent(String::new()).into()),
            Err(Fault::Trap(String::new()).into()),
            Err(Fault::Cpu(1).into()),
            Err(Fault::Time(1).into()),
            Err(Fault::Memory(1).into()),
            Err(Fault::Host(String::new()).into()),
        ];
        let activity = Activity::default();
        let tally = activity.of(&name());
        for (n, result) in results.iter().enumerate() {
            for _ in 0..=n {
                tally.sent(result, Duration::from_millis(2));
            }
        }
        let read = only(&activity);
        assert_eq!(read.sends.map(|(_, count)| count), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(read.sends.map(|(end, _)| end), SendEnd::ALL);
        assert_eq!((read.times.count(), read.times.sum), (55, 110_000));
        let words: Vec<_> = read.sends.iter().map(|(end, _)| format!("{end:?}").to_lowercase()).collect();
        assert_eq!(words, SendEnd::ALL.map(SendEnd::as_str));
    }

    #[test]
    fn another_version_counts_on_and_is_not_the_one_that_was_parked() {
        let activity = Activity::default();
        let parked = CancellationToken::new();
        let tally = activity.of(&name());
        tally.begins(parked.clone(), Connected::default());
        tally.sent(&Ok(Outcome::Done), Duration::ZERO);
        parked.cancel();
        assert!(only(&activity).is_parked);
        let tally = activity.of(&name());
        tally.begins(CancellationToken::new(), Connected::default());
        tally.buried();
        let read = only(&activity);
        assert_eq!((read.is_parked, read.sends[0].1, read.dead_letters), (false, 1, 1));
        activity.remove(&name());
        assert!(activity.read().is_empty());
    }

    #[test]
    fn whoever_gives_up_does_not_wait_any_more() {
        let activity = Activity::default();
        let tally = activity.of(&name());
        let waiting = (tally.waits(), tally.waits());
        assert_eq!(only(&activity).waiting_for_rate, 2);
        drop(waiting);
        assert_eq!(only(&activity).waiting_for_rate, 0);
    }
}
