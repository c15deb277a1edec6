//! One connection: a task that reads requests for the scheduler, and one that writes what the scheduler answers.
//!
//! Both sides work in batches: all requests that one read brought go to the scheduler as one message, and all frames
//! that are ready go out in one write. A permit per unanswered request keeps one connection from queueing without end:
//! the reader takes it, the writer gives it back once the answer is written, so a peer that does not read its answers is
//! not read from either.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;
use tokio_util::codec::Encoder;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::scheduler::{ConnId, Message};
use super::{Origin, ServerOptions};
use crate::transport::Stream;
use crate::wire::{Command, FrameCodec, FrameReader, Packet, Registration, WireError};

/// Requests in one message to the scheduler, at most.
const READ_BATCH: usize = 256;
/// Bytes in one write, unless a single frame is larger.
const WRITE_BATCH: usize = 256 << 10;
/// What a packet takes in memory besides its bodies; for the backlog's count.
const PACKET_WEIGHT: usize = 64;

/// A frame to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) packet: Packet,
    /// It is the answer to a request, which is over with it.
    pub(super) answers: bool,
}

/// The scheduler's end of a connection.
#[derive(Debug)]
pub(super) struct Outbox {
    packets: UnboundedSender<Vec<Outgoing>>,
    backlog: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
    closing: CancellationToken,
}

impl Outbox {
    /// Hands packets to the writer. False: more than `max` bytes wait in it now, for some time already.
    pub(super) fn send(&self, packets: Vec<Outgoing>, max: usize) -> bool {
        let bytes = packets.iter().map(|outgoing| weight(&outgoing.packet)).sum::<usize>();
        let before = self.backlog.fetch_add(bytes, Ordering::Relaxed);
        // A writer that is gone has told the reader, and the reader tells the scheduler.
        let _writer_gone = self.packets.send(packets);
        before == 0 || before.saturating_add(bytes) <= max
    }

    /// A request that has no answer is over.
    pub(super) fn no_answer(&self) {
        self.permits.add_permits(1);
    }
}

