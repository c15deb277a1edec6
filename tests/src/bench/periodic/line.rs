//! A connection to a Periodic server, driven by hand on a thread of its own.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, MsgId, Packet, Registration};
use tokio_util::codec::{Decoder, Encoder};

/// How much is read at once.
const READ: usize = 64 << 10;
/// How long anything may be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is registered.
pub(super) struct Line {
    stream: TcpStream,
    codec: FrameCodec,
    read: BytesMut,
    write: BytesMut,
}

impl Line {
    /// Connects to `tcp://HOST:PORT`.
    pub(super) fn open(url: &str, registration: &Registration) -> io::Result<Self> {
        let stream = TcpStream::connect(url.trim_start_matches("tcp://"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let codec = FrameCodec::client(DEFAULT_MAX_PAYLOAD);
        let mut line = Self { stream, codec, read: BytesMut::new(), write: BytesMut::new() };
        line.codec.encode(registration, &mut line.write).map_err(io::Error::other)?;
        line.flush()?;
        line.payload()?;
        Ok(line)
    }

    /// Has a frame sent with the next [`flush`](Self::flush).
    pub(super) fn send(&mut self, msgid: MsgId, command: Command) -> io::Result<()> {
        self.codec.encode(&Packet { msgid, command }, &mut self.write).map_err(io::Error::other)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.write)?;
        self.write.clear();
        Ok(())
    }

    /// The next frame, waited for.
    pub(super) fn next(&mut self) -> io::Result<Packet> {
        Packet::decode(self.payload()?).map_err(io::Error::other)
    }

    /// The next frame, if all of it has been read.
    pub(super) fn buffered(&mut self) -> io::Result<Option<Packet>> {
        let payload = self.codec.decode(&mut self.read).map_err(io::Error::other)?;
        payload.map(Packet::decode).transpose().map_err(io::Error::other)
    }

    /// Asks, and wants this answer.
    pub(super) fn ask(&mut self, command: Command, wanted: &Command) -> io::Result<()> {
        self.send([0; 4], command)?;
        self.flush()?;
        match self.next()?.command {
            answer if answer == *wanted => Ok(()),
            answer => Err(io::Error::other(format!("{wanted:?} was wanted, {answer:?} came"))),
        }
    }

    /// Writes frames that were made before, and reads as many SUCCESSes, both at once.
    pub(super) fn pour(self, frames: &[u8], count: usize) -> io::Result<()> {
        let mut reading = self.stream.try_clone()?;
        let mut writing = self.stream;
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || writing.write_all(frames));
            successes(&mut reading, count)?;
            writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")))
        })
    }

    fn payload(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(payload) = self.codec.decode(&mut self.read).map_err(io::Error::other)? {
                return Ok(payload);
            }
            fill(&mut self.stream, &mut self.read)?;
        }
    }
}

fn fill(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<()> {
    let had = buffer.len();
    buffer.resize(had + READ, 0);
    let read = stream.read(&mut buffer[had..]);
    buffer.truncate(had + *read.as_ref().unwrap_or(&0));
    if read? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
    }
    Ok(())
}

/// Reads so many frames that must all be SUCCESS; they are all of the same length.
fn successes(stream: &mut TcpStream, count: usize) -> io::Result<()> {
    const LENGTH: usize = 17;
    const SUCCESS: u8 = 16;
    let mut buffer = BytesMut::new();
    let mut left = count;
    while left > 0 {
        fill(stream, &mut buffer)?;
        let whole = buffer.len() / LENGTH;
        let (frames, _) = buffer.as_chunks::<LENGTH>();
        if let Some(other) = frames.iter().find(|frame| !frame.starts_with(b"\0RES") || frame[LENGTH - 1] != SUCCESS) {
            return Err(io::Error::other(format!("no SUCCESS: {other:?}")));
        }
        left = left.saturating_sub(whole);
        buffer.advance(whole * LENGTH);
    }
    Ok(())
}
