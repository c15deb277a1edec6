//! What `pusher serve` does: the API server, the embedded Periodic server (or a client of another one), the operator
//! listener and, with senders, a worker; started in the order in which they need each other, stopped the other way round.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use periodic::{Client, ClientOptions, Connect, Handle, JobStoreError, Server, ServerOptions, SystemClock, TlsError};
use pusher_api::{Gate, Options, RequestCounts};
use pusher_core::{Queue, Service, Storer};
use pusher_store::{OpenError, SearchIndex, SearchStatus, Store, StoreOptions};
use pusher_worker::{Worker, WorkerOptions};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::adapters::{EmbeddedQueue, LogReports, RemoteQueue};
use crate::config::{LinkError, PeriodicChoice, ServeConfig};
use crate::http::listen;
use crate::metrics::Source;
use crate::metrics::process::Process;
use crate::metrics::server::{Jobs, Server as ServerNumbers};
use crate::operator::{self, Operator, Ready};
use crate::retention::{self, Pruned};
use crate::senders::{Senders, SendersConfig, SendersError};
use crate::{docs, http, open_files};

pub use crate::http::ListenError;

/// The search index's directory in the work directory.
const SEARCH_DIR: &str = "search-index";

/// How long requests that were being served at the stop may take.
const DRAIN_REQUESTS: Duration = Duration::from_secs(10);
/// How long the last answers may take to be sent after that.
const DRAIN_CONNECTIONS: Duration = Duration::from_secs(2);
/// How long workers elsewhere may take to finish what they have when the embedded Periodic server stops.
pub(crate) const DRAIN_JOBS: Duration = Duration::from_secs(10);

