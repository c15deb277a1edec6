//! `pusher periodic dump` and `load`: every job, in the file format that all Periodic servers have (a number of jobs, eight
//! bytes, and the jobs as they go over the wire).

use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use periodic::wire;
use serde::Serialize;

use super::{Context, submit};
use crate::commands::CommandError;

/// In place of a file: standard output, or input.
const STANDARD: &str = "-";

#[derive(Serialize)]
struct Done {
    result: &'static str,
    jobs: usize,
}

fn failed(what: &str, path: &Path, error: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(format!("cannot {what} {}: {error}", path.display()))
}

/// Writes the dump, as it came.
pub(super) async fn dump(context: &mut Context, path: &Path) -> Result<(), CommandError> {
    let bytes = context.client.dump_bytes().await.map_err(|error| context.failed(error))?;
    if path.as_os_str() == STANDARD {
        return Ok(context.out.write_all(&bytes)?);
    }
    let jobs = wire::decode_jobs(bytes.clone()).map_err(|error| failed("make sense of the dump for", path, error))?;
    std::fs::write(path, &bytes).map_err(|error| failed("write", path, error))?;
    let sentence = format!("Dumped {}, {} bytes, to {}.", count(jobs.len()), bytes.len(), path.display());
    context.out.answer(&Done { result: "OK", jobs: jobs.len() }, &sentence)
}

/// Submits what was dumped.
pub(super) async fn load(context: &mut Context, path: &Path) -> Result<(), CommandError> {
    let bytes = if path.as_os_str() == STANDARD {
        submit::stdin()?
    } else {
        std::fs::read(path).map(Bytes::from).map_err(|error| failed("read", path, error))?
    };
    let jobs = wire::decode_jobs(bytes)
        .map_err(|error| CommandError::Failed(format!("{} is no dump of jobs: {error}", path.display())))?;
    let loaded = jobs.len();
    context.client.load(jobs).await.map_err(|error| context.failed(error))?;
    context.out.answer(&Done { result: "OK", jobs: loaded }, &format!("Loaded {}.", count(loaded)))
}

fn count(jobs: usize) -> String {
    if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") }
}
