//! How much memory waiting jobs take.
//!
//! Two numbers each: all that is resident, and what the process has taken for itself.

use std::io;

use super::cases::submits;
use super::{aside, client, server};
use crate::bench::Figure;
use crate::bench::resident::Resident;

/// How many jobs wait when the memory is looked at.
const WAITING: [(&str, usize); 2] = [("memory-1m", 1_000_000), ("memory-10m", 10_000_000)];
/// Jobs submitted in one go.
const PORTION: usize = 250_000;

pub(super) async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let server = server(Some(dir.path())).await?;
    let before = Resident::of(server.pid())?;
    let mut figures = Vec::new();
    let mut submitted = 0;
    for (case, waiting) in WAITING {
        while submitted < waiting {
            let (url, from) = (server.periodic.clone(), submitted);
            aside(move || client(&url)?.pour(&submits(from, PORTION)?, PORTION)).await?;
            submitted += PORTION;
        }
        let now = Resident::of(server.pid())?;
        let figure = |case: String, value, baseline| Figure {
            bench: "periodic",
            case,
            value,
            unit: "MiB",
            baseline,
            beside: "before the first job",
        };
        figures.push(figure(case.into(), now.all, before.all));
        figures.push(figure(format!("{case}-own"), now.own, before.own));
    }
    server.stop().await;
    Ok(figures)
}
