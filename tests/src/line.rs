//! A connection to a Periodic server, driven by hand on a thread of its own: every frame is written and read with the
//! codec of `periodic::wire`, and nothing happens that is not asked for. For benchmarks, which need a light load, and for
//! tests that must know exactly what was said.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, MsgId, Packet, Registration};
use tokio_util::codec::{Decoder, Encoder};

/// How much is read at once.
const READ: usize = 64 << 10;

/// A connection that is registered.
pub struct Line {
    socket: Socket,
    codec: FrameCodec,
    read: BytesMut,
    write: BytesMut,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Line {
    /// Connects to `tcp://HOST:PORT` or `unix:///PATH`. Every read and write may take as long as `patience`; one that
    /// takes longer fails with `WouldBlock` and may be tried again.
    ///
    /// # Errors
    /// If nobody answers there as a Periodic server does.
    pub fn open(url: &str, registration: &Registration, patience: Duration) -> io::Result<Self> {
        let socket = Socket::connect(url, patience)?;
        let codec = FrameCodec::client(DEFAULT_MAX_PAYLOAD);
        let mut line = Self { socket, codec, read: BytesMut::new(), write: BytesMut::new() };
        line.codec.encode(registration, &mut line.write).map_err(io::Error::other)?;
        line.flush()?;
        line.payload()?;
        Ok(line)
    }

    /// Has a frame sent with the next [`flush`](Self::flush).
    ///
    /// # Errors
    /// If it is too large.
    pub fn send(&mut self, msgid: MsgId, command: Command) -> io::Result<()> {
        self.codec.encode(&Packet { msgid, command }, &mut self.write).map_err(io::Error::other)
    }

    /// Sends what is to be sent.
    ///
    /// # Errors
    /// If the connection is broken.
    pub fn flush(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.write)?;
        self.write.clear();
        Ok(())
    }

    /// The next frame, waited for.
    ///
    /// # Errors
    /// If the connection is broken, or there is none in time.
    pub fn receive(&mut self) -> io::Result<Packet> {
        Packet::decode(self.payload()?).map_err(io::Error::other)
    }

    /// The next frame, if all of it has been read.
    ///
    /// # Errors
    /// If it is none.
    pub fn buffered(&mut self) -> io::Result<Option<Packet>> {
        let payload = self.codec.decode(&mut self.read).map_err(io::Error::other)?;
        payload.map(Packet::decode).transpose().map_err(io::Error::other)
    }

    /// Asks, and waits for the answer; nothing else may be under way.
    ///
    /// # Errors
    /// If there is none.
    pub fn ask(&mut self, command: Command) -> io::Result<Command> {
        self.ask_as([0; 4], command)
    }

    fn ask_as(&mut self, msgid: MsgId, command: Command) -> io::Result<Command> {
        self.send(msgid, command)?;
        self.flush()?;
        Ok(self.receive()?.command)
    }

    /// Asks, and wants this answer.
    ///
    /// # Errors
    /// If there is another one, or none.
    pub fn want(&mut self, command: Command, wanted: &Command) -> io::Result<()> {
        self.want_as([0; 4], command, wanted)
    }

    /// As [`Line::want`], under a msgid that is not of no account.
    ///
    /// # Errors
    /// As there.
    pub fn want_as(&mut self, msgid: MsgId, command: Command, wanted: &Command) -> io::Result<()> {
        match self.ask_as(msgid, command)? {
            answer if answer == *wanted => Ok(()),
            answer => Err(io::Error::other(format!("{wanted:?} was wanted, {answer:?} came"))),
        }
    }

    /// Writes frames that were made before, and reads so many SUCCESSes, both at once.
    ///
    /// # Errors
    /// If anything else is answered, or not everything.
    pub fn pour(mut self, frames: &[u8], count: usize) -> io::Result<()> {
        let mut writing = self.socket.try_clone()?;
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || writing.write_all(frames));
            self.successes(count)?;
            writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")))
        })
    }

    fn payload(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(payload) = self.codec.decode(&mut self.read).map_err(io::Error::other)? {
                return Ok(payload);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let had = self.read.len();
        self.read.resize(had + READ, 0);
        let read = self.socket.read(&mut self.read[had..]);
        self.read.truncate(had + *read.as_ref().unwrap_or(&0));
        match read? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            _ => Ok(()),
        }
    }

    /// Reads so many frames that must all be SUCCESS. They are all of the same length and are not decoded.
    fn successes(&mut self, count: usize) -> io::Result<()> {
        const LENGTH: usize = 17;
        const SUCCESS: u8 = 16;
        let mut left = count;
        while left > 0 {
            self.fill()?;
            let (frames, _) = self.read.as_chunks::<LENGTH>();
            if let Some(other) =
                frames.iter().find(|frame| !frame.starts_with(b"\0RES") || frame[LENGTH - 1] != SUCCESS)
            {
                return Err(io::Error::other(format!("no SUCCESS: {other:?}")));
            }
            let whole = frames.len();
            left = left.saturating_sub(whole);
            self.read.advance(whole * LENGTH);
        }
        Ok(())
    }
}

impl Socket {
    fn connect(url: &str, patience: Duration) -> io::Result<Self> {
        if let Some(path) = url.strip_prefix("unix://") {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            return Ok(Self::Unix(stream));
        }
        let stream = TcpStream::connect(url.trim_start_matches("tcp://"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self::Tcp(stream))
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}
