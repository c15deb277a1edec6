//! How exact the server is about time: with a job that becomes due, and with one whose worker is gone.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use periodic::wire::{Command, Packet};
use periodic::{Clock, Job, SystemClock};

use super::cases::worker;
use super::{aside, client, job, server};
use crate::line::Line;

/// Jobs that are waited for, some each second.
const DUE: usize = 40;
/// How many seconds from now the first is due: a restart fits in between.
const AHEAD: i64 = 4;
/// Over how many seconds they are spread.
const SPREAD: usize = 4;
/// Workers that go.
const LOST: usize = 50;

/// How many milliseconds after its second the latest job comes, of some that were submitted before a restart.
pub(super) async fn due_late() -> io::Result<f64> {
    let dir = tempfile::tempdir()?;
    let before = server(Some(dir.path())).await?;
    let url = before.periodic.clone();
    aside(move || {
        let mut line = client(&url)?;
        let now = SystemClock.now();
        for n in 0..DUE {
            let sched_at = now + AHEAD + i64::try_from(n % SPREAD).map_err(io::Error::other)?;
            line.want(Command::SubmitJob(Job { sched_at, ..job(n) }), &Command::Success)?;
        }
        Ok(())
    })
    .await?;
    before.stop().await;
    let after = server(Some(dir.path())).await?;
    let url = after.periodic.clone();
    let late = aside(move || {
        let mut line = worker(&url)?;
        for n in 0..DUE {
            line.want_as(grab(n), Command::GrabJob, &Command::Success)?;
        }
        let mut latest = 0;
        for _ in 0..DUE {
            let job = take(&mut line)?;
            let late = SystemClock.now_ms() - job.sched_at * 1000;
            if late < 0 {
                return Err(io::Error::other("a job came early"));
            }
            latest = latest.max(late);
        }
        #[expect(clippy::cast_precision_loss, reason = "a time of some milliseconds")]
        let latest = latest as f64;
        Ok(latest)
    });
    let late = late.await;
    after.stop().await;
    late
}

/// How many milliseconds it takes at most from a worker's end until another has its job.
pub(super) async fn lost_back() -> io::Result<f64> {
    let server = server(None).await?;
    let url = server.periodic.clone();
    let back = aside(move || {
        let mut submitting = client(&url)?;
        let mut longest = 0.0_f64;
        for n in 0..LOST {
            let mut lost = worker(&url)?;
            lost.want_as(grab(0), Command::GrabJob, &Command::Success)?;
            submitting.want(Command::SubmitJob(job(n)), &Command::Success)?;
            take(&mut lost)?;
            let mut other = worker(&url)?;
            other.want_as(grab(0), Command::GrabJob, &Command::Success)?;
            let begun = Instant::now();
            drop(lost);
            let job = take(&mut other)?;
            longest = longest.max(begun.elapsed().as_secs_f64() * 1e3);
            other.want(Command::WorkDone { key: job.key, result: Bytes::new() }, &Command::Success)?;
        }
        Ok(longest)
    });
    let back = back.await;
    server.stop().await;
    back
}

fn grab(n: usize) -> [u8; 4] {
    let [.., b, c, d] = n.to_be_bytes();
    [b'g', b, c, d]
}

/// The next job, acknowledged.
fn take(line: &mut Line) -> io::Result<Job> {
    match line.receive()? {
        Packet { msgid, command: Command::JobAssign(job) } => {
            line.send(msgid, Command::JobAssigned)?;
            line.flush()?;
            Ok(job)
        }
        other => Err(io::Error::other(format!("a job was wanted, {other:?} came"))),
    }
}
