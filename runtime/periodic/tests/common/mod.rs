//! What the tests share: a server to start, and a peer that says exactly what a test wants said.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(dead_code, unreachable_pub, reason = "a module that each test file includes and uses in part")]

pub mod recorded;
pub mod scripted;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use periodic::server::FuncStatus;
use periodic::transport::Stream;
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, FrameReader, MsgId, Packet, Registration};
use periodic::{Clock, Connect, Endpoint, Job, JobKey, Listener, MemoryStore, Server, ServerOptions, SystemClock};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio_util::codec::Encoder;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes on a busy machine; what waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough that what has not happened by then is taken not to happen.
pub const A_WHILE: Duration = Duration::from_millis(150);

pub fn key(func: &str, name: &str) -> JobKey {
    JobKey { func: Bytes::copy_from_slice(func.as_bytes()), name: Bytes::copy_from_slice(name.as_bytes()) }
}

pub fn job(func: &str, name: &str) -> Job {
    Job { key: key(func, name), workload: Bytes::from(format!("work of {name}")), sched_at: 0, count: 0, timeout: 0 }
}

pub fn name(job: &Job) -> String {
    String::from_utf8(job.key.name.to_vec()).unwrap()
}

/// A clock that stands still until it is moved.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(seconds * 1000)))
    }

    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A store whose commits can be held up.
#[derive(Clone)]
pub struct Gate(Arc<(MemoryStore, tokio::sync::watch::Sender<bool>)>);

impl Gate {
    pub fn new(store: MemoryStore) -> Self {
        Self(Arc::new((store, tokio::sync::watch::Sender::new(true))))
    }

    pub fn close(&self) {
        self.0.1.send_replace(false);
    }

    pub fn open(&self) {
        self.0.1.send_replace(true);
    }
}

#[async_trait::async_trait]
impl periodic::JobStore for Gate {
    async fn apply(&self, ops: Vec<periodic::JobOp>) -> Vec<Result<periodic::JobOpDone, periodic::JobStoreError>> {
        self.0.1.subscribe().wait_for(|open| *open).await.map(drop).unwrap();
        self.0.0.apply(ops).await
    }

    async fn load(&self, seqs: &[periodic::Seq]) -> Result<Vec<Option<Job>>, periodic::JobStoreError> {
        self.0.0.load(seqs).await
    }

    async fn funcs(&self) -> Result<Vec<periodic::StoredFunc>, periodic::JobStoreError> {
        self.0.0.funcs().await
    }
}

/// Connections that a test can break.
#[derive(Clone)]
pub struct Breakable {
    to: Endpoint,
    broken: Arc<std::sync::Mutex<CancellationToken>>,
    /// While it is held, nobody connects.
    pub closed: Arc<tokio::sync::Mutex<()>>,
}

impl Breakable {
    pub fn new(to: &Endpoint) -> Self {
        Self { to: to.clone(), broken: Arc::default(), closed: Arc::default() }
    }

    pub fn break_now(&self) {
        std::mem::take(&mut *self.broken.lock().unwrap()).cancel();
    }
}

#[async_trait::async_trait]
impl Connect for Breakable {
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let _open = self.closed.lock().await;
        let mut far = self.to.connect().await?;
        let (near, mut middle) = tokio::io::duplex(4096);
        let broken = self.broken.lock().unwrap().clone();
        tokio::spawn(async move {
            tokio::select! {
                () = broken.cancelled() => {}
                _ = tokio::io::copy_bidirectional(&mut middle, &mut far) => {}
            }
        });
        Ok(Box::new(near))
    }

    fn peer(&self) -> String {
        "a line that breaks".to_owned()
    }
}

