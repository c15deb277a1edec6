//! The nonces that were used: none counts twice while the time that stands beside it is one that is taken.
//!
//! What is kept of a nonce is a 64-bit hash, keyed by chance, of it and the key that signed with it: two that are not the
//! same are taken for the same once in 10¹³ requests with a million remembered, and nobody can aim for it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

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
    /// As many of this key as can be remembered are; in so many seconds one less will be.
    Full(u64),
}

/// Remembers nonces, so many at once of each key, so that no key takes the room of another.
#[derive(Debug)]
pub(super) struct Nonces {
    most: usize,
    hasher: RandomState,
    /// Only keys that the server knows come here.
    of_key: HashMap<Arc<str>, Seen>,
}

impl Nonces {
    pub(super) fn new(most: usize) -> Self {
        Self { most, hasher: RandomState::new(), of_key: HashMap::new() }
    }

    /// Takes the nonce of a request that `app_key` signed at `timestamp`, both within the window at `now`.
    pub(super) fn take(&mut self, app_key: &Arc<str>, nonce: &str, timestamp: i64, now: i64) -> Result<(), Refused> {
        let hash = self.hasher.hash_one((app_key, nonce));
        let seen = match self.of_key.get_mut(app_key) {
            Some(seen) => seen,
            None => self.of_key.entry(Arc::clone(app_key)).or_default(),
        };
        seen.take(hash, timestamp.saturating_add(WINDOW_SECONDS), now, self.most)
    }
}

/// The nonces of one key.
#[derive(Debug)]
struct Seen {
    /// The last second in which each nonce may be used.
    last: HashMap<u64, i64>,
    /// The nonces by that second.
    until: BTreeMap<i64, Vec<u64>>,
    /// Nonces of before this second may be forgotten; it never goes back, even if the clock does.
    forgotten_before: i64,
}

impl Default for Seen {
    fn default() -> Self {
        Self { last: HashMap::new(), until: BTreeMap::new(), forgotten_before: i64::MIN }
    }
}

impl Seen {
    fn take(&mut self, hash: u64, last: i64, now: i64, most: usize) -> Result<(), Refused> {
        self.forget(now, SWEEP);
        if last < self.forgotten_before {
            return Err(Refused::Stale);
        }
        if self.last.contains_key(&hash) {
            return Err(Refused::Used);
        }
        if self.last.len() >= most {
            self.forget(now, usize::MAX);
            if self.last.len() >= most {
                return Err(Refused::Full(self.free_in(now)));
            }
        }
        self.last.insert(hash, last);
        self.until.entry(last).or_default().push(hash);
        Ok(())
    }

    /// In how many seconds the first nonce may be forgotten, once none may be now.
    fn free_in(&self, now: i64) -> u64 {
        let first = self.until.first_key_value().map_or(now, |(last, _)| *last);
        u64::try_from(first.saturating_sub(now)).unwrap_or(0).saturating_add(1)
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
                Some(hash) => _ = self.last.remove(&hash),
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
        assert_eq!(nonces.take(&"k1".into(), "a", T, T), Ok(()));
        assert_eq!(nonces.take(&"k1".into(), "a", T, T), Err(Refused::Used));
        assert_eq!(nonces.take(&"k1".into(), "a", T + 5, T + 5), Err(Refused::Used), "with another time");
        assert_eq!(nonces.take(&"k2".into(), "a", T, T), Ok(()));
        assert_eq!(nonces.take(&"k1".into(), "b", T, T), Ok(()));
        assert_eq!(nonces.take(&"k".into(), "1a", T, T), Ok(()), "key and nonce are not run together");
    }

    #[test]
    fn a_nonce_is_remembered_as_long_as_its_request_is_taken() {
        let mut nonces = Nonces::new(10);
        // Signed by a clock that goes ten minutes ahead: taken for twenty minutes.
        nonces.take(&"k".into(), "a", T + WINDOW_SECONDS, T).unwrap();
        for now in [T, T + WINDOW_SECONDS, T + 2 * WINDOW_SECONDS] {
            assert_eq!(nonces.take(&"k".into(), "a", T + WINDOW_SECONDS, now), Err(Refused::Used));
        }
        // From here on the time refuses it, also if the clock is set back.
        for now in [T + 2 * WINDOW_SECONDS + 1, T + WINDOW_SECONDS] {
            assert_eq!(nonces.take(&"k".into(), "a", T + WINDOW_SECONDS, now), Err(Refused::Stale));
        }
        assert_eq!(nonces.take(&"k".into(), "a", T + 2 * WINDOW_SECONDS, T + 2 * WINDOW_SECONDS), Ok(()));
    }

    #[test]
    fn a_full_memory_refuses_rather_than_forgets() {
        let mut nonces = Nonces::new(100);
        for n in 0..100 {
            nonces.take(&"k".into(), &n.to_string(), T + n % 3, T).unwrap();
        }
        assert_eq!(nonces.take(&"k".into(), "new", T, T), Err(Refused::Full(WINDOW_SECONDS as u64 + 1)));
        assert_eq!(nonces.take(&"k".into(), "7", T, T), Err(Refused::Used), "what was used is known");
        let later = T + WINDOW_SECONDS + 1;
        for n in 0..34 {
            assert_eq!(nonces.take(&"k".into(), &format!("new {n}"), later, later), Ok(()), "the first 34 are over");
        }
        assert_eq!(nonces.take(&"k".into(), "one more", later, later), Err(Refused::Full(1)));
    }

    #[test]
    fn a_key_that_fills_its_memory_leaves_those_of_others_empty() {
        let mut nonces = Nonces::new(2);
        for nonce in ["a", "b"] {
            nonces.take(&"loud".into(), nonce, T, T).unwrap();
        }
        assert_eq!(nonces.take(&"loud".into(), "c", T, T + 5), Err(Refused::Full(WINDOW_SECONDS as u64 - 4)));
        for nonce in ["a", "b"] {
            assert_eq!(nonces.take(&"quiet".into(), nonce, T, T), Ok(()));
        }
        assert_eq!(nonces.take(&"loud".into(), "c", T + 5, T + 5 + WINDOW_SECONDS - 4), Ok(()), "when it was said");
    }

    #[test]
    fn the_memory_does_not_grow_with_time() {
        let mut nonces = Nonces::new(1_000_000);
        for n in 0..10_000 {
            nonces.take(&"k".into(), &n.to_string(), T + n, T + n).unwrap();
        }
        let seen = &nonces.of_key["k"];
        let held = WINDOW_SECONDS as usize + 1;
        assert!(seen.last.len() <= held && seen.until.len() <= held, "{}", seen.last.len());
    }
}
