//! The load: many connections that each send a request, wait for the answer and send the next. Written straight on
//! sockets, so that on two cores the generator takes as little as it can from what it measures.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What the requests are and when to stop.
#[derive(Clone)]
pub struct Plan {
    /// Where to.
    pub address: SocketAddr,
    /// How many connections.
    pub connections: usize,
    /// The number of the first request.
    pub first: u64,
    /// Stop after so many requests, if that comes first.
    pub requests: u64,
    /// Stop after so long.
    pub time: Duration,
    /// Makes request number n.
    pub request: fn(u64) -> Vec<u8>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// How many requests were answered 200.
    pub requests: u64,
    /// In how long.
    pub time: Duration,
}

impl Done {
    /// Answers a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^52")]
        let requests = self.requests as f64;
        requests / self.time.as_secs_f64()
    }
}

/// Runs the plan.
///
/// # Errors
/// If a connection fails or an answer is not 200.
pub async fn run(plan: Plan) -> io::Result<Done> {
    let started = Instant::now();
    let next = Arc::new(AtomicU64::new(plan.first));
    let mut tasks = JoinSet::new();
    for _ in 0..plan.connections {
        tasks.spawn(connection(plan.clone(), next.clone(), started));
    }
    let mut requests = 0;
    while let Some(done) = tasks.join_next().await {
        requests += done.map_err(io::Error::other)??;
    }
    Ok(Done { requests, time: started.elapsed() })
}

async fn connection(plan: Plan, next: Arc<AtomicU64>, started: Instant) -> io::Result<u64> {
    let mut stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4096);
    let mut answered = 0;
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= plan.first.saturating_add(plan.requests) || started.elapsed() >= plan.time {
            return Ok(answered);
        }
        stream.write_all(&(plan.request)(n)).await?;
        answer(&mut stream, &mut buffer).await?;
        answered += 1;
    }
}

/// Reads one answer, which must be a 200 with a content length. Where its body begins in `buffer`.
pub(crate) async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
        let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        if !text.starts_with("http/1.1 200") {
            return Err(io::Error::other(format!("answered: {}", String::from_utf8_lossy(buffer))));
        }
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|n| n.parse().ok()).ok_or_else(|| io::Error::other("no content length"))?;
        if buffer.len() >= head + length {
            return Ok(head);
        }
    }
}

/// This very program with this argument, and with as many open files as the system allows: some benchmarks have a thousand
/// connections, which is all that a process may open as a rule.
pub(crate) fn this_program(argument: &str) -> Command {
    let program = std::env::current_exe().unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -H -n)\"; exec \"$0\" \"$@\""]).arg(program).arg(argument);
    command.kill_on_drop(true);
    command
}

/// The baseline: axum routes that only answer, in a process of its own as the real server is.
pub struct BareRoute {
    _process: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl BareRoute {
    /// Starts this very program as `PROGRAM bare-route`.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start() -> io::Result<Self> {
        let mut process = this_program("bare-route").stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        let address = line.parse().map_err(|_| io::Error::other(format!("the bare route said {line:?}")))?;
        Ok(Self { _process: process, address })
    }

    /// What the process does.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn serve() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let content_type = [("content-type", "application/json; charset=UTF-8")];
        let accepted = "{\"name\":\"p1_0123456789abcdef0123456789abcdef\",\"result\":\"OK\"}";
        let pusher = "{\"pusher\":{\"id\":\"p1\",\"email\":\"p1@example.com\",\"nickname\":\"Lu\",\"phoneNumber\":\"\",\
                      \"senders\":[\"sample\"],\"tags\":null,\"createdAt\":0}}";
        let router = Router::new()
            .route("/pusher/sample/push", post(async move || (content_type, accepted)))
            .route("/pusher/pushers/", post(async move || (content_type, accepted)))
            .route("/pusher/pushers/{pusher}/", get(async move || (content_type, pusher)))
            .route("/pusher/pushers/_bulk", post(async move |_: Bytes| (content_type, accepted)))
            .layer(DefaultBodyLimit::disable())
            .merge(held());
        axum::serve(axum::serve::ListenerExt::tap_io(listener, |s| drop(s.set_nodelay(true))), router).await
    }
}

/// `POST /held` is answered after `GET /release`; `GET /held` says how many wait for that.
fn held() -> Router {
    let release = watch::Sender::new(());
    let waiting = Arc::new(AtomicUsize::new(0));
    let (waits, releases) = (waiting.clone(), release.clone());
    let hold = async move || {
        let mut released = releases.subscribe();
        waits.fetch_add(1, Ordering::Relaxed);
        // An error would mean that nobody can release it any more.
        drop(released.changed().await);
        waits.fetch_sub(1, Ordering::Relaxed);
    };
    let count = async move || waiting.load(Ordering::Relaxed).to_string();
    Router::new().route("/held", post(hold).get(count)).route("/release", get(async move || release.send_replace(())))
}
