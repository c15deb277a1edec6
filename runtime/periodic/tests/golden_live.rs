//! What the Python and the node client said to the reference server, said to ours, where their workers are given jobs in
//! another order and at other times: the reference server is a second early with jobs that were put off.
//!
//! So a worker says what it said about a job when it is given that job, as it would if it were there, and grabs again; the
//! rest is said in the order of the recording. Whoever speaks about a job, or about all of them, does so after everybody
//! who spoke about it before.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::recorded::{self, Line};
use common::{PATIENCE, Running};
use periodic::server::{FuncStatus, ServerOptions};
use periodic::transport::Stream;
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, FrameReader, MsgId, Packet};
use periodic::{Connect, Endpoint, Job, JobKey};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::codec::{Decoder, Encoder};

/// A line of a recording.
enum Said {
    /// A new connection says what it is.
    Register {
        conn: String,
        bytes: Vec<u8>,
        is_worker: bool,
    },
    ToServer {
        conn: String,
        packet: Packet,
        at: Duration,
    },
    FromServer {
        conn: String,
        packet: Packet,
    },
    Closed {
        conn: String,
    },
}

struct Recording {
    lines: Vec<Said>,
    /// What a worker said about each job: the lines.
    works: HashMap<JobKey, Vec<usize>>,
    /// The jobs as they were assigned.
    assigned: HashMap<JobKey, VecDeque<Job>>,
}

impl Recording {
    fn read(file: &str) -> Self {
        let mut recording = Self { lines: Vec::new(), works: HashMap::new(), assigned: HashMap::new() };
        for line in recorded::read(file) {
            let said = match line {
                Line::PeerClosed(conn) => Said::Closed { conn },
                Line::ServerClosed(_) => continue,
                Line::Frame(frame) if frame.remark.contains(" register") => {
                    Said::Register { conn: frame.conn, bytes: frame.bytes, is_worker: frame.remark.contains("WORKER") }
                }
                Line::Frame(frame) if frame.remark.contains("registration reply") => continue,
                Line::Frame(frame) if frame.to_server => {
                    let packet = decode(&frame.bytes, FrameCodec::server(DEFAULT_MAX_PAYLOAD));
                    if let Some(key) = work_of(&packet.command) {
                        recording.works.entry(key.clone()).or_default().push(recording.lines.len());
                    }
                    Said::ToServer { conn: frame.conn, packet, at: time(&frame.remark) }
                }
                Line::Frame(frame) => {
                    let packet = decode(&frame.bytes, FrameCodec::client(DEFAULT_MAX_PAYLOAD));
                    if let Command::JobAssign(job) = &packet.command {
                        recording.assigned.entry(job.key.clone()).or_default().push_back(job.clone());
                    }
                    Said::FromServer { conn: frame.conn, packet }
                }
            };
            recording.lines.push(said);
        }
        recording
    }

    fn said(&self, line: usize) -> (&Packet, Duration) {
        let Said::ToServer { packet, at, .. } = &self.lines[line] else { panic!("line {line} was not said by a peer") };
        (packet, *at)
    }

    /// What the server answered to this line.
    fn answer(&self, line: usize) -> &Packet {
        let Said::ToServer { conn: asker, packet: asked, .. } = &self.lines[line] else { panic!("nobody asked") };
        let mut answers = self.lines[line..].iter().filter_map(|line| match line {
            Said::FromServer { conn, packet } if conn == asker && packet.msgid == asked.msgid => Some(packet),
            _ => None,
        });
        answers.find(|packet| !matches!(packet.command, Command::JobAssign(_))).unwrap()
    }
}

fn decode(frame: &[u8], mut codec: FrameCodec) -> Packet {
    Packet::decode(codec.decode(&mut BytesMut::from(frame)).unwrap().unwrap()).unwrap()
}

/// When a line was said, since the recording began.
fn time(remark: &str) -> Duration {
    let seconds = remark.split_once("t=").unwrap().1.split(' ').next().unwrap();
    Duration::from_secs_f64(seconds.parse().unwrap())
}

