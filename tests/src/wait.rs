//! Waiting for something to become true, with a limit and a sentence for when it does not; and the sentence for what failed.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Long enough for a busy machine; tests that pass do not wait for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What had to work, or a panic with what it was and why not.
///
/// # Panics
/// If it did not: this is for tests.
pub fn must<T, E: Display>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Asks `question` again and again until it answers; panics with `what` after [`PATIENCE`].
///
/// # Panics
/// When it takes too long: this is for tests.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut question: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
