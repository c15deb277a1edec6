//! The long forms of what the tests do shortly: rounds of something random, one after another, until their time is over or
//! a promise is broken. `cargo xtask soak` runs them; the end-to-end tests run a round or two of each.
//!
//! What is random comes from a seed, a new one for each round. The first round of a run with that seed does the same, as
//! far as the moments at which processes do things can be repeated.

pub mod deliver;
pub mod fuzz;
pub mod hostile;
pub mod kill;
pub mod periodic_kill;
mod random;
pub mod reload;

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

pub use random::Random;

/// Something that is done again and again.
pub trait Form: Send + 'static {
    /// What it is called on the command line.
    const NAME: &'static str;

    /// Does it once, and says in a line what was done.
    ///
    /// # Panics
    /// If a promise is broken, with a sentence about which.
    fn round(&mut self, random: &mut Random) -> impl Future<Output = String> + Send;
}

/// A promise that was broken. Standard error has said which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    form: &'static str,
    round: u64,
    seed: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { form, round, seed } = self;
        write!(f, "{form} round {round} failed, see above; again: cargo xtask soak {form} --seed {seed}")
    }
}

/// Rounds of one form: at least one, and as many as begin within `time`. `say` is given a line for each.
///
/// # Errors
/// [`Violation`], after the first round that fails.
pub async fn run<F: Form>(mut form: F, time: Duration, seed: u64, mut say: impl FnMut(&str)) -> Result<(), Violation> {
    let begun = Instant::now();
    for round in 1.. {
        let seed = seed.wrapping_add(round - 1);
        // A task of its own, so that what panics is a round that failed.
        let task = tokio::spawn(async move {
            let line = form.round(&mut Random::new(seed)).await;
            (form, line)
        });
        let line;
        (form, line) = task.await.map_err(|_| Violation { form: F::NAME, round, seed })?;
        let elapsed = begun.elapsed();
        say(&format!("{} {round} (seed {seed}, {} s): {line}", F::NAME, elapsed.as_secs()));
        if elapsed >= time {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when it is told this number.
    struct Fails(u64, u64);

    impl Form for Fails {
        const NAME: &'static str = "fails";

        async fn round(&mut self, _: &mut Random) -> String {
            self.0 += 1;
            assert!(self.0 != self.1, "told to");
            self.0.to_string()
        }
    }

    #[tokio::test]
    async fn a_round_that_fails_ends_the_run_and_says_how_to_repeat_it() {
        let mut said = Vec::new();
        let ended = run(Fails(0, 3), Duration::from_secs(3600), 7, |line| said.push(line.to_owned())).await;
        assert_eq!(said, ["fails 1 (seed 7, 0 s): 1", "fails 2 (seed 8, 0 s): 2"]);
        let told = ended.unwrap_err().to_string();
        assert_eq!(told, "fails round 3 failed, see above; again: cargo xtask soak fails --seed 9");
    }

    #[tokio::test]
    async fn a_run_without_time_is_one_round() {
        let mut said = 0;
        assert_eq!(run(Fails(0, 2), Duration::ZERO, 0, |_| said += 1).await, Ok(()));
        assert_eq!(said, 1);
    }
}
