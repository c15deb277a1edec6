//! What real programs said to the reference server, said to ours: the same answers come back, and the same connections
//! are closed. Only what has to differ is not compared: connection ids, the present time, and funcs that other
//! recordings left behind.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use common::recorded::{self, Frame, Line};
use common::{A_WHILE, PATIENCE, Peer, Running};
use periodic::server::{AuthFile, FuncStatus, ServerOptions};
use periodic::transport::Stream;
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, FrameReader, MsgId, Packet, Registration};
use periodic::{Connect, Endpoint, Job};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::sync::CancellationToken;

/// What ours, on purpose, does in another way than the reference server did.
struct Departure {
    file: &'static str,
    /// How the remark on the reference server's frame begins.
    at: &'static str,
    /// What comes instead; `None`: nothing is waited for.
    ours: Option<&'static str>,
}

const fn departure(file: &'static str, at: &'static str, ours: Option<&'static str>) -> Departure {
    Departure { file, at, ours }
}

/// A job that is not this connection's takes no lock, and its worker is told to forget it.
const NO_LOCK: Option<&str> = Some("Acquired(false)");

const ONE_JOB: &str = r#"[FuncStatus { func: b"g25", workers: 0, jobs: 1, running: 0, locked: 0, sched_at: 0 }]"#;

const OWN_RUNS: &str = r#"[FuncStatus { func: b"own", workers: 1, jobs: 1, running: 1, locked: 0, sched_at: 0 }]"#;

const OWN_IS_KEPT: &str = concat!(
    r#"[Job { key: JobKey { func: b"own", name: b"del" }, workload: b"", sched_at: 0, count: 0, timeout: 0 }, "#,
    r#"Job { key: JobKey { func: b"own", name: b"n" }, workload: b"", sched_at: 0, count: 0, timeout: 10 }]"#
);

const DEPARTURES: &[Departure] = &[
    departure("13_locks", "# t=0.152 msgid=00000005", NO_LOCK),
    departure("13_locks", "# t=0.153 msgid=00000006", NO_LOCK),
    // Equal jobs come in the order of their submission, not of their names.
    departure("20_order", "# t=0.582 msgid=00000064", None),
    departure("20_order", "# t=0.619 msgid=00000065", None),
    departure("20_order", "# t=0.652 msgid=00000066", None),
    departure("20_order", "# t=0.684 msgid=00000067", None),
    departure("20_order", "# t=0.720 msgid=00000068", None),
    departure("20_order", "# t=0.757 msgid=00000069", None),
    // The reference server had not stored the job yet when it answered.
    departure("25_no_cando_workers", "# t=0.060 msgid=00000003", Some(ONE_JOB)),
    // What it lost there had been asked in a part that was not recorded.
    departure("28_misc", "# t=4.320 msgid=00000002", Some("[]")),
    departure("28_misc", "# t=4.321 msgid=00000003", Some("[]")),
    departure("28_misc", "# t=4.322 msgid=00000005", Some("[]")),
    // A worker that does not have the job cannot end it, so it runs on.
    departure("28_misc", "# t=4.438 msgid=00000007", None),
    departure("28_misc", "# t=4.439 msgid=00000009", Some(OWN_RUNS)),
    // Nor is a job deleted that was submitted, because nobody listens to it any more.
    departure("28_misc", "# t=10.108 msgid=0000000c", Some(OWN_IS_KEPT)),
    // It was assigned two seconds earlier, since workers that do not acknowledge keep nobody waiting; so by now it should
    // have been acknowledged.
    departure("28_misc", "# t=22.243 msgid=00000002", None),
];

/// Connections that the reference server closed and ours does not: a worker that has done its job was there, whether it
/// acknowledged the job or not.
const STAY_OPEN: [(&str, &str); 1] = [("16_no_ack", "W2")];

struct Conn {
    frames: FrameReader<ReadHalf<Box<dyn Stream>>>,
    write: WriteHalf<Box<dyn Stream>>,
    /// Frames that came before their turn.
    early: Vec<Packet>,
    /// The reply to its registration has come.
    greeted: bool,
}

impl Conn {
    async fn open(endpoint: &Endpoint) -> Self {
        let (read, write) = tokio::io::split(endpoint.connect().await.unwrap());
        let frames = FrameReader::new(read, FrameCodec::client(32 << 20));
        Self { frames, write, early: Vec::new(), greeted: false }
    }

