//! `accept`: how fast a push is accepted, every answer after a durable commit. Baseline: a bare axum route.

use std::io;
use std::time::Duration;

use super::load::{self, BareRoute, Plan};
use super::{Figure, push_request, recipients};
use crate::process::Pusher;

const TIME: Duration = Duration::from_secs(6);

/// Runs the benchmark.
///
/// # Errors
/// If a process or a request fails.
pub async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let server = Pusher::serve(dir.path(), &[]).await;
    recipients(&server.api).await;
    let address = server.api.trim_start_matches("http://").parse().map_err(io::Error::other)?;
    let bare = BareRoute::start().await?;
    let mut figures = Vec::new();
    let mut first = 0;
    for connections in [32, 256] {
        let plan = |address, first, time| Plan {
            address,
            connections,
            first,
            requests: u64::MAX / 2,
            time,
            request: push_request,
        };
        // The halves of the baseline stand around the measurement, so that a machine that slows down shows in both.
        let warm = load::run(plan(address, first, Duration::from_secs(1))).await?;
        first += warm.requests + 1024;
        let before = load::run(plan(bare.address, 0, TIME / 2)).await?;
        let accepted = load::run(plan(address, first, TIME)).await?;
        first += accepted.requests + 1024;
        let after = load::run(plan(bare.address, 0, TIME / 2)).await?;
        figures.push(Figure {
            bench: "accept",
            case: format!("accept-{connections}"),
            value: accepted.per_second(),
            unit: "push/s",
            baseline: f64::midpoint(before.per_second(), after.per_second()),
            beside: "bare axum route",
        });
    }
    server.stop().await;
    Ok(figures)
}