/// The writer sends what it has; the reader stops at once.
impl Drop for Outbox {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// Serves one connection until either side ends it.
pub(super) async fn run(
    stream: Box<dyn Stream>,
    from: Origin,
    id: ConnId,
    scheduler: mpsc::Sender<Message>,
    options: Arc<ServerOptions>,
    closing: CancellationToken,
) {
    let (read, write) = tokio::io::split(stream);
    let codec = FrameCodec::server(options.max_payload);
    let mut frames = FrameReader::new(read, codec.clone());

    let registered = tokio::select! {
        () = closing.cancelled() => return,
        registered = timeout(options.registration_timeout, register(&mut frames, write, codec.clone())) => registered,
    };
    let (registration, write) = match registered {
        Ok(Ok(Some(registered))) => registered,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => return debug!(conn = id, %error, "registration failed"),
        Err(_) => return debug!(conn = id, "no registration in time"),
    };
    debug!(conn = id, ?registration, "connected");

    let permits = Arc::new(Semaphore::new(options.max_requests));
    let backlog = Arc::new(AtomicUsize::new(0));
    let (packets, outgoing) = mpsc::unbounded_channel();
    let outbox =
        Outbox { packets, backlog: Arc::clone(&backlog), permits: Arc::clone(&permits), closing: closing.clone() };
    let writer = Writer { io: write, codec, backlog, permits: Arc::clone(&permits), timeout: options.write_timeout };

    if scheduler.send(Message::Opened { conn: id, from, registration, outbox }).await.is_err() {
        return;
    }
    let reading = async {
        tokio::select! {
            () = closing.cancelled() => {}
            ended = read_requests(&mut frames, id, &scheduler, &permits, options.max_requests) => {
                if let Err(error) = ended {
                    debug!(conn = id, %error, "connection broken");
                }
            }
        }
        let _stopped = scheduler.send(Message::Closed(id)).await;
    };
    let writing = async {
        if let Err(error) = writer.run(outgoing).await {
            debug!(conn = id, %error, "connection broken");
        }
        closing.cancel();
    };
    tokio::join!(reading, writing);
    debug!(conn = id, "disconnected");
}

/// Reads who it is and answers with the connection's id: one DATA byte and four random ones. The answer is the first
/// frame sent; clients rely on it.
async fn register(
    frames: &mut FrameReader<ReadHalf<Box<dyn Stream>>>,
    mut write: WriteHalf<Box<dyn Stream>>,
    mut codec: FrameCodec,
) -> Result<Option<(Registration, WriteHalf<Box<dyn Stream>>)>, WireError> {
    let Some(payload) = frames.next().await? else { return Ok(None) };
    let registration = Registration::decode(payload)?;
    let mut reply = [30, 0, 0, 0, 0];
    getrandom::fill(&mut reply[1..]).map_err(std::io::Error::other)?;
    let mut buffer = BytesMut::new();
    codec.encode(reply.as_slice(), &mut buffer)?;
    write.write_all(&buffer).await?;
    write.flush().await?;
    Ok(Some((registration, write)))
}

/// Sends requests to the scheduler, in order, until the stream ends or makes no sense. What came before that is still
/// handled.
async fn read_requests(
    frames: &mut FrameReader<ReadHalf<Box<dyn Stream>>>,
    conn: ConnId,
    scheduler: &mpsc::Sender<Message>,
    permits: &Semaphore,
    max_requests: usize,
) -> Result<(), WireError> {
    loop {
        let Some(payload) = frames.next().await? else { return Ok(()) };
        let mut packets = vec![request(Packet::decode(payload)?)];
        let more = loop {
            if packets.len() == READ_BATCH.min(max_requests) {
                break Ok(());
            }
            match frames.buffered().and_then(|payload| payload.map(Packet::decode).transpose()) {
                Ok(Some(packet)) => packets.push(request(packet)),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let Ok(taken) = permits.acquire_many(packets.len() as u32).await else { return Ok(()) };
        taken.forget();
        if scheduler.send(Message::Packets { conn, packets }).await.is_err() {
            return Ok(());
        }
        more?;
    }
}

/// A job that is kept must not keep the whole buffer it was read from.
fn request(packet: Packet) -> Packet {
    match packet.command {
        Command::SubmitJob(job) => Packet { command: Command::SubmitJob(job.compact()), ..packet },
        Command::RunJob(job) => Packet { command: Command::RunJob(job.compact()), ..packet },
        Command::RecvData(job) => Packet { command: Command::RecvData(job.compact()), ..packet },
        Command::Load(jobs) => {
            Packet { command: Command::Load(jobs.into_iter().map(crate::job::Job::compact).collect()), ..packet }
        }
        // The names outlive the request.
        Command::Acquire { lock, capacity, key } => {
            let lock = Bytes::copy_from_slice(&lock);
            Packet { command: Command::Acquire { lock, capacity, key }, ..packet }
        }
        _ => packet,
    }
}

/// Roughly what a packet takes.
fn weight(packet: &Packet) -> usize {
    let body = match &packet.command {
        Command::JobAssign(job) => job.key.func.len() + job.key.name.len() + job.workload.len(),
        Command::Data(body) => body.len(),
        _ => 0,
    };
    PACKET_WEIGHT + body
}

struct Writer<W> {
    io: W,
    codec: FrameCodec,
    backlog: Arc<AtomicUsize>,
    permits: Arc<Semaphore>,
    timeout: Duration,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes until the scheduler lets go of the connection and all it sent is out.
    async fn run(mut self, mut outgoing: UnboundedReceiver<Vec<Outgoing>>) -> Result<(), WireError> {
        let mut buffer = BytesMut::new();
        while let Some(mut packets) = outgoing.recv().await {
            let (mut bytes, mut answers) = (0, 0);
            loop {
                for Outgoing { packet, answers: is_answer } in &packets {
                    bytes += weight(packet);
                    answers += usize::from(*is_answer);
                    self.codec.encode(packet, &mut buffer)?;
                }
                if buffer.len() >= WRITE_BATCH {
                    break;
                }
                match outgoing.try_recv() {
                    Ok(more) => packets = more,
                    Err(_) => break,
                }
            }
            self.write(&mut buffer).await?;
            if buffer.capacity() > 4 * WRITE_BATCH {
                buffer = BytesMut::new();
            }
            self.backlog.fetch_sub(bytes, Ordering::Relaxed);
            self.permits.add_permits(answers);
        }
        self.io.shutdown().await?;
        Ok(())
    }

    async fn write(&mut self, buffer: &mut BytesMut) -> Result<(), WireError> {
        while !buffer.is_empty() {
            let written = timeout(self.timeout, self.io.write_buf(buffer)).await.map_err(std::io::Error::from)??;
            if written == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
            }
        }
        self.io.flush().await?;
        Ok(())
    }
}
