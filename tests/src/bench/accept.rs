//! `accept`: how fast a push is accepted, every answer after a durable commit. Baseline: a bare axum route.

use std::io;

use super::beside::{self, Case, Measured};
use super::load::BareRoute;
use super::{Figure, push_request, recipients};
use crate::process::Pusher;

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
        let case = Case { address, connections, request: push_request };
        let Measured { value, baseline, next } = beside::measure(case, &bare, first).await?;
        first = next;
        figures.push(Figure {
            bench: "accept",
            case: format!("accept-{connections}"),
            value,
            unit: "push/s",
            baseline,
            beside: "bare axum route",
        });
    }
    server.stop().await;
    Ok(figures)
}
