//! `pusher serve --senders` put together from its parts, as whoever embeds it would, so that it can be had without a
//! delivery log: nobody is told what becomes of messages, and the store, which is told of another prefix, takes no job for a
//! message. All else is the same, with the log and without.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use periodic::{Endpoint, Listener, Server, ServerOptions, SystemClock};
use pusher::adapters::{EmbeddedQueue, LogReports};
use pusher::api::Limits;
use pusher::senders::{Senders, SendersConfig};
use pusher_core::{Prefix, Report, Service};
use pusher_store::{Store, StoreOptions};
use pusher_worker::{ReportError, Reports, Worker, WorkerOptions};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::bench::load::this_program;

/// It runs in a process of its own, as the server does.
pub(super) struct Process {
    _process: Child,
    pub(super) api: String,
    pub(super) periodic: String,
}

impl Process {
    pub(super) async fn start(data: &Path, senders: &Path, log: &str) -> io::Result<Self> {
        let mut command = this_program("deliver-process");
        let mut process = command.arg(data).arg(senders).arg(log).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
        let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
        let (api, periodic) = line.split_once(' ').ok_or_else(|| io::Error::other(format!("it said {line:?}")))?;
        Ok(Self { _process: process, api: api.to_owned(), periodic: periodic.to_owned() })
    }
}

/// What the process does: says where it listens, and serves until it is killed.
///
/// # Errors
/// If one of the parts does not start.
pub async fn process(data: &str, senders: &str, log: &str) -> io::Result<()> {
    let prefix =
        if log == "on" { Prefix::default() } else { Prefix::parse("no message:").map_err(io::Error::other)? };
    let options = StoreOptions { prefix, ..StoreOptions::default() };
    let store = Arc::new(Store::open(Path::new(data), options).map_err(io::Error::other)?);
    let reports: Arc<dyn Reports> = match log {
        "on" => Arc::new(LogReports { log: store.clone(), keeps_ends: true }),
        _ => Arc::new(Untold),
    };
    let server = Server::start(store.clone(), Arc::new(SystemClock), ServerOptions::default())
        .await
        .map_err(io::Error::other)?;
    let endpoint: Endpoint = "tcp://127.0.0.1:0".parse().map_err(io::Error::other)?;
    let listener = Listener::bind(&endpoint).await.map_err(io::Error::other)?;
    let periodic = listener.endpoint().to_string();
    let stop = CancellationToken::new();
    let _serving = tokio::spawn(server.serve(listener, stop.clone()));
    let queue = Arc::new(EmbeddedQueue(server.handle()));
    let service = Service::new(store.clone(), queue, Prefix::default()).with_deliveries(store);
    let worker = Worker::new(Arc::new(server.handle().connector()), reports, WorkerOptions::default());
    let senders = Senders::load(SendersConfig::new(senders), Arc::new(service.clone())).await;
    let worker = senders.map_err(io::Error::other)?.add_to(worker, stop.clone());
    let _working = tokio::spawn(worker.run(stop));
    let api = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{} {periodic}", api.local_addr()?);
    let api = axum::serve::ListenerExt::tap_io(api, |socket| drop(socket.set_nodelay(true)));
    axum::serve(api, pusher::api::router(service, Limits::default())).await
}

/// Nobody is told what became of messages.
struct Untold;

#[async_trait]
impl Reports for Untold {
    async fn report(&self, _: Report) -> Result<(), ReportError> {
        Ok(())
    }

    fn wants_delivered(&self) -> bool {
        false
    }
}
