//! One request over and over, and the bare route beside it in the same run.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::load::{self, BareRoute, Plan};
use super::median;

/// How often a case and its baseline take their turns.
const TURNS: usize = 7;
/// How long a turn of either is.
const TURN: Duration = Duration::from_secs(1);
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

/// Measures from request number `first` on. Case and baseline take short turns and the median of each counts, so that a
/// machine that is slower for some seconds, as shared ones are, makes neither of them look bad.
pub(crate) async fn measure(case: Case, bare: &BareRoute, first: u64) -> io::Result<Measured> {
    let turn = |address, first| {
        let Case { connections, request, .. } = case;
        load::run(Plan { address, connections, first, requests: u64::MAX / 2, time: TURN, request })
    };
    let warm = turn(case.address, first).await?;
    let mut next = first + warm.requests + GAP;
    let (mut values, mut baselines) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        baselines.push(turn(bare.address, 0).await?.per_second());
        let done = turn(case.address, next).await?;
        next += done.requests + GAP;
        values.push(done.per_second());
    }
    Ok(Measured { value: median(values), baseline: median(baselines), next })
}