    /// Waits until the server has handled what was said, as far as it can be asked: requests of one connection are served
    /// in order.
    async fn settle(&mut self) {
        if !self.greeted {
            return;
        }
        let msgid = *b"sync";
        let mut ping = BytesMut::new();
        FrameCodec::client(64).encode(&Packet { msgid, command: Command::Ping }, &mut ping).unwrap();
        if self.write.write_all(&ping).await.is_err() {
            return;
        }
        while let Ok(Ok(Some(payload))) = tokio::time::timeout(PATIENCE, self.frames.next()).await {
            let packet = Packet::decode(payload).unwrap();
            if packet.msgid == msgid {
                return;
            }
            self.early.push(packet);
        }
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

/// What can be compared of an answer. What the text of a DATA is depends on the `asked` command.
fn comparable(packet: Packet, asked: u8, func: Option<&str>) -> String {
    match packet.command {
        Command::JobAssign(job) => format!("{:?}", Job { sched_at: 0, ..job }),
        Command::Data(text) if asked == Command::Status.code() => {
            let ours = FuncStatus::parse_all(&text).into_iter();
            let ours = ours.filter(|status| func.is_none_or(|func| status.func == func.as_bytes()));
            format!("{:?}", ours.map(|status| FuncStatus { sched_at: 0, ..status }).collect::<Vec<_>>())
        }
        Command::Data(body) if asked == Command::Dump.code() => {
            // A LOAD's arguments are a DUMP's answer.
            let load = [&[0, 0, 0, 0, Command::Load(Vec::new()).code()], body.as_ref()].concat();
            let Command::Load(jobs) = Packet::decode(load.into()).unwrap().command else { panic!("a LOAD") };
            let ours = jobs.into_iter().filter(|job| func.is_none_or(|func| job.key.func == func.as_bytes()));
            format!("{:?}", ours.map(|job| Job { sched_at: 0, ..job }).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

/// The reference server's options in the recording.
fn options(file: &str) -> ServerOptions {
    let max_payload = if file == "28_misc" { 32 << 20 } else { DEFAULT_MAX_PAYLOAD };
    ServerOptions { max_payload, remote_shutdown: file == "27_shutdown", ..ServerOptions::default() }
}

async fn replay(file: &str) {
    let server = Running::with_options(options(file)).await;
    let (endpoint, requested) = (server.endpoint.clone(), server.server.shutdown_requested());
    let stop = CancellationToken::new();
    let until_stopped = async {
        tokio::select! {
            () = requested => {}
            () = stop.cancelled() => {}
        }
        server.stop().await;
    };
    // It has a server of its own, and funcs of other names.
    let func = (file != "28_misc").then(|| format!("g{}", &file[..2]));
    let playing = async {
        play(file, &endpoint, func.as_deref(), async |_| {}).await;
        stop.cancel();
    };
    tokio::join!(until_stopped, playing);
}

/// What a peer is about to do: open a connection, or say something with this msgid.
#[derive(Clone, Copy)]
enum Moment<'a> {
    Opens(&'a str),
    Says(&'a str, u32),
}

/// Says what was said on every connection, and compares what comes back. `before` is called before each
/// thing that a peer does.
async fn play(file: &str, endpoint: &Endpoint, func: Option<&str>, mut before: impl AsyncFnMut(Moment<'_>)) {
    let mut conns: HashMap<String, Conn> = HashMap::new();
    let mut asked: HashMap<(String, MsgId), u8> = HashMap::new();
    let mut last = String::new();
    for line in recorded::read(file) {
        match line {
            Line::Frame(Frame { conn, to_server: true, bytes, remark }) => {
                if last != conn
                    && let Some(last) = conns.get_mut(&last)
                {
                    last.settle().await;
                }
                last.clone_from(&conn);
                if remark.contains(" register") {
                    before(Moment::Opens(&conn)).await;
                    conns.insert(conn.clone(), Conn::open(endpoint).await);
                } else if let Some(packet) = decode(&bytes, FrameCodec::server(64 << 20)) {
                    before(Moment::Says(&conn, u32::from_be_bytes(packet.msgid))).await;
                    asked.insert((conn.clone(), packet.msgid), packet.command.code());
                }
                // Some frames were recorded without their connection's beginning.
                if let Some(conn) = conns.get_mut(&conn) {
                    // It may be about to be closed by the server.
                    let _closed = conn.write.write_all(&bytes).await;
                }
            }
            Line::Frame(Frame { conn, to_server: false, bytes, remark }) => {
                let name = conn.clone();
                let Some(conn) = conns.get_mut(&conn) else { continue };
                if remark.contains("registration reply") {
                    let reply = conn.frames.next().await.unwrap().unwrap();
                    assert_eq!((reply.len(), reply[0]), (5, 30), "{file}: {remark}");
                    conn.greeted = true;
                    continue;
                }
                let Some(expected) = decode(&bytes, FrameCodec::client(64 << 20)) else { continue };
                let departure = DEPARTURES.iter().find(|at| at.file == file && remark.trim_start().starts_with(at.at));
                if departure.is_some_and(|departure| departure.ours.is_none()) {
                    continue;
                }
                let got = conn.next(expected.msgid, expected.command.code()).await;
                let got = got.unwrap_or_else(|| panic!("{file}: nothing came for {remark}; early: {:?}", conn.early));
                let asked = asked.get(&(name, expected.msgid)).copied().unwrap_or_default();
                if let Some(Departure { ours: Some(ours), .. }) = departure {
                    assert_eq!(comparable(got, asked, func), *ours, "{file}: {remark}");
                    continue;
                }
                let expected = comparable(expected, asked, func);
                // The reference server says SUCCESS before it stores, so its STATUS may know less.
                if expected != "[]" {
                    assert_eq!(comparable(got, asked, func), expected, "{file}: {remark}");
                }
            }
            Line::ServerClosed(conn) if STAY_OPEN.contains(&(file, &conn)) => {
                conns.get_mut(&conn).unwrap().settle().await;
            }
            Line::ServerClosed(name) => {
                if let Some(mut conn) = conns.remove(&name) {
                    let end = async { while let Ok(Some(_)) = conn.frames.next().await {} };
                    assert!(tokio::time::timeout(PATIENCE, end).await.is_ok(), "{file}: {name} is to be closed");
                }
            }
            Line::PeerClosed(conn) => {
                conns.remove(&conn);
            }
        }
    }
}

fn decode(frame: &[u8], mut codec: FrameCodec) -> Option<Packet> {
    let payload = codec.decode(&mut BytesMut::from(frame)).ok()??;
    Packet::decode(payload).ok()
}

/// Recordings of workers that act as soon as they are given something: what they say next depends on when that is, and the
/// reference server is a second early with jobs that were put off. `golden_live.rs` plays them.
const LIVE: [&str; 2] = ["33_client_aio_periodic", "34_client_node_periodic"];

#[tokio::test]
async fn recorded_sessions_get_the_recorded_answers() {
    let files: Vec<_> = recorded::files().into_iter().filter(|file| !LIVE.contains(&&**file)).collect();
    assert!(files.len() > 25, "{files:?}");
    // It is about a file of identities, and has a test of its own.
    let files = files.iter().filter(|file| *file != "26_auth");
    futures_util::future::join_all(files.map(|file| replay(file))).await;
}

/// What stood in the reference server's file of identities, at first.
const IDENTITIES: &str = "client client-a token-a fa\nworker worker-a token-w fa\nadmin admin-a token-adm fa\n";

#[tokio::test]
async fn the_recorded_session_with_identities_gets_the_recorded_answers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identities");
    std::fs::write(&path, IDENTITIES).unwrap();
    let options = ServerOptions { auth: Some(AuthFile::read(&path).unwrap()), ..ServerOptions::default() };
    let server = Running::with_options(options).await;
    let endpoint = server.endpoint.clone();
    // Before one new connection, and before that connection's last request, the file was changed.
    let change = async |text: String, name: &str, token: &str, answer: Command| {
        std::fs::write(&path, text).unwrap();
        let (name, token) = (Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(token.as_bytes()));
        let mut probe = Peer::connect(&endpoint, Registration::AuthClient { name, token }).await;
        while probe.ask(Command::Ping).await != answer {
            tokio::time::sleep(A_WHILE).await;
        }
    };
    play("26_auth", &endpoint, None, async |moment| match moment {
        Moment::Opens("CLB") => {
            change(format!("{IDENTITIES}client client-b token-b fz\n"), "client-b", "token-b", Command::Pong).await;
        }
        Moment::Says("CLB", 2) => {
            change(format!("{IDENTITIES}client client-b other fz\n"), "client-b", "token-b", Command::NoWorker).await;
        }
        _ => {}
    })
    .await;
    server.stop().await;
}
