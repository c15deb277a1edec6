//! What the delivery log has entered since the server started, asked of its metrics.

use crate::metrics::Metrics;
use crate::process::Pusher;
use crate::wait::until;

/// How many changes of deliveries led to `state`.
///
/// # Panics
/// If the server does not say: this is for tests.
pub async fn recorded(server: &Pusher, state: &str) -> u64 {
    let metrics = Metrics::of(&server.admin).await;
    let count = metrics.value("pusher_deliveries_recorded_total", &[("state", state)]);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a count")]
    count.map_or_else(|| panic!("it does not count {state}"), |count| count as u64)
}

/// Waits until so many did.
///
/// # Panics
/// If that takes too long.
pub async fn until_recorded(server: &Pusher, state: &str, count: u64) {
    let what = format!("{count} entered as {state}");
    until(&what, async || (recorded(server, state).await == count).then_some(())).await;
}
