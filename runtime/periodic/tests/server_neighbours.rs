//! One client cannot slow the others: what a neighbour waits for its answers while somebody misbehaves, beside what it waits
//! when it is alone.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use common::{Peer, Running, job};
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, Packet, Registration};
use periodic::{Connect, Endpoint, Job, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::task::JoinSet;
use tokio_util::codec::Encoder;

/// Round trips of the neighbour.
const ASKED: usize = 200;
/// How many times as long the neighbour may wait as when it is alone.
const FACTOR: u32 = 20;
/// And how much longer in any case: the misbehaviour takes processors from it, also from the client that misbehaves.
const SLACK: Duration = Duration::from_millis(50);

/// What the neighbour's median submit takes.
async fn median_submit(server: &Running) -> Duration {
    let mut neighbour = server.client().await;
    let mut times = Vec::with_capacity(ASKED);
    for n in 0..ASKED {
        let asked = Instant::now();
        neighbour.submit(job("neighbour", &n.to_string())).await;
        times.push(asked.elapsed());
    }
    times.sort_unstable();
    times[ASKED / 2]
}

/// The neighbour is served while `misbehave` goes on: it has so many connections, and is given each one's endpoint.
async fn is_served_beside<F>(what: &str, connections: usize, misbehave: impl Fn(Endpoint) -> F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    is_served_by(Running::start().await, what, connections, misbehave).await;
}

/// The same, by this server.
async fn is_served_by<F>(server: Running, what: &str, connections: usize, misbehave: impl Fn(Endpoint) -> F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let alone = median_submit(&server).await;
    let mut bad = JoinSet::new();
    for _ in 0..connections {
        bad.spawn(misbehave(server.endpoint.clone()));
    }
    // Until it is in full swing.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let beside = median_submit(&server).await;
    assert!(bad.try_join_next().is_none(), "{what} was over before the neighbour was");
    assert!(beside <= alone * FACTOR + SLACK, "beside {what} it waits {beside:?}, alone {alone:?}");
    bad.shutdown().await;
    server.stop().await;
}

fn frames(commands: impl Iterator<Item = Command>) -> BytesMut {
    let mut bytes = BytesMut::new();
    for command in commands {
        FrameCodec::client(DEFAULT_MAX_PAYLOAD).encode(&Packet { msgid: [0; 4], command }, &mut bytes).unwrap();
    }
    bytes
}

/// A connection that has said who it is, and read the answer.
async fn registered(endpoint: &Endpoint) -> std::io::Result<Box<dyn periodic::transport::Stream>> {
    let mut stream = endpoint.connect().await?;
    let mut hello = BytesMut::new();
    FrameCodec::client(DEFAULT_MAX_PAYLOAD).encode(&Registration::Client, &mut hello).unwrap();
    stream.write_all(&hello).await?;
    stream.read_exact(&mut [0; 12 + 5]).await?;
    Ok(stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_submits_delays_a_neighbour_by_what_one_connection_may_have_open() {
    // A tenth of the default, because a test's build is slow: what is open is done before the neighbour's request.
    let server = Running::with_options(ServerOptions { max_requests: 100, ..ServerOptions::default() }).await;
    is_served_by(server, "a flood", 2, async |endpoint| {
        let (read, mut write) = tokio::io::split(registered(&endpoint).await?);
        tokio::spawn(async move { copy(&mut { read }, &mut sink()).await });
        // The same jobs over and over, as fast as they are taken.
        let flood = frames((0..5000).map(|n| Command::SubmitJob(job("flood", &n.to_string()))));
        loop {
            write.write_all(&flood).await?;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_do_not_read_their_answers_delay_nobody() {
    is_served_beside("those who do not read", 5, async |endpoint| {
        let mut stream = registered(&endpoint).await?;
        // Each answer is a line for every func: ten kilobytes.
        let long = |n: usize| job(&format!("{n:0200}"), "a");
        stream.write_all(&frames((0..50).map(|n| Command::SubmitJob(long(n))))).await?;
        let asked = frames((0..1000).map(|_| Command::Status));
        loop {
            stream.write_all(&asked).await?;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_frames_that_never_end_delay_nobody() {
    is_served_beside("huge frames", 50, async |endpoint| {
        let mut stream = registered(&endpoint).await?;
        let huge = Job { workload: Bytes::from(vec![b'x'; 2 << 20]), ..job("huge", "a") };
        let frame = frames(std::iter::once(Command::SubmitJob(huge)));
        stream.write_all(&frame[..frame.len() / 2]).await?;
        // The rest comes byte by byte.
        for byte in &frame[frame.len() / 2..] {
            stream.write_all(std::slice::from_ref(byte)).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_connect_and_say_nothing_delay_nobody() {
    is_served_beside("silent connections", 300, async |endpoint| {
        let _silent = endpoint.connect().await?;
        std::future::pending().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_grabs_all_it_can_and_does_nothing_delays_nobody() {
    is_served_beside("a worker that does nothing", 4, async |endpoint| {
        let mut worker = Peer::connect(&endpoint, Registration::Worker).await;
        worker.ok(Command::CanDo(Bytes::from_static(b"neighbour"))).await;
        for _ in 0..1000 {
            worker.grab().await;
        }
        std::future::pending().await
    })
    .await;
}