/// The job that a worker speaks about.
fn work_of(command: &Command) -> Option<&JobKey> {
    match command {
        Command::SchedLater { key, .. }
        | Command::WorkDone { key, .. }
        | Command::WorkFail(key)
        | Command::WorkData { key, .. }
        | Command::Acquire { key, .. }
        | Command::Release { key, .. } => Some(key),
        _ => None,
    }
}

/// Is the other one to wait until this was said about that job?
fn concerns(command: &Command, key: &JobKey) -> bool {
    match command {
        Command::SubmitJob(job) | Command::RunJob(job) | Command::RecvData(job) => job.key == *key,
        Command::RemoveJob(removed) => removed == key,
        Command::DropFunc(func) => *func == key.func,
        Command::Status | Command::Dump => true,
        _ => false,
    }
}

/// A connection to our server.
struct Link {
    is_worker: bool,
    write: tokio::sync::Mutex<WriteHalf<Box<dyn Stream>>>,
    /// What came and was not asked for yet.
    came: Mutex<VecDeque<Packet>>,
}

/// A recording that is played.
struct Session {
    recording: Recording,
    /// Lines of peers that were said.
    said: Mutex<HashSet<usize>>,
    /// How far each worker has come with what it says about a job.
    works: Mutex<HashMap<JobKey, usize>>,
    assigned: Mutex<HashMap<JobKey, VecDeque<Job>>>,
    /// Workers at work.
    working: Mutex<Vec<JoinHandle<()>>>,
    /// Something came, or was said.
    news: Notify,
    /// The beginnings of the funcs that are its own.
    funcs: &'static str,
}

