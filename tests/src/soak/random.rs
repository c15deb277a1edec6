//! Random numbers that a seed repeats.

use std::time::Duration;

/// Those of one seed.
#[derive(Debug)]
pub struct Random(fastrand::Rng);

impl Random {
    /// Those of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A seed that nobody chose.
    #[must_use]
    pub fn seed() -> u64 {
        // Short enough to be typed.
        fastrand::u64(..1_000_000_000)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end.max(1))
    }

    /// A time of so many milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.0.u64(least..=most))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_repeats() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            [random.number(), random.number(), random.number()]
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        let mut random = Random::new(7);
        assert!((0..1000).all(|_| random.below(3) < 3 && random.below(0) == 0));
        assert!((0..1000).all(|_| (5..=9).contains(&random.millis(5, 9).as_millis())));
    }
}
