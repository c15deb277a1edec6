//! One connection: a task that reads requests for the scheduler, and one that writes what the scheduler answers.
//!
//! Both sides work in batches: all requests that one read brought go to the scheduler as one message, and all frames
//! that are ready go out in one write. A permit per unanswered request keeps one connection from queueing without end:
//! the reader takes it, the writer gives it back once the answer is written, so a peer that does not read its answers is
//! not read from either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
/// A connection that has so many bytes still to be written to it is given no further job before it has taken some: a
/// worker may have many GRABs open, and its jobs may be large.
const FULL: usize = 1 << 20;
/// The largest registration: two names that are usually short.
const MAX_REGISTRATION: usize = 4 << 10;

/// A frame to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) packet: Packet,
    /// It is the answer to a request, which is over with it.
    pub(super) answers: bool,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Backlog {
    bytes: AtomicUsize,
    /// The scheduler has something for the connection, once it is not [`FULL`] any more.
    awaited: AtomicBool,
}

/// The scheduler's end of a connection.
#[derive(Debug)]
pub(super) struct Outbox {
    packets: UnboundedSender<Vec<Outgoing>>,
    backlog: Arc<Backlog>,
    permits: Arc<Semaphore>,
    closing: CancellationToken,
}

impl Outbox {
    /// Hands packets of so many bytes to the writer. False: more than `max` bytes wait in it now, for some time already.
    pub(super) fn send(&self, packets: Vec<Outgoing>, bytes: usize, max: usize) -> bool {
        let before = self.backlog.bytes.fetch_add(bytes, Ordering::Relaxed);
        // A writer that is gone has told the reader, and the reader tells the scheduler.
        let _writer_gone = self.packets.send(packets);
        before == 0 || before.saturating_add(bytes) <= max
    }

    /// Is so much still to be written, `unsent` bytes included that are not yet here, that no job should be added? Then
    /// [`Message::Writable`] comes when it is not so any more.
    pub(super) fn is_full(&self, unsent: usize) -> bool {
        let full = |order| self.backlog.bytes.load(order) + unsent >= FULL;
        if !full(Ordering::Relaxed) {
            return false;
        }
        // Said before it is looked at again, as the writer takes off before it looks whether this is said.
        self.backlog.awaited.store(true, Ordering::SeqCst);
        full(Ordering::SeqCst)
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
    let mut frames = FrameReader::new(read, FrameCodec::server(MAX_REGISTRATION.min(options.max_payload)));

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
    frames.set_codec(codec.clone());

    let permits = Arc::new(Semaphore::new(options.max_requests));
    let backlog = Arc::new(Backlog::default());
    let (packets, outgoing) = mpsc::unbounded_channel();
    let outbox =
        Outbox { packets, backlog: Arc::clone(&backlog), permits: Arc::clone(&permits), closing: closing.clone() };
    let writer = Writer {
        io: write,
        codec,
        backlog,
        permits: Arc::clone(&permits),
        timeout: options.write_timeout,
        conn: id,
        scheduler: scheduler.clone(),
    };

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

impl Outgoing {
    /// Roughly what it takes.
    pub(super) fn weight(&self) -> usize {
        let body = match &self.packet.command {
            Command::JobAssign(job) => job.key.func.len() + job.key.name.len() + job.workload.len(),
            Command::Data(body) => body.len(),
            _ => 0,
        };
        PACKET_WEIGHT + body
    }
}

struct Writer<W> {
    io: W,
    codec: FrameCodec,
    backlog: Arc<Backlog>,
    permits: Arc<Semaphore>,
    timeout: Duration,
    conn: ConnId,
    scheduler: mpsc::Sender<Message>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes until the scheduler lets go of the connection and all it sent is out.
    async fn run(mut self, mut outgoing: UnboundedReceiver<Vec<Outgoing>>) -> Result<(), WireError> {
        let mut buffer = BytesMut::new();
        while let Some(packets) = outgoing.recv().await {
            let mut packets = packets.into_iter();
            loop {
                let (mut bytes, mut answers) = (0, 0);
                while buffer.len() < WRITE_BATCH {
                    let Some(next) = packets.next() else {
                        match outgoing.try_recv() {
                            Ok(more) => packets = more.into_iter(),
                            Err(_) => break,
                        }
                        continue;
                    };
                    bytes += next.weight();
                    answers += usize::from(next.answers);
                    self.codec.encode(&next.packet, &mut buffer)?;
                }
                if buffer.is_empty() {
                    break;
                }
                self.write(&mut buffer).await?;
                if buffer.capacity() > 4 * WRITE_BATCH {
                    buffer = BytesMut::new();
                }
                self.permits.add_permits(answers);
                let left = self.backlog.bytes.fetch_sub(bytes, Ordering::SeqCst) - bytes;
                if left < FULL && self.backlog.awaited.swap(false, Ordering::SeqCst) {
                    let _scheduler_gone = self.scheduler.send(Message::Writable(self.conn)).await;
                }
            }
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// Takes everything, and remembers how much it was offered at once.
    struct Taker(Arc<AtomicUsize>);

    impl AsyncWrite for Taker {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
            self.0.fetch_max(bytes.len(), Ordering::Relaxed);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// One chunk that goes to many who listen on one connection is one chunk in memory, and is not to be many.
    #[tokio::test]
    async fn what_is_to_be_written_is_framed_as_it_is_written() {
        const CHUNK: usize = 100 << 10;
        let (largest, permits) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let backlog = Arc::new(Backlog::default());
        let (scheduler, mut messages) = mpsc::channel(1);
        let writer = Writer {
            io: Taker(Arc::clone(&largest)),
            codec: FrameCodec::server(1 << 20),
            backlog: Arc::clone(&backlog),
            permits: Arc::clone(&permits),
            timeout: Duration::from_secs(1),
            conn: 7,
            scheduler,
        };
        let (packets, outgoing) = mpsc::unbounded_channel();
        let outbox = Outbox { packets, backlog, permits: Arc::clone(&permits), closing: CancellationToken::new() };
        let packet = Packet { msgid: [0; 4], command: Command::Data(Bytes::from(vec![0; CHUNK])) };
        let chunks: Vec<_> = (0..100).map(|_| Outgoing { packet: packet.clone(), answers: true }).collect();
        let bytes = chunks.iter().map(Outgoing::weight).sum();
        assert!(!outbox.is_full(0) && outbox.send(chunks, bytes, 1), "one batch may be larger, if nothing waits");
        assert!(outbox.is_full(0), "nothing is written yet");
        drop(outbox);
        writer.run(outgoing).await.unwrap();
        let largest = largest.load(Ordering::Relaxed);
        assert!(largest < WRITE_BATCH + CHUNK + 64, "{largest} bytes at once");
        assert_eq!(permits.available_permits(), 100);
        assert!(matches!(messages.recv().await, Some(Message::Writable(7))), "it is said when there is room again");
        assert!(messages.recv().await.is_none(), "once");
    }
}
