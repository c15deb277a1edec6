//! How much memory waiting jobs take.
//!
//! Two numbers each: the whole resident set, which counts the pages of the database that are mapped, and what the process
//! has taken for itself (`RssAnon`).

use std::io;

use super::cases::submits;
use super::{aside, client, server};
use crate::bench::Figure;
use crate::process::Pusher;

/// How many jobs wait when the memory is looked at.
const WAITING: [(&str, usize); 2] = [("memory-1m", 1_000_000), ("memory-10m", 10_000_000)];
/// Jobs submitted in one go.
const PORTION: usize = 250_000;

pub(super) async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let server = server(Some(dir.path())).await?;
    let before = Resident::of(&server)?;
    let mut figures = Vec::new();
    let mut submitted = 0;
    for (case, waiting) in WAITING {
        while submitted < waiting {
            let (url, from) = (server.periodic.clone(), submitted);
            aside(move || client(&url)?.pour(&submits(from, PORTION)?, PORTION)).await?;
            submitted += PORTION;
        }
        let now = Resident::of(&server)?;
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

/// What a process has in memory, in MiB.
struct Resident {
    /// Its own.
    own: f64,
    /// And what it has mapped of files.
    all: f64,
}

impl Resident {
    fn of(process: &Pusher) -> io::Result<Self> {
        let pid = process.pid().ok_or_else(|| io::Error::other("the server has ended"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).ok_or_else(|| io::Error::other(format!("no {name} in /proc/{pid}/status")))
        };
        Ok(Self { own: field("RssAnon")?, all: field("VmRSS")? })
    }
}
