//! Random numbers that a seed repeats.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): the whole state is one number.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Those of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed that nobody chose.
    #[must_use]
    pub fn seed() -> u64 {
        // Short enough to be typed.
        RandomState::new().hash_one(0) % 1_000_000_000
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or_default()
    }

    /// A time of so many milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.number() % (most - least + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    /// The first numbers of the authors' own program.
    #[test]
    fn a_seed_repeats() {
        let mut random = Random::new(1_234_567);
        assert_eq!([random.number(), random.number()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert!((0..1000).all(|_| Random::new(7).below(3) == Random::new(7).below(3)));
        assert!((0..1000).all(|_| (5..=9).contains(&random.millis(5, 9).as_millis())));
    }
}