/// A server on a TCP port of its own.
pub struct Running {
    pub server: Server,
    pub endpoint: Endpoint,
    pub shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Running {
    pub async fn start() -> Self {
        Self::with(MemoryStore::new(), Arc::new(SystemClock), ServerOptions::default()).await
    }

    pub async fn with_options(options: ServerOptions) -> Self {
        Self::with(MemoryStore::new(), Arc::new(SystemClock), options).await
    }

    pub async fn with(store: impl periodic::JobStore + 'static, clock: Arc<dyn Clock>, options: ServerOptions) -> Self {
        Self::at(&"tcp://127.0.0.1:0".parse().unwrap(), Arc::new(store), clock, options).await
    }

    pub async fn at(
        endpoint: &Endpoint,
        store: Arc<dyn periodic::JobStore>,
        clock: Arc<dyn Clock>,
        options: ServerOptions,
    ) -> Self {
        let server = Server::start(store, clock, options).await.unwrap();
        let listener = Listener::bind(endpoint).await.unwrap();
        let endpoint = listener.endpoint().clone();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(server.serve(listener, shutdown.clone()));
        Self { server, endpoint, shutdown, serving }
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap();
        tokio::time::timeout(PATIENCE, self.server.stop()).await.expect("the server stops");
    }

    pub async fn client(&self) -> Peer {
        Peer::connect(&self.endpoint, Registration::Client).await
    }

    /// A worker that can do these funcs.
    pub async fn worker(&self, funcs: &[&str]) -> Peer {
        let mut worker = Peer::connect(&self.endpoint, Registration::Worker).await;
        for func in funcs {
            worker.ok(Command::CanDo(Bytes::copy_from_slice(func.as_bytes()))).await;
        }
        worker
    }

    pub fn handle(&self) -> periodic::Handle {
        self.server.handle()
    }

    pub async fn status(&self, func: &str) -> FuncStatus {
        let all = self.server.handle().status().await;
        all.into_iter().find(|status| status.func == func.as_bytes()).expect("the func is known")
    }

    pub async fn submit(&self, job: Job) {
        self.submit_all(vec![job]).await;
    }

    pub async fn submit_all(&self, jobs: Vec<Job>) {
        for result in self.server.handle().submit(jobs).await {
            result.expect("the job is taken");
        }
    }
}

/// One connection, frame by frame.
pub struct Peer {
    frames: FrameReader<ReadHalf<Box<dyn Stream>>>,
    pub write: WriteHalf<Box<dyn Stream>>,
    codec: FrameCodec,
    last: u32,
    /// Frames that came while another was waited for.
    early: Vec<Packet>,
}

impl Peer {
    pub async fn connect(to: &dyn Connect, registration: Registration) -> Self {
        let stream = to.connect().await.unwrap();
        let (read, write) = tokio::io::split(stream);
        let codec = FrameCodec::client(DEFAULT_MAX_PAYLOAD);
        let mut peer = Self { frames: FrameReader::new(read, codec.clone()), write, codec, last: 0, early: Vec::new() };
        let mut bytes = BytesMut::new();
        peer.codec.encode(&registration, &mut bytes).unwrap();
        peer.write.write_all(&bytes).await.unwrap();
        let reply = tokio::time::timeout(PATIENCE, peer.frames.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((reply.len(), reply[0]), (5, 30), "the registration's reply comes first");
        peer
    }

    pub async fn send_as(&mut self, msgid: MsgId, command: Command) {
        let mut bytes = BytesMut::new();
        self.codec.encode(&Packet { msgid, command }, &mut bytes).unwrap();
        self.write.write_all(&bytes).await.unwrap();
    }

    pub async fn send(&mut self, command: Command) -> MsgId {
        self.last += 1;
        let msgid = self.last.to_be_bytes();
        self.send_as(msgid, command).await;
        msgid
    }

    /// The next frame; `None` when the server has closed the connection.
    pub async fn next(&mut self) -> Option<Packet> {
        if !self.early.is_empty() {
            return Some(self.early.remove(0));
        }
        self.read().await
    }

    async fn read(&mut self) -> Option<Packet> {
        let payload = tokio::time::timeout(PATIENCE, self.frames.next()).await.expect("a frame comes in time");
        // A connection that is reset is closed, too.
        payload.ok().flatten().map(|payload| Packet::decode(payload).unwrap())
    }

    /// The answer to a request.
    pub async fn answer(&mut self, msgid: MsgId) -> Command {
        loop {
            let packet = self.read().await.expect("an answer, not the end");
            if packet.msgid == msgid && !matches!(packet.command, Command::JobAssign(_)) {
                return packet.command;
            }
            self.early.push(packet);
        }
    }

    pub async fn ask(&mut self, command: Command) -> Command {
        let msgid = self.send(command).await;
        self.answer(msgid).await
    }

    /// Like [`Self::answer`], also if it has come already.
    pub async fn answer_or_early(&mut self, msgid: MsgId) -> Command {
        match self.early.iter().position(|packet| packet.msgid == msgid) {
            Some(at) => self.early.remove(at).command,
            None => self.answer(msgid).await,
        }
    }

    /// The server has handled what was sent before: it serves a connection's requests in order.
    pub async fn ok_ping(&mut self) {
        assert_eq!(self.ask(Command::Ping).await, Command::Pong);
    }

    /// Sends requests in one write.
    pub async fn send_together(&mut self, commands: Vec<Command>) {
        let mut bytes = BytesMut::new();
        for command in commands {
            self.last += 1;
            self.codec.encode(&Packet { msgid: self.last.to_be_bytes(), command }, &mut bytes).unwrap();
        }
        self.write.write_all(&bytes).await.unwrap();
    }

    pub async fn ok(&mut self, command: Command) {
        assert_eq!(self.ask(command).await, Command::Success);
    }

    /// Every one of these requests is answered SUCCESS.
    pub async fn all_succeed(&mut self, mut requests: HashSet<MsgId>) {
        while !requests.is_empty() {
            let packet = self.read().await.expect("an answer, not the end");
            assert!(requests.remove(&packet.msgid), "only what was asked is answered, not {packet:?}");
            assert_eq!(packet.command, Command::Success);
        }
    }

    pub async fn submit(&mut self, job: Job) {
        self.ok(Command::SubmitJob(job)).await;
    }

    /// Opens a GRAB.
    pub async fn grab(&mut self) -> MsgId {
        let msgid = self.send(Command::GrabJob).await;
        assert_eq!(self.answer(msgid).await, Command::Success);
        msgid
    }

    /// The next job, not acknowledged.
    pub async fn assigned(&mut self) -> (MsgId, Job) {
        match self.next().await.expect("a job, not the end") {
            Packet { msgid, command: Command::JobAssign(job) } => (msgid, job),
            other => panic!("a job, not {other:?}"),
        }
    }

    /// The jobs that came before the last answer, not acknowledged.
    pub fn assigned_so_far(&mut self) -> Vec<(MsgId, Job)> {
        let job = |packet| match packet {
            Packet { msgid, command: Command::JobAssign(job) } => (msgid, job),
            other => panic!("a job, not {other:?}"),
        };
        self.early.drain(..).map(job).collect()
    }

    /// Opens a GRAB and takes the job that comes.
    pub async fn take(&mut self) -> Job {
        self.grab().await;
        self.accept().await
    }

    /// The next job, acknowledged.
    pub async fn accept(&mut self) -> Job {
        let (msgid, job) = self.assigned().await;
        self.send_as(msgid, Command::JobAssigned).await;
        job
    }

    pub async fn done(&mut self, job: &Job) {
        self.ok(Command::WorkDone { key: job.key.clone(), result: Bytes::new() }).await;
    }

    /// Nothing comes for a while.
    pub async fn gets_nothing(&mut self) {
        if let Some(packet) = self.early.first() {
            panic!("nothing was to come, not {packet:?}");
        }
        if let Ok(frame) = tokio::time::timeout(A_WHILE, self.frames.next()).await {
            panic!("nothing was to come, not {:?}", frame.map(|payload| payload.map(Packet::decode)));
        }
    }

    pub async fn is_closed(&mut self) {
        let end = self.next().await;
        assert!(end.is_none(), "the connection is closed, instead came {end:?}");
    }
}