impl Session {
    async fn until<T>(&self, what: &str, mut is: impl FnMut() -> Option<T>) -> T {
        let wait = async {
            loop {
                let news = self.news.notified();
                tokio::pin!(news);
                news.as_mut().enable();
                if let Some(found) = is() {
                    return found;
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        found.unwrap_or_else(|_| panic!("{what} was waited for; of each job so much was said: {:?}", self.works))
    }

    async fn say(&self, link: &Link, packet: Packet) {
        let mut bytes = BytesMut::new();
        FrameCodec::client(DEFAULT_MAX_PAYLOAD).encode(&packet, &mut bytes).unwrap();
        link.write.lock().await.write_all(&bytes).await.unwrap();
    }

    async fn say_line(&self, link: &Link, line: usize) {
        self.say(link, self.recording.said(line).0.clone()).await;
        self.mark(line);
    }

    fn mark(&self, line: usize) {
        self.said.lock().unwrap().insert(line);
        self.news.notify_waiters();
    }

    /// The next thing that came under this msgid.
    async fn next(&self, link: &Link, msgid: MsgId) -> Command {
        let came = || {
            let mut came = link.came.lock().unwrap();
            let at = came.iter().position(|packet| packet.msgid == msgid)?;
            came.remove(at).map(|packet| packet.command)
        };
        self.until(&format!("an answer under {msgid:02x?}"), came).await
    }

    /// Waits until everything was said about jobs that `is_about`, in lines before this one, by workers or by others.
    async fn until_said(&self, line: usize, by_workers: bool, is_about: impl Fn(&Command) -> bool) {
        let lines = self.recording.lines[..line].iter().enumerate().filter_map(|(at, line)| match line {
            Said::ToServer { packet, .. } if work_of(&packet.command).is_some() == by_workers => {
                is_about(&packet.command).then_some(at)
            }
            _ => None,
        });
        let lines: Vec<usize> = lines.collect();
        let all = || lines.iter().all(|line| self.said.lock().unwrap().contains(line)).then_some(());
        self.until(&format!("what comes before line {line}"), all).await;
    }

    /// Waits until all work is over, and sees that nothing was wrong with it.
    async fn until_idle(&self) {
        loop {
            let work = self.working.lock().unwrap().pop();
            let Some(work) = work else { return };
            work.await.unwrap();
        }
    }

    /// Reads what the server says to a connection.
    async fn listen(self: Arc<Self>, link: Arc<Link>, mut frames: FrameReader<ReadHalf<Box<dyn Stream>>>) {
        while let Ok(Some(payload)) = frames.next().await {
            let packet = Packet::decode(payload).unwrap();
            if let Command::JobAssign(job) = packet.command {
                let work = tokio::spawn(Arc::clone(&self).work(Arc::clone(&link), packet.msgid, job));
                self.working.lock().unwrap().push(work);
            } else {
                link.came.lock().unwrap().push_back(packet);
                self.news.notify_waiters();
            }
        }
    }

    /// Says what the worker said when it was given this job.
    async fn work(self: Arc<Self>, link: Arc<Link>, grab: MsgId, job: Job) {
        let expected = {
            let mut assigned = self.assigned.lock().unwrap();
            let jobs = assigned.get_mut(&job.key).unwrap_or_else(|| panic!("{job:?} was not assigned"));
            // Refused a lock, a job may be assigned more often than it was.
            if jobs.len() > 1 { jobs.pop_front() } else { jobs.front().cloned() }
        };
        assert_eq!(Some(Job { sched_at: 0, ..job.clone() }), expected.map(|job| Job { sched_at: 0, ..job }));
        self.say(&link, Packet { msgid: grab, command: Command::JobAssigned }).await;
        while self.work_on(&link, &job.key).await {}
        self.say(&link, Packet { msgid: grab, command: Command::GrabJob }).await;
        assert_eq!(self.next(&link, grab).await, Command::Success);
    }

    /// Says the next thing about a job. False: this run of it is over.
    async fn work_on(&self, link: &Link, key: &JobKey) -> bool {
        let lines = &self.recording.works[key];
        let at = self.works.lock().unwrap().get(key).copied().unwrap_or_default();
        let line = *lines.get(at).unwrap_or_else(|| panic!("{key:?} was assigned again after its end"));
        self.until_said(line, false, |command| concerns(command, key)).await;
        let (packet, time) = self.recording.said(line);
        // It holds a lock as long as it did.
        if at > 0 && matches!(self.recording.said(lines[at - 1]).0.command, Command::Acquire { .. }) {
            tokio::time::sleep(time - self.recording.said(lines[at - 1]).1).await;
        }
        self.say(link, packet.clone()).await;
        let got = self.next(link, packet.msgid).await;
        let is_acquire = |line: &usize| matches!(self.recording.said(*line).0.command, Command::Acquire { .. });
        let last_acquire = lines.iter().rposition(is_acquire);
        let (next, goes_on) = match (&packet.command, &got) {
            // It got the lock, now or later than it did.
            (Command::Acquire { .. }, Command::Acquired(true)) => (last_acquire.unwrap() + 1, true),
            (Command::Acquire { .. }, Command::Acquired(false)) if last_acquire == Some(at) => (at, false),
            (Command::Acquire { .. }, Command::Acquired(false)) => (at + 1, false),
            (command, _) => {
                assert_eq!(got, self.recording.answer(line).command, "{packet:?}");
                (at + 1, matches!(command, Command::WorkData { .. } | Command::Release { .. }))
            }
        };
        self.works.lock().unwrap().insert(key.clone(), next);
        lines[at..next].iter().for_each(|line| self.mark(*line));
        goes_on
    }

    /// What can be compared of an answer.
    fn comparable(&self, command: &Command, asked: &Command) -> String {
        match (command, asked) {
            (Command::Data(text), Command::Status) => {
                let ours = FuncStatus::parse_all(text).into_iter();
                let ours = ours.filter(|status| status.func.starts_with(self.funcs.as_bytes()));
                format!("{:?}", ours.map(|status| FuncStatus { sched_at: 0, ..status }).collect::<Vec<_>>())
            }
            _ => format!("{command:?}"),
        }
    }
}

/// The connections that are open, oldest first.
#[derive(Default)]
struct Links(Vec<(String, Arc<Link>)>);

impl Links {
    async fn open(&mut self, session: &Arc<Session>, endpoint: &Endpoint, conn: &str, bytes: &[u8], is_worker: bool) {
        let (read, mut write) = tokio::io::split(endpoint.connect().await.unwrap());
        write.write_all(bytes).await.unwrap();
        let mut frames = FrameReader::new(read, FrameCodec::client(DEFAULT_MAX_PAYLOAD));
        let greeting: Bytes = frames.next().await.unwrap().unwrap();
        assert_eq!((greeting.len(), greeting[0]), (5, Command::Data(Bytes::new()).code()));
        let link = Arc::new(Link { is_worker, write: tokio::sync::Mutex::new(write), came: Mutex::default() });
        tokio::spawn(Arc::clone(session).listen(Arc::clone(&link), frames));
        self.0.push((conn.to_owned(), link));
    }

    /// In one of the recordings all connections have one name: the newest of those that may speak so is meant.
    fn of(&self, conn: &str, command: &Command) -> Arc<Link> {
        let workers_only = matches!(command, Command::CanDo(_) | Command::GrabJob | Command::Broadcast(_));
        let may = |link: &Link| matches!(command, Command::Ping) || link.is_worker == workers_only;
        let found = self.0.iter().rev().find(|(name, link)| name == conn && may(link));
        Arc::clone(&found.unwrap_or_else(|| panic!("nobody says {command:?}")).1)
    }

    /// Of several connections with one name a client closes first, and the oldest.
    async fn close(&mut self, conn: &str) {
        let named = |(name, _): &(String, Arc<Link>)| name == conn;
        let client = self.0.iter().position(|link| named(link) && !link.1.is_worker);
        let at = client.or_else(|| self.0.iter().position(named)).unwrap();
        let (_, link) = self.0.remove(at);
        link.write.lock().await.shutdown().await.unwrap();
    }
}

async fn play(file: &str, funcs: &'static str) {
    let server = Running::with_options(ServerOptions::default()).await;
    let recording = Recording::read(file);
    let assigned = Mutex::new(recording.assigned.clone());
    let (said, works, working, news) = (Mutex::default(), Mutex::default(), Mutex::default(), Notify::new());
    let session = Arc::new(Session { recording, said, works, assigned, working, news, funcs });
    let mut links = Links::default();
    // Who has asked under each msgid, and which worker grabs under it.
    let mut asked: HashMap<(&str, MsgId), (Arc<Link>, usize)> = HashMap::new();
    let mut grabs: HashMap<MsgId, Arc<Link>> = HashMap::new();
    for (line, said) in session.recording.lines.iter().enumerate() {
        match said {
            Said::Register { conn, bytes, is_worker } => {
                links.open(&session, &server.endpoint, conn, bytes, *is_worker).await;
            }
            Said::Closed { conn } => {
                session.until_said(line, true, |_| true).await;
                session.until_idle().await;
                links.close(conn).await;
            }
            Said::ToServer { packet, .. } if work_of(&packet.command).is_some() => {}
            Said::ToServer { packet: Packet { command: Command::JobAssigned, .. }, .. } => session.mark(line),
            Said::ToServer { conn, packet: packet @ Packet { msgid, command: Command::GrabJob }, .. } => {
                let link = grabs.entry(*msgid).or_insert_with(|| links.of(conn, &packet.command));
                session.say_line(link, line).await;
                assert_eq!(session.next(link, *msgid).await, Command::Success);
            }
            Said::ToServer { conn, packet, .. } => {
                let is_about = |work: &Command| work_of(work).is_some_and(|key| concerns(&packet.command, key));
                session.until_said(line, true, is_about).await;
                let link = links.of(conn, &packet.command);
                session.say_line(&link, line).await;
                asked.insert((conn, packet.msgid), (link, line));
            }
            Said::FromServer { conn, packet } => {
                // What answers a worker is compared where it works.
                let Some((link, line)) = asked.get(&(conn.as_str(), packet.msgid)) else { continue };
                let (question, _) = session.recording.said(*line);
                let got = session.next(link, packet.msgid).await;
                let [got, expected] =
                    [&got, &packet.command].map(|answer| session.comparable(answer, &question.command));
                assert_eq!(got, expected, "{file}: {question:?}");
            }
        }
    }
    server.stop().await;
    let works = session.works.lock().unwrap();
    for (key, lines) in &session.recording.works {
        assert_eq!(works.get(key), Some(&lines.len()), "{file}: {key:?} was not worked on to its end");
    }
}

#[tokio::test]
async fn what_the_python_client_said_gets_the_recorded_answers() {
    play("33_client_aio_periodic", "py_").await;
}

#[tokio::test]
async fn what_the_node_client_said_gets_the_recorded_answers() {
    play("34_client_node_periodic", "test").await;
}
