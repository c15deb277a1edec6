//! `pusher periodic submit`: one job; and where the workload of a job comes from.

use std::io::Read;

use bytes::Bytes;
use periodic::{Job, JobKey};

use super::Context;
use crate::cli::periodic::{JobArgs, SubmitArgs};
use crate::commands::table::shown;
use crate::commands::{CommandError, now, time};

/// More than any frame may have, in bytes.
const MAX_WORKLOAD: u64 = 1 << 32;

/// Submits it.
pub(super) async fn run(context: &mut Context, args: SubmitArgs) -> Result<(), CommandError> {
    let SubmitArgs { job, at, timeout } = args;
    let sched_at = at.map_or(0, |when| when.unix(now()));
    let what = format!("{} of {}", shown(&job.name), shown(&job.func));
    let job = Job { sched_at, timeout: timeout.unwrap_or(0), ..read(job)? };
    context.client.submit(job).await.map_err(|error| context.failed(error))?;
    let when = if sched_at == 0 { "now".to_owned() } else { format!("at {}", time::show(sched_at)) };
    context.out.done(&format!("Submitted {what}, to be run {when}."))
}

/// The job, with its workload.
pub(super) fn read(args: JobArgs) -> Result<Job, CommandError> {
    let JobArgs { func, name, workload, file } = args;
    let workload = match (workload.as_deref(), file) {
        (_, Some(path)) => std::fs::read(&path).map(Bytes::from).map_err(|error| {
            CommandError::Failed(format!("cannot read the workload from {}: {error}", path.display()))
        })?,
        (Some("-"), None) => stdin()?,
        _ => Bytes::from(workload.unwrap_or_default()),
    };
    Ok(Job { key: JobKey { func: func.into(), name: name.into() }, workload, sched_at: 0, count: 0, timeout: 0 })
}

/// All of standard input.
pub(super) fn stdin() -> Result<Bytes, CommandError> {
    let mut data = Vec::new();
    let read = std::io::stdin().lock().take(MAX_WORKLOAD).read_to_end(&mut data);
    read.map_err(|error| CommandError::Failed(format!("cannot read standard input: {error}")))?;
    Ok(data.into())
}
