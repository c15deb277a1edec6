//! The dialling side of a connection, shared by client and worker: frames out through a task that writes, frames in
//! through whoever owns the link.
//!
//! Writing has a task of its own so that a server that is slow to read never keeps us from reading, which is what it may
//! be waiting for.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt, ReadHalf};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;
use tokio_util::codec::Encoder;
use tokio_util::sync::CancellationToken;

use crate::transport::{Connect, Stream};
use crate::wire::{Command, FrameCodec, FrameReader, MsgId, Packet, Registration, WireError};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one write may get nowhere.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A registered connection. Dropping it closes it, after what was flushed has been written.
pub(crate) struct Link {
    frames: FrameReader<ReadHalf<Box<dyn Stream>>>,
    codec: FrameCodec,
    buffer: BytesMut,
    out: UnboundedSender<Bytes>,
    /// Cancelled when writing has failed.
    broken: CancellationToken,
    /// The server's first frame has come.
    greeted: bool,
    last_msgid: u32,
}

impl Link {
    /// Connects and registers, without waiting for the server's reply.
    pub(crate) async fn open(
        connect: &dyn Connect,
        registration: &Registration,
        max_payload: usize,
    ) -> io::Result<Self> {
        let stream = timeout(CONNECT_TIMEOUT, connect.connect()).await??;
        let (read, write) = tokio::io::split(stream);
        let mut codec = FrameCodec::client(max_payload);
        let mut buffer = BytesMut::new();
        codec.encode(registration, &mut buffer).map_err(io::Error::other)?;
        let (out, chunks) = mpsc::unbounded_channel();
        let broken = CancellationToken::new();
        tokio::spawn(write_chunks(write, chunks, broken.clone()));
        let frames = FrameReader::new(read, codec.clone());
        Ok(Self { frames, codec, buffer, out, broken, greeted: false, last_msgid: 0 })
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

    /// The next frame. Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Packet, WireError> {
        loop {
            let payload = tokio::select! {
                () = self.broken.cancelled() => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
                payload = self.frames.next() => payload?,
            };
            let Some(payload) = payload else { return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) };
            if let Some(packet) = self.packet(payload)? {
                return Ok(packet);
            }
        }
    }

    /// The next frame, if it has been read already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Packet>, WireError> {
        while let Some(payload) = self.frames.buffered()? {
            if let Some(packet) = self.packet(payload)? {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }

    /// The first frame is the reply to the registration; what it says is of no use.
    fn packet(&mut self, payload: Bytes) -> Result<Option<Packet>, WireError> {
        if self.greeted {
            return Packet::decode(payload).map(Some);
        }
        self.greeted = true;
        Ok(None)
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
