//! The dialling side of a connection, shared by client and worker: frames out through a task that writes, frames in
//! through whoever owns the link.
//!
//! Writing has a task of its own so that a server that is slow to read never keeps us from reading, which is what it may
//! be waiting for.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, timeout};
use tokio_util::codec::Encoder;
use tokio_util::sync::CancellationToken;

use crate::tls;
use crate::transport::{Connect, Stream};
use crate::wire::{Command, FrameCodec, FrameReader, MsgId, Packet, Registration, WireError};

/// How long to wait for a connection and the server's greeting.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);
/// What it may mean that a server hangs up at once.
const NO_GREETING: &str =
    "it closed the connection without a greeting: it is no Periodic server, has too many connections, or wants TLS";
/// How long one write may get nowhere.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A registered connection. Dropping it closes it, after what was flushed has been written.
pub(crate) struct Link {
    frames: FrameReader<Heard<ReadHalf<Box<dyn Stream>>>>,
    last_heard: Arc<Mutex<Instant>>,
    codec: FrameCodec,
    buffer: BytesMut,
    out: UnboundedSender<Bytes>,
    /// Cancelled when writing has failed.
    broken: CancellationToken,
    last_msgid: u32,
}

impl Link {
    /// Connects, registers and waits for the server's reply, so that nothing is asked of one that does not let us in.
    pub(crate) async fn open(
        connect: &dyn Connect,
        registration: &Registration,
        max_payload: usize,
    ) -> Result<Self, WireError> {
        timeout(OPEN_TIMEOUT, Self::try_open(connect, registration, max_payload)).await.map_err(io::Error::from)?
    }

    async fn try_open(
        connect: &dyn Connect,
        registration: &Registration,
        max_payload: usize,
    ) -> Result<Self, WireError> {
        let (read, mut write) = tokio::io::split(connect.connect().await?);
        let mut codec = FrameCodec::client(max_payload);
        let mut buffer = BytesMut::new();
        codec.encode(registration, &mut buffer)?;
        write.write_all_buf(&mut buffer).await?;
        write.flush().await?;
        let last_heard = Arc::new(Mutex::new(Instant::now()));
        let mut frames = FrameReader::new(Heard { io: read, last: Arc::clone(&last_heard) }, codec.clone());
        // What the first frame says, a number of the connection, is of no use.
        let greeting = frames.next().await.map_err(|error| match error {
            // A server that does not like our certificate says so only now.
            WireError::Io(error) => WireError::Io(tls::explain(error)),
            other => other,
        })?;
        greeting.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, NO_GREETING))?;
        let (out, chunks) = mpsc::unbounded_channel();
        let broken = CancellationToken::new();
        tokio::spawn(write_chunks(write, chunks, broken.clone()));
        Ok(Self { frames, last_heard, codec, buffer, out, broken, last_msgid: 0 })
    }

    /// A msgid that this link has not used for 2^32 frames. Never 0.
    pub(crate) fn new_msgid(&mut self) -> MsgId {
        self.last_msgid = self.last_msgid.checked_add(1).unwrap_or(1);
        self.last_msgid.to_be_bytes()
    }

    /// Puts a frame into the next write. On an error nothing was.
    pub(crate) fn queue(&mut self, msgid: MsgId, command: Command) -> Result<(), WireError> {
        self.codec.encode(&Packet { msgid, command }, &mut self.buffer)
    }

    /// Has everything queued written at once.
    pub(crate) fn flush(&mut self) {
        if !self.buffer.is_empty() {
            // A writer that is gone has cancelled `broken`, which `next` reports.
            let _writer_gone = self.out.send(self.buffer.split().freeze());
        }
    }

    /// When bytes came last, of whatever frame: a large one may be longer on its way than a server may be silent.
    pub(crate) fn last_heard(&self) -> Instant {
        *self.last_heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next frame. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Packet, WireError> {
        let payload = tokio::select! {
            () = self.broken.cancelled() => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
            payload = self.frames.next() => payload?,
        };
        Packet::decode(payload.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?)
    }

    /// The next frame, if it has been read already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Packet>, WireError> {
        self.frames.buffered()?.map(Packet::decode).transpose()
    }
}

/// Notes when bytes come.
struct Heard<R> {
    io: R,
    last: Arc<Mutex<Instant>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Heard<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Poll::Ready(Ok(()))
    }
}

async fn write_chunks(
    mut io: impl AsyncWrite + Unpin,
    mut chunks: UnboundedReceiver<Bytes>,
    broken: CancellationToken,
) {
    while let Some(mut chunk) = chunks.recv().await {
        while !chunk.is_empty() {
            match timeout(WRITE_TIMEOUT, io.write_buf(&mut chunk)).await {
                Ok(Ok(1..)) => {}
                _ => return broken.cancel(),
            }
        }
        if io.flush().await.is_err() {
            return broken.cancel();
        }
    }
    // The other side may be gone already.
    let _closed = io.shutdown().await;
}
