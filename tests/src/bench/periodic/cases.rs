//! The cases: each against a server that was started for it.

use std::io;
use std::thread;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, MsgId, Packet, Registration};
use tokio_util::codec::Encoder;

use super::{JOBS, PATIENCE, SINGLES, SUBMITS, aside, client, job, server};
use crate::bench::median;
use crate::line::Line;

/// GRABs that a worker has open.
const GRABS: u32 = 64;

/// Jobs a second that one connection submits without waiting, all of them durable.
pub(super) async fn submit_pipelined() -> io::Result<f64> {
    let dir = tempfile::tempdir()?;
    let server = server(Some(dir.path())).await?;
    let url = server.periodic.clone();
    let done = aside(move || {
        let frames = submits(0, SUBMITS)?;
        let line = client(&url)?;
        let begun = Instant::now();
        line.pour(&frames, SUBMITS)?;
        Ok(per_second(SUBMITS, begun))
    });
    let done = done.await;
    server.stop().await;
    done
}

/// Jobs a second that one worker does which were all there before.
pub(super) async fn drain() -> io::Result<f64> {
    let dir = tempfile::tempdir()?;
    let server = server(Some(dir.path())).await?;
    let url = server.periodic.clone();
    let done = aside(move || {
        client(&url)?.pour(&submits(0, JOBS)?, JOBS)?;
        let worker = worker(&url)?;
        let begun = Instant::now();
        work(worker, JOBS)?;
        Ok(per_second(JOBS, begun))
    });
    let done = done.await;
    server.stop().await;
    done
}

/// Jobs a second that one connection submits and one worker does at the same time, from the first submit to the last
/// answer.
pub(super) async fn submit_and_work() -> io::Result<f64> {
    let dir = tempfile::tempdir()?;
    let server = server(Some(dir.path())).await?;
    let url = server.periodic.clone();
    let done = aside(move || {
        let frames = submits(0, JOBS)?;
        let submitting = client(&url)?;
        let worker = worker(&url)?;
        let begun = Instant::now();
        let working = thread::spawn(move || work(worker, JOBS));
        submitting.pour(&frames, JOBS)?;
        working.join().unwrap_or_else(|_| Err(io::Error::other("the worker panicked")))?;
        Ok(per_second(JOBS, begun))
    });
    let done = done.await;
    server.stop().await;
    done
}

/// Microseconds that one submit takes, of those that are sent one at a time.
pub(super) async fn submit_single() -> io::Result<f64> {
    let dir = tempfile::tempdir()?;
    let server = server(Some(dir.path())).await?;
    let url = server.periodic.clone();
    let done = aside(move || {
        let mut line = client(&url)?;
        micros(|n| line.want(Command::SubmitJob(job(n)), &Command::Success))
    });
    let done = done.await;
    server.stop().await;
    done
}

/// Microseconds from a RUN_JOB to its result, with nothing else going on.
pub(super) async fn run_job(durable: bool) -> io::Result<f64> {
    let dir = tempfile::tempdir()?;
    let server = server(durable.then(|| dir.path())).await?;
    let url = server.periodic.clone();
    let done = aside(move || {
        let worker = worker(&url)?;
        let count = SINGLES;
        let working = thread::spawn(move || work(worker, count));
        let mut line = client(&url)?;
        let took = micros(|n| line.want(Command::RunJob(job(n)), &Command::Data(Bytes::from_static(b"done"))))?;
        working.join().unwrap_or_else(|_| Err(io::Error::other("the worker panicked")))?;
        Ok(took)
    });
    let done = done.await;
    server.stop().await;
    done
}

/// Microseconds from a PING to its PONG.
pub(super) async fn ping() -> io::Result<f64> {
    let server = server(None).await?;
    let url = server.periodic.clone();
    let done = aside(move || {
        let mut line = client(&url)?;
        micros(|_| line.want(Command::Ping, &Command::Pong))
    });
    let done = done.await;
    server.stop().await;
    done
}

/// The frames that submit jobs `from`…, made before the clock runs.
pub(super) fn submits(from: usize, count: usize) -> io::Result<BytesMut> {
    let mut codec = FrameCodec::client(DEFAULT_MAX_PAYLOAD);
    let mut frames = BytesMut::new();
    for n in from..from + count {
        let packet = Packet { msgid: [0; 4], command: Command::SubmitJob(job(n)) };
        codec.encode(&packet, &mut frames).map_err(io::Error::other)?;
    }
    Ok(frames)
}

/// A worker's connection that has said what it can do.
pub(super) fn worker(url: &str) -> io::Result<Line> {
    let mut line = Line::open(url, &Registration::Worker, PATIENCE)?;
    line.want(Command::CanDo(Bytes::from_static(b"bench")), &Command::Success)?;
    Ok(line)
}

/// Does so many jobs, each at once, and returns when the last has been answered. As this crate's own worker does, it
/// grabs again when a job is done and does not wait for that to be confirmed.
fn work(mut line: Line, jobs: usize) -> io::Result<()> {
    const GRAB: u8 = b'g';
    const DONE: MsgId = *b"done";
    let grab = |n: u32| {
        let [_, b, c, d] = n.to_be_bytes();
        [GRAB, b, c, d]
    };
    let mut grabs = 0;
    while grabs < GRABS {
        line.send(grab(grabs), Command::GrabJob)?;
        grabs += 1;
    }
    let mut confirmed = 0;
    while confirmed < jobs {
        line.flush()?;
        let mut packet = line.receive()?;
        loop {
            match packet.command {
                Command::JobAssign(job) => {
                    line.send(packet.msgid, Command::JobAssigned)?;
                    let result = Bytes::from_static(b"done");
                    line.send(DONE, Command::WorkDone { key: job.key, result })?;
                    line.send(grab(grabs), Command::GrabJob)?;
                    grabs += 1;
                }
                Command::Success => confirmed += usize::from(packet.msgid == DONE),
                other => return Err(io::Error::other(format!("a worker was told {other:?}"))),
            }
            match line.buffered()? {
                Some(next) => packet = next,
                None => break,
            }
        }
    }
    Ok(())
}

fn per_second(count: usize, begun: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of jobs is far below 2^52")]
    let count = count as f64;
    count / begun.elapsed().as_secs_f64()
}

/// The median time of [`SINGLES`] requests, one after another.
fn micros(mut request: impl FnMut(usize) -> io::Result<()>) -> io::Result<f64> {
    let mut times = Vec::with_capacity(SINGLES);
    for n in 0..SINGLES {
        let begun = Instant::now();
        request(n)?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times))
}
