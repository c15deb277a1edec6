//! One request over and over, and the bare route beside it in the same run.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::load::{self, BareRoute, Plan};

/// How long a case is measured, and its baseline.
const TIME: Duration = Duration::from_secs(6);
/// How many numbers of requests are passed over after a run: more than were under way when it ended.
const GAP: u64 = 1024;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// The server's address.
    pub(crate) address: SocketAddr,
    /// How many connections.
    pub(crate) connections: usize,
    /// Makes request number n.
    pub(crate) request: fn(u64) -> Vec<u8>,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Answers a second.
    pub(crate) value: f64,
    /// Answers a second of the bare route.
    pub(crate) baseline: f64,
    /// The number of the first request that was not sent.
    pub(crate) next: u64,
}

/// Measures from request number `first` on. The halves of the baseline stand around the measurement, so that a machine
/// that slows down shows in both.
pub(crate) async fn measure(case: Case, bare: &BareRoute, first: u64) -> io::Result<Measured> {
    let plan = |address, first, time| Plan {
        address,
        connections: case.connections,
        first,
        requests: u64::MAX / 2,
        time,
        request: case.request,
    };
    let warm = load::run(plan(case.address, first, Duration::from_secs(1))).await?;
    let first = first + warm.requests + GAP;
    let before = load::run(plan(bare.address, 0, TIME / 2)).await?;
    let done = load::run(plan(case.address, first, TIME)).await?;
    let after = load::run(plan(bare.address, 0, TIME / 2)).await?;
    let baseline = f64::midpoint(before.per_second(), after.per_second());
    Ok(Measured { value: done.per_second(), baseline, next: first + done.requests + GAP })
}
