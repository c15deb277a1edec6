//! `pusher serve --senders` put together from its parts, as whoever embeds it would, so that it can be had without a
//! delivery log: nobody is told what becomes of messages, and what a worker says with the end of a job is thrown away before
//! the store sees it. All else is the same, with the log and without.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{
    Endpoint, Job, JobOp, JobOpDone, JobStore, JobStoreError, Listener, Seq, Server, ServerOptions, StoredFunc,
    SystemClock,
};
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
    let store = Arc::new(Store::open(Path::new(data), StoreOptions::default()).map_err(io::Error::other)?);
    let (jobs, reports): (Arc<dyn JobStore>, Arc<dyn Reports>) = match log {
        "on" => (store.clone(), Arc::new(LogReports { log: store.clone(), keeps_ends: true })),
        _ => (Arc::new(Deaf(store.clone())), Arc::new(Untold)),
    };
    let server =
        Server::start(jobs, Arc::new(SystemClock), ServerOptions::default()).await.map_err(io::Error::other)?;
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

/// A store of jobs that does not hear what is said of their ends.
struct Deaf(Arc<Store>);

#[async_trait]
impl JobStore for Deaf {
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        let deaf = |op| match op {
            JobOp::Finish { seq, .. } => JobOp::Finish { seq, result: Bytes::new() },
            op => op,
        };
        JobStore::apply(&*self.0, ops.into_iter().map(deaf).collect()).await
    }

    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        JobStore::load(&*self.0, seqs).await
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        self.0.funcs().await
    }
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