/// Why the server did not start, or how it ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The jobs cannot be read.
    #[error("cannot start the Periodic server on {dir}: {reason}")]
    Jobs {
        /// The directory of the database.
        dir: PathBuf,
        /// Why.
        reason: JobStoreError,
    },
    /// The Periodic server cannot listen.
    #[error("--periodic-listen: {0}")]
    Periodic(#[from] LinkError),
    /// The certificates to reach the Periodic server with cannot be used.
    #[error("--periodic: {0}")]
    Tls(#[from] TlsError),
    /// An HTTP server cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The senders cannot be run.
    #[error(transparent)]
    Senders(#[from] SendersError),
}

/// The queue, and what stands behind it.
enum Periodic {
    Embedded { server: Server, accepting: JoinHandle<()> },
    External { client: Client },
}

/// Runs the server until `stop`. `say` is given a line for each address, and `ready` last.
///
/// # Errors
/// [`ServeError`], before `ready`.
pub async fn run(config: ServeConfig, stop: CancellationToken, say: impl Fn(&str)) -> Result<(), ServeError> {
    let api_listener = listen("--host", &config.host).await?;
    let admin_listener = listen("--admin", &config.admin).await?;
    warn_of_strangers(&api_listener, config.auth.is_some());
    let connections = config.connections.within(open_files::raise_limit());
    let store_options =
        StoreOptions { map_size: config.map_size, prefix: config.prefix.clone(), ..StoreOptions::default() };
    let store = Arc::new(Store::open(&config.work_dir, store_options)?);
    let search = Arc::new(SearchIndex::open(&store, &config.work_dir.join(SEARCH_DIR))?);
    // Each part has a stop of its own, because they stop one after another.
    let stop_accepting_jobs = CancellationToken::new();
    let (periodic, queue, connector) = periodic(&config, &store, &stop_accepting_jobs, &say).await?;
    let service = Service::new(store.clone(), queue.clone(), config.prefix.clone())
        .with_search(search.clone())
        .with_deliveries(store.clone());

    let requests = RequestCounts::new();
    let numbers = ServerNumbers {
        requests: requests.clone(),
        service: service.clone(),
        store: store.clone(),
        jobs: periodic.handle().map(Jobs::new),
    };
    let pruned = Pruned::default();
    let mut sources: Vec<Arc<dyn Source>> = vec![Arc::new(Process), Arc::new(numbers), Arc::new(pruned.clone())];

    let stop_worker = CancellationToken::new();
    let worker = match &config.senders {
        Some(dir) => {
            let (dir, hooks, cache) = (dir.clone(), config.hooks.clone(), config.cache.clone());
            let senders = SendersConfig { dir, hooks, cache, size: config.size };
            let senders = Senders::load_some(senders, Arc::new(service.clone())).await?;
            let options = WorkerOptions {
                prefix: config.prefix.clone(),
                size: config.size,
                identity: config.identity.clone(),
                ..WorkerOptions::default()
            };
            let keeps_ends = periodic.handle().is_some();
            let reports = Arc::new(LogReports { log: store.clone(), keeps_ends });
            let (worker, numbers) = senders.join(Worker::new(connector, reports, options), stop_worker.clone());
            sources.push(Arc::new(numbers));
            say(&format!("senders: {}", worker.names().map(ToString::to_string).collect::<Vec<_>>().join(" ")));
            Some(tokio::spawn(worker.run(stop_worker.clone())))
        }
        None => None,
    };

    let parts = Parts { store: store.clone(), search: search.clone(), periodic: periodic.probe(), stop: stop.clone() };
    let api_url = http::url(&api_listener);
    say(&format!("api: {api_url}"));
    let operator = operator::router(Arc::new(parts), sources).merge(docs::router(&api_url));
    let operator = Operator::start(admin_listener, operator, connections, &say);
    let gate = Gate::new(config.limits.concurrent);
    let (limits, auth) = (config.limits, config.auth);
    let options = Options { limits, auth, gate: Some(gate.clone()), counts: Some(requests) };
    let (stop_api, router) = (CancellationToken::new(), pusher_api::router(service, options));
    let api = tokio::spawn(http::serve(api_listener, router, connections, stop_api.clone()));
    let pruning = retention::run(store.clone(), Arc::new(SystemClock), config.keep, pruned, stop.clone());
    let pruning = tokio::spawn(pruning);
    say("ready");

    stop.cancelled().await;
    // Whoever asks meanwhile is told to ask again; then nobody is listened to any more.
    if timeout(DRAIN_REQUESTS, gate.close()).await.is_err() {
        tracing::warn!(limit = ?DRAIN_REQUESTS, "some requests are not served yet; not waiting any longer");
    }
    stop_api.cancel();
    drain("the API server", DRAIN_CONNECTIONS, api).await;
    stop_worker.cancel();
    if let Some(worker) = worker {
        drain("the worker", WorkerOptions::default().drain + Duration::from_secs(5), worker).await;
    }
    stop_accepting_jobs.cancel();
    periodic.stop().await;
    operator.stop().await;
    drain("the forgetting of old deliveries", Duration::from_secs(5), pruning).await;
    search.close().await;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Starts the embedded Periodic server, or a client of another one: itself, the queue, and how a worker connects.
async fn periodic(
    config: &ServeConfig,
    store: &Arc<Store>,
    stop: &CancellationToken,
    say: impl Fn(&str),
) -> Result<(Periodic, Arc<dyn Queue>, Arc<dyn Connect>), ServeError> {
    match &config.periodic {
        PeriodicChoice::Embedded(endpoint) => {
            let listener = config.periodic_tls.listen(endpoint).await?;
            say(&format!("periodic: {}", listener.endpoint()));
            let server = Server::start(store.clone(), Arc::new(SystemClock), ServerOptions::default())
                .await
                .map_err(|reason| ServeError::Jobs { dir: config.work_dir.clone(), reason })?;
            let accepting = tokio::spawn(server.serve(listener, stop.clone()));
            let queue = Arc::new(EmbeddedQueue(server.handle()));
            let connector = Arc::new(server.handle().connector());
            Ok((Periodic::Embedded { server, accepting }, queue, connector))
        }
        PeriodicChoice::External(endpoint) => {
            let connect = config.periodic_tls.connector(endpoint)?;
            say(&format!("periodic: {endpoint}"));
            let (identity, as_worker) = (config.identity.clone(), config.senders.is_some());
            let options = ClientOptions { identity, as_worker, ..ClientOptions::default() };
            let client = Client::new(connect.clone(), options);
            let queue = Arc::new(RemoteQueue(client.clone()));
            Ok((Periodic::External { client }, queue, connect))
        }
    }
}

impl Periodic {
    fn probe(&self) -> Probe {
        match self {
            Self::Embedded { server, .. } => Probe::Embedded(server.handle()),
            Self::External { client } => Probe::External(client.clone()),
        }
    }

    /// The embedded server.
    fn handle(&self) -> Option<Handle> {
        match self {
            Self::Embedded { server, .. } => Some(server.handle()),
            Self::External { .. } => None,
        }
    }

    async fn stop(self) {
        match self {
            Self::Embedded { server, accepting } => {
                server.drain(DRAIN_JOBS).await;
                drain("the Periodic listener", Duration::from_secs(1), accepting).await;
                server.stop().await;
            }
            Self::External { client } => client.close().await,
        }
    }
}

/// How to ask whether the Periodic server is there.
enum Probe {
    Embedded(Handle),
    External(Client),
}

/// What must work for `/readyz` to say so.
struct Parts {
    store: Arc<Store>,
    search: Arc<SearchIndex>,
    periodic: Probe,
    stop: CancellationToken,
}

#[async_trait]
impl Ready for Parts {
    async fn ready(&self) -> Result<Option<String>, String> {
        if self.stop.is_cancelled() {
            return Err("stopping".into());
        }
        self.store.get(&[]).await.map_err(|error| error.to_string())?;
        match &self.periodic {
            Probe::Embedded(handle) if handle.is_running() => {}
            Probe::Embedded(_) => return Err("the embedded Periodic server has ended".into()),
            Probe::External(client) => client.ping().await.map_err(|error| error.to_string())?,
        }
        Ok(match self.search.status() {
            SearchStatus::Ready => None,
            SearchStatus::Building(why) | SearchStatus::Failed(why) => Some(why),
        })
    }
}

/// Without keys, whoever reaches the API may do everything.
fn warn_of_strangers(listener: &TcpListener, has_keys: bool) {
    if let Ok(address) = listener.local_addr()
        && !address.ip().is_loopback()
        && !has_keys
    {
        tracing::warn!(%address, "the API can be reached from elsewhere and takes unsigned requests: give it a --key");
    }
}

/// Waits for a part to end by itself, then ends it.
pub(crate) async fn drain(part: &str, limit: Duration, mut task: JoinHandle<()>) {
    match timeout(limit, &mut task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(part, %error, "ended badly"),
        Err(_) => {
            tracing::warn!(part, ?limit, "not finished in time; not waiting any longer");
            task.abort();
        }
    }
}
