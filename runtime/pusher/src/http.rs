//! The HTTP server: takes connections, not more than there is room for, and drops those that keep it busy with nothing.
//! Written out because `axum::serve` has no such bounds. What a request may take is the router's to say.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::seldom::Seldom;

/// Longest head of a request (request line and headers) in bytes; a longer one is answered 431. Far more than the target
/// that the API takes, so that this can say what is wrong.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// How long to wait after the system could not give a connection: it is out of files, mostly.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How many connections there may be, and for how long without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Most connections open at once; further ones wait until one closes. Default: 10,000.
    pub most: usize,
    /// Longest time from the beginning of one request to the next, or from the connection to the first; a connection on
    /// which none begins for so long is dropped, whether it is silent, sends a head byte by byte or does not take its
    /// answer. It must be longer than a request may take. Default: 60 s.
    pub idle: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self { most: 10_000, idle: Duration::from_secs(60) }
    }
}

impl Connections {
    /// As many as `files` that may be open leave room for, if it is known: the database, the senders' connections and
    /// the rest of the process have theirs.
    pub(crate) fn within(self, files: Option<usize>) -> Self {
        let most = files.map_or(self.most, |files| self.most.min(files / 4 * 3).max(1));
        Self { most, ..self }
    }
}

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{flag}: cannot listen on {address}: {reason}; stop what listens there, or choose another address")]
pub struct ListenError {
    /// Which setting says where.
    pub flag: &'static str,
    /// Where.
    pub address: String,
    /// Why not.
    pub reason: io::Error,
}

/// Listens at `address` (`host:port`), which the setting `flag` says.
pub(crate) async fn listen(flag: &'static str, address: &str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|reason| ListenError { flag, address: address.to_owned(), reason })
}

/// The URL of what listens there: with port 0 the system chose one.
pub(crate) fn url(listener: &TcpListener) -> String {
    listener.local_addr().map_or_else(|error| error.to_string(), |address| format!("http://{address}"))
}

/// Serves `router` until `stop`, and then what has begun until it is answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, connections: Connections, stop: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            // Its task is gone, and there is room for another.
            Some(_) = open.join_next() => {}
            stream = accept(&listener), if open.len() < connections.most => {
                open.spawn(connection(stream, router.clone(), connections.idle, stop.clone()));
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A reply is one small write; waiting for more to send with it would only delay it.
                drop(stream.set_nodelay(true));
                return stream;
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Did the connection go before it was taken? Nothing is wrong with the listener then.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(stream: TcpStream, router: Router, idle: Duration, stop: CancellationToken) {
    let begun = Arc::new(LastBegun::new());
    let requests = Requests { router, begun: begun.clone() };
    let mut http = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(MAX_HEAD_BYTES)
            // Most replies are small: a copy behind the head is cheaper than telling the system of two pieces.
            .writev(false)
            .serve_connection(TokioIo::new(stream), requests)
    );
    let over = Seldom::new(async {
        tokio::select! {
            () = begun.longer_ago_than(idle) => Over::Idle,
            () = stop.cancelled() => Over::Stopping,
        }
    });
    tokio::select! {
        biased;
        ended = http.as_mut() => return ended_with(ended),
        over = over => match over {
            Over::Idle => return,
            Over::Stopping => http.as_mut().graceful_shutdown(),
        }
    }
    tokio::select! {
        ended = http => ended_with(ended),
        () = begun.longer_ago_than(idle) => {}
    }
}

/// Why a connection is to end.
enum Over {
    Idle,
    Stopping,
}

/// A connection may end in any way at any time; that is nobody's fault here.
fn ended_with(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Hands a connection's requests to the router.
struct Requests {
    router: Router,
    begun: Arc<LastBegun>,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.begun.now();
        tower::Service::call(&mut self.router.clone(), request)
    }
}

/// When the last request of a connection began. Looked at from time to time rather than set as a timer for each request:
/// that would cost as much as many a request.
struct LastBegun {
    connected: Instant,
    /// After that, in nanoseconds.
    after: AtomicU64,
}

impl LastBegun {
    fn new() -> Self {
        Self { connected: Instant::now(), after: AtomicU64::new(0) }
    }

    fn now(&self) {
        let after = u64::try_from(self.connected.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.after.store(after, Ordering::Relaxed);
    }

    /// Ends as soon as it is.
    async fn longer_ago_than(&self, limit: Duration) {
        loop {
            let until = self.connected + Duration::from_nanos(self.after.load(Ordering::Relaxed)) + limit;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}
