//! Frames: magic, size, checksum, payload (PROTOCOL §1).

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::codec::{Decoder, Encoder};

use super::{Packet, Registration, WireError};

const REQUEST: [u8; 4] = *b"\0REQ";
const RESPONSE: [u8; 4] = *b"\0RES";
/// Magic, size and checksum.
const HEADER: usize = 12;

/// The largest payload that is read or written unless told: 16 MiB.
pub const DEFAULT_MAX_PAYLOAD: usize = 16 << 20;

/// What a JOB_ASSIGN may add to the SUBMIT_JOB that the other side accepted (its count and its timeout), and to spare.
const ASSIGN_SLACK: usize = 64;

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// Cuts a byte stream into payloads, and frames what is sent.
///
/// Bytes before a magic are skipped silently. A payload over the limit or one that does not fit its checksum is an
/// error, after which the stream has no meaning: close it.
#[derive(Debug, Clone)]
pub struct FrameCodec {
    sends: [u8; 4],
    /// The server takes either magic, a client only the server's.
    takes_request: bool,
    max_payload: usize,
    max_received: usize,
}

impl FrameCodec {
    /// For the side that listens. `max_payload` bounds what is received; what the server itself makes, such as a DUMP's
    /// answer, is bounded where it is made.
    pub fn server(max_payload: usize) -> Self {
        Self { sends: RESPONSE, takes_request: true, max_payload: u32::MAX as usize, max_received: max_payload }
    }

    /// For the side that connects: clients and workers.
    pub fn client(max_payload: usize) -> Self {
        Self { sends: REQUEST, takes_request: false, max_payload, max_received: max_payload + ASSIGN_SLACK }
    }

    /// Drops bytes up to the first that may begin a frame. True when the whole magic is there.
    fn find_magic(&self, from: &mut BytesMut) -> bool {
        loop {
            let Some(start) = from.iter().position(|byte| *byte == 0) else {
                from.clear();
                return false;
            };
            from.advance(start);
            let head = &from[..from.len().min(4)];
            if RESPONSE.starts_with(head) || (self.takes_request && REQUEST.starts_with(head)) {
                return head.len() == 4;
            }
            from.advance(1);
        }
    }

    /// Appends a frame around what `payload` appends. On an error `to` is as it was.
    fn frame(
        &self,
        to: &mut BytesMut,
        payload: impl FnOnce(&mut BytesMut) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let start = to.len();
        let body = start + HEADER;
        to.resize(body, 0);
        let size = payload(to).and_then(|()| {
            let size = to.len() - body;
            let max = self.max_payload.min(u32::MAX as usize);
            if size > max { Err(WireError::TooLarge { size, max }) } else { Ok(size as u32) }
        });
        match size {
            Ok(size) => {
                let checksum = crc32fast::hash(&to[body..]);
                to[start..start + 4].copy_from_slice(&self.sends);
                to[start + 4..start + 8].copy_from_slice(&size.to_be_bytes());
                to[start + 8..body].copy_from_slice(&checksum.to_be_bytes());
                Ok(())
            }
            Err(error) => {
                to.truncate(start);
                Err(error)
            }
        }
    }
}

impl Decoder for FrameCodec {
    type Item = Bytes;
    type Error = WireError;

    fn decode(&mut self, from: &mut BytesMut) -> Result<Option<Bytes>, WireError> {
        if !self.find_magic(from) || from.len() < HEADER {
            return Ok(None);
        }
        let mut header = &from[4..HEADER];
        let (size, checksum) = (header.get_u32() as usize, header.get_u32());
        if size > self.max_received {
            return Err(WireError::TooLarge { size, max: self.max_received });
        }
        if from.len() < HEADER + size {
            // Not for all that is announced: who announces need not send. A buffer that fills doubles.
            from.reserve((HEADER + size - from.len()).min(from.len().max(READ_SIZE)));
            return Ok(None);
        }
        from.advance(HEADER);
        let payload = from.split_to(size).freeze();
        if crc32fast::hash(&payload) != checksum {
            return Err(WireError::BadChecksum);
        }
        Ok(Some(payload))
    }
}

impl Encoder<&Packet> for FrameCodec {
    type Error = WireError;

    fn encode(&mut self, packet: &Packet, to: &mut BytesMut) -> Result<(), WireError> {
        self.frame(to, |to| packet.encode(to))
    }
}

impl Encoder<&Registration> for FrameCodec {
    type Error = WireError;

    fn encode(&mut self, registration: &Registration, to: &mut BytesMut) -> Result<(), WireError> {
        self.frame(to, |to| {
            registration.encode(to);
            Ok(())
        })
    }
}

/// A payload as it is: for the reply to a registration, which has no msgid.
impl Encoder<&[u8]> for FrameCodec {
    type Error = WireError;

    fn encode(&mut self, payload: &[u8], to: &mut BytesMut) -> Result<(), WireError> {
        self.frame(to, |to| {
            to.extend_from_slice(payload);
            Ok(())
        })
    }
}

/// Reads payloads off a stream, as many at once as have arrived.
#[derive(Debug)]
pub struct FrameReader<R> {
    io: R,
    codec: FrameCodec,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `io`.
    pub fn new(io: R, codec: FrameCodec) -> Self {
        Self { io, codec, buffer: BytesMut::new() }
    }

    /// Goes on with another codec: a server takes larger frames from whoever has said who it is.
    pub fn set_codec(&mut self, codec: FrameCodec) {
        self.codec = codec;
    }

    /// The next payload, without waiting, if all of it has been read already.
    ///
    /// # Errors
    /// What [`FrameCodec`] finds wrong.
    pub fn buffered(&mut self) -> Result<Option<Bytes>, WireError> {
        if self.buffer.is_empty() { Ok(None) } else { self.codec.decode(&mut self.buffer) }
    }

    /// The next payload; `None` at the end of the stream. Cancelling it loses nothing.
    ///
    /// # Errors
    /// What [`FrameCodec`] finds wrong, and the stream's own errors.
    pub async fn next(&mut self) -> Result<Option<Bytes>, WireError> {
        loop {
            if let Some(payload) = self.buffered()? {
                return Ok(Some(payload));
            }
            self.buffer.reserve(READ_SIZE);
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}
