//! The nonces that were used: none counts twice while the time that stands beside it is one that is taken.
//!
//! What is kept of a nonce is a 64-bit hash, keyed by chance, of it and the key that signed with it: two that are not the
//! same are taken for the same once in 10¹³ requests with a million remembered, and nobody can aim for it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

use pusher_core::signing::WINDOW_SECONDS;

/// How many nonces whose time is over are forgotten for each that comes in: more than one, so that they run out; not
/// all, so that nobody waits for it.
const SWEEP: usize = 8;

/// Why a nonce is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It was used before.
    Used,
    /// It came too late: whether it was used before is forgotten already.
    Stale,
    /// As many as can be remembered are.
    Full,
}

/// Remembers nonces, so many at once.
#[derive(Debug)]
pub(super) struct Nonces {
    most: usize,
    hasher: RandomState,
    /// The last second in which each nonce may be used.
    seen: HashMap<u64, i64>,
    /// The nonces by that second.
    until: BTreeMap<i64, Vec<u64>>,
    /// Nonces of before this second may be forgotten; it never goes back, even if the clock does.
    forgotten_before: i64,
}

impl Nonces {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            hasher: RandomState::new(),
            seen: HashMap::new(),
            until: BTreeMap::new(),
            forgotten_before: i64::MIN,
        }
    }

    /// Takes the nonce of a request that `app_key` signed at `timestamp`, both within the window at `now`.
    pub(super) fn take(&mut self, app_key: &str, nonce: &str, timestamp: i64, now: i64) -> Result<(), Refused> {
        let last = timestamp.saturating_add(WINDOW_SECONDS);
        self.forget(now, SWEEP);
        if last < self.forgotten_before {
            return Err(Refused::Stale);
        }
        let hash = self.hasher.hash_one((app_key, nonce));
        if self.seen.contains_key(&hash) {
            return Err(Refused::Used);
        }
        if self.seen.len() >= self.most {
            self.forget(now, usize::MAX);
            if self.seen.len() >= self.most {
                return Err(Refused::Full);
            }
        }
        self.seen.insert(hash, last);
        self.until.entry(last).or_default().push(hash);
        Ok(())
    }

    /// Forgets nonces that may not be used any more, `most` of them.
    fn forget(&mut self, now: i64, most: usize) {
        self.forgotten_before = self.forgotten_before.max(now);
        for _ in 0..most {
            let Some(mut first) = self.until.first_entry() else { return };
            if *first.key() >= self.forgotten_before {
                return;
            }
            match first.get_mut().pop() {
                Some(hash) => _ = self.seen.remove(&hash),
                None => _ = first.remove(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000;

    #[test]
    fn a_nonce_counts_once_for_each_key() {
        let mut nonces = Nonces::new(10);
        assert_eq!(nonces.take("k1", "a", T, T), Ok(()));
        assert_eq!(nonces.take("k1", "a", T, T), Err(Refused::Used));
        assert_eq!(nonces.take("k1", "a", T + 5, T + 5), Err(Refused::Used), "with another time");
        assert_eq!(nonces.take("k2", "a", T, T), Ok(()));
        assert_eq!(nonces.take("k1", "b", T, T), Ok(()));
        assert_eq!(nonces.take("k", "1a", T, T), Ok(()), "key and nonce are not run together");
    }

    #[test]
    fn a_nonce_is_remembered_as_long_as_its_request_is_taken() {
        let mut nonces = Nonces::new(10);
        // Signed by a clock that goes ten minutes ahead: taken for twenty minutes.
        nonces.take("k", "a", T + WINDOW_SECONDS, T).unwrap();
        for now in [T, T + WINDOW_SECONDS, T + 2 * WINDOW_SECONDS] {
            assert_eq!(nonces.take("k", "a", T + WINDOW_SECONDS, now), Err(Refused::Used));
        }
        // From here on the time refuses it, also if the clock is set back.
        for now in [T + 2 * WINDOW_SECONDS + 1, T + WINDOW_SECONDS] {
            assert_eq!(nonces.take("k", "a", T + WINDOW_SECONDS, now), Err(Refused::Stale));
        }
        assert_eq!(nonces.take("k", "a", T + 2 * WINDOW_SECONDS, T + 2 * WINDOW_SECONDS), Ok(()));
    }

    #[test]
    fn a_full_memory_refuses_rather_than_forgets() {
        let mut nonces = Nonces::new(100);
        for n in 0..100 {
            nonces.take("k", &n.to_string(), T + n % 3, T).unwrap();
        }
        assert_eq!(nonces.take("k", "new", T, T), Err(Refused::Full));
        assert_eq!(nonces.take("k", "7", T, T), Err(Refused::Used), "what was used is known");
        let later = T + WINDOW_SECONDS + 1;
        for n in 0..34 {
            assert_eq!(nonces.take("k", &format!("new {n}"), later, later), Ok(()), "the first 34 are over");
        }
        assert_eq!(nonces.take("k", "one more", later, later), Err(Refused::Full));
    }

    #[test]
    fn the_memory_does_not_grow_with_time() {
        let mut nonces = Nonces::new(1_000_000);
        for n in 0..10_000 {
            nonces.take("k", &n.to_string(), T + n, T + n).unwrap();
        }
        let held = WINDOW_SECONDS as usize + 1;
        assert!(nonces.seen.len() <= held && nonces.until.len() <= held, "{}", nonces.seen.len());
    }
}
