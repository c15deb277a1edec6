//! What real programs said to the reference server, said to ours: the same answers come back, and the same connections
//! are closed. Only what has to differ is not compared: connection ids, the present time, and funcs that other
//! recordings left behind.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::HashMap;

use bytes::BytesMut;
use common::recorded::{self, Frame, Line};
use common::{PATIENCE, Running};
use periodic::server::FuncStatus;
use periodic::transport::Stream;
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, FrameReader, MsgId, Packet};
use periodic::{Connect, Job};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::codec::Decoder;

/// The recordings of what this server serves.
const REPLAYED: [&str; 8] = [
    "01_register",
    "03_framing_errors",
    "06_config",
    "07_work_done",
    "08_work_fail",
    "15_unassigned",
    "18_roles",
    "24_pipelined",
];

struct Conn {
    frames: FrameReader<ReadHalf<Box<dyn Stream>>>,
    write: WriteHalf<Box<dyn Stream>>,
    /// Frames that came before their turn.
    early: Vec<Packet>,
}

impl Conn {
    async fn open(server: &Running) -> Self {
        let (read, write) = tokio::io::split(server.endpoint.connect().await.unwrap());
        let frames = FrameReader::new(read, FrameCodec::client(DEFAULT_MAX_PAYLOAD));
        Self { frames, write, early: Vec::new() }
    }

    /// The frame that answers, or assigns under, this msgid, in whatever order the server sends.
    async fn next(&mut self, msgid: MsgId, code: u8) -> Option<Packet> {
        let wanted = |packet: &Packet| packet.msgid == msgid && packet.command.code() == code;
        if let Some(at) = self.early.iter().position(wanted) {
            return Some(self.early.remove(at));
        }
        loop {
            let payload = tokio::time::timeout(PATIENCE, self.frames.next()).await.ok()?.ok()??;
            let packet = Packet::decode(payload).unwrap();
            if wanted(&packet) {
                return Some(packet);
            }
            self.early.push(packet);
        }
    }
}

/// What can be compared of an answer.
fn comparable(packet: Packet, func: &str) -> String {
    match packet.command {
        Command::JobAssign(job) => format!("{:?}", Job { sched_at: 0, ..job }),
        Command::Data(text) => {
            let ours = FuncStatus::parse_all(&text).into_iter().filter(|status| status.func == func.as_bytes());
            format!("{:?}", ours.map(|status| FuncStatus { sched_at: 0, ..status }).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

async fn replay(file: &str) {
    let server = Running::start().await;
    let func = format!("g{}", &file[..2]);
    let mut conns: HashMap<String, Conn> = HashMap::new();
    for line in recorded::read(file) {
        match line {
            Line::Frame(Frame { conn, to_server: true, bytes, remark }) => {
                if remark.contains(" register") {
                    conns.insert(conn.clone(), Conn::open(&server).await);
                }
                conns.get_mut(&conn).unwrap().write.write_all(&bytes).await.unwrap();
            }
            Line::Frame(Frame { conn, to_server: false, bytes, remark }) => {
                let mut codec = FrameCodec::client(DEFAULT_MAX_PAYLOAD);
                let payload = codec.decode(&mut BytesMut::from(bytes.as_slice())).unwrap().unwrap();
                let conn = conns.get_mut(&conn).unwrap();
                if remark.contains("registration reply") {
                    let reply = conn.frames.next().await.unwrap().unwrap();
                    assert_eq!((reply.len(), reply[0]), (payload.len(), payload[0]));
                    continue;
                }
                let expected = Packet::decode(payload).unwrap();
                let got = conn.next(expected.msgid, expected.command.code()).await;
                let got = got.unwrap_or_else(|| panic!("{file}: nothing came for {remark}; early: {:?}", conn.early));
                let expected = comparable(expected, &func);
                // The reference server says SUCCESS before it stores, so its STATUS may know less.
                if expected != "[]" {
                    assert_eq!(comparable(got, &func), expected, "{file}: {remark}");
                }
            }
            Line::ServerClosed(conn) => {
                if let Some(mut conn) = conns.remove(&conn) {
                    let end = tokio::time::timeout(PATIENCE, conn.frames.next()).await.unwrap();
                    assert!(!matches!(end, Ok(Some(_))), "{file}: {end:?} instead of the end");
                }
            }
            Line::PeerClosed(conn) => {
                conns.remove(&conn);
            }
        }
    }
}

#[tokio::test]
async fn recorded_sessions_get_the_recorded_answers() {
    for file in REPLAYED {
        replay(file).await;
    }
}
