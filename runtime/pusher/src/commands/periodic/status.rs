//! `pusher periodic status`: every func, as a table or as a line of JSON each.

use std::borrow::Cow;

use periodic::FuncStatus;
use serde::Serialize;

use super::{Context, text};
use crate::commands::table::table;
use crate::commands::{CommandError, time};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    func: Cow<'a, str>,
    workers: u64,
    jobs: u64,
    running: u64,
    locked: u64,
    /// When the next one is due; none waits: absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    sched_at: Option<i64>,
}

/// Shows them.
pub(super) async fn run(context: &mut Context) -> Result<(), CommandError> {
    let funcs = context.client.status().await.map_err(|error| context.failed(error))?;
    if context.out.is_json() {
        return funcs.iter().try_for_each(|func| context.out.object(&line(func)));
    }
    if funcs.is_empty() {
        return context.out.line("No funcs.");
    }
    let rows: Vec<_> = funcs.iter().map(row).collect();
    for line in table(["FUNC", "WORKERS", "JOBS", "RUNNING", "LOCKED", "NEXT"], &rows) {
        context.out.line(&line)?;
    }
    Ok(())
}

/// The protocol says now where nothing waits.
fn next(func: &FuncStatus) -> Option<i64> {
    (func.jobs > func.running.saturating_add(func.locked)).then_some(func.sched_at)
}

fn line(func: &FuncStatus) -> Line<'_> {
    let FuncStatus { workers, jobs, running, locked, .. } = *func;
    Line { func: String::from_utf8_lossy(&func.func), workers, jobs, running, locked, sched_at: next(func) }
}

fn row(func: &FuncStatus) -> [String; 6] {
    let FuncStatus { workers, jobs, running, locked, .. } = *func;
    let next = next(func).map(time::show).unwrap_or_default();
    [text(&func.func), workers.to_string(), jobs.to_string(), running.to_string(), locked.to_string(), next]
}
