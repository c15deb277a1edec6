//! A server's side of one connection, that says exactly what a test wants said.

use std::time::Duration;

use bytes::BytesMut;
use periodic::Listener;
use periodic::transport::Stream;
use periodic::wire::{Command, FrameCodec, FrameReader, MsgId, Packet};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::codec::Encoder;

use super::PATIENCE;

/// The largest frame taken.
const MAX_PAYLOAD: usize = 8 << 20;

pub struct Scripted {
    frames: FrameReader<ReadHalf<Box<dyn Stream>>>,
    write: WriteHalf<Box<dyn Stream>>,
}

impl Scripted {
    /// The next connection, registered and greeted.
    pub async fn accept(listener: &Listener) -> Self {
        let (read, write) = tokio::io::split(listener.accept().await.unwrap().open().await.unwrap());
        let mut server = Self { frames: FrameReader::new(read, FrameCodec::server(MAX_PAYLOAD)), write };
        server.frames.next().await.unwrap().expect("a registration");
        let mut greeting = BytesMut::new();
        FrameCodec::server(1024).encode([30, 1, 2, 3, 4].as_slice(), &mut greeting).unwrap();
        server.write.write_all(&greeting).await.unwrap();
        server
    }

    pub async fn send(&mut self, msgid: MsgId, command: Command) {
        let mut bytes = BytesMut::new();
        FrameCodec::server(MAX_PAYLOAD).encode(&Packet { msgid, command }, &mut bytes).unwrap();
        self.write.write_all(&bytes).await.unwrap();
    }

    /// A frame piece by piece, with pauses.
    pub async fn send_slowly(&mut self, msgid: MsgId, command: Command, pieces: usize, pause: Duration) {
        let mut bytes = BytesMut::new();
        FrameCodec::server(MAX_PAYLOAD).encode(&Packet { msgid, command }, &mut bytes).unwrap();
        for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
            self.write.write_all(piece).await.unwrap();
            tokio::time::sleep(pause).await;
        }
    }

    /// The next frame that is not about funcs or room for jobs. A PING that comes meanwhile is answered.
    pub async fn next(&mut self) -> Packet {
        loop {
            let payload = tokio::time::timeout(PATIENCE, self.frames.next()).await.expect("a frame in time");
            let packet = Packet::decode(payload.unwrap().expect("a frame, not the end")).unwrap();
            match packet.command {
                Command::CanDo(_) | Command::GrabJob => {}
                Command::Ping => self.send(packet.msgid, Command::Pong).await,
                _ => return packet,
            }
        }
    }
}
