//! What `pusher periodicd` does: the Periodic server alone, for whoever has workers and clients of his own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use periodic::{
    AuthFile, AuthFileError, Handle, JobStore, JobStoreError, MemoryStore, Server, ServerOptions, SystemClock,
};
use pusher_store::{OpenError, Store, StoreOptions};
use tokio_util::sync::CancellationToken;

use crate::config::{Connections, KeepJobs, LinkError, PeriodicdConfig};
use crate::http::{ListenError, listen};
use crate::metrics::periodicd::Periodicd;
use crate::metrics::process::Process;
use crate::open_files;
use crate::operator::{self, Operator, Ready};
use crate::serve::{DRAIN_JOBS, drain};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum PeriodicdError {
    /// The file of identities cannot be used.
    #[error("--auth-file: {0}")]
    Auth(#[from] AuthFileError),
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
    /// It cannot listen.
    #[error("--listen: {0}")]
    Periodic(#[from] LinkError),
    /// The operator listener cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Runs the server until `stop`. `say` is given a line for each address, and `ready` last.
///
/// # Errors
/// [`PeriodicdError`], before `ready`.
pub async fn run(config: PeriodicdConfig, stop: CancellationToken, say: impl Fn(&str)) -> Result<(), PeriodicdError> {
    let PeriodicdConfig { listen: endpoints, tls, keep, auth_file, admin, options } = config;
    let auth = auth_file.as_deref().map(AuthFile::read).transpose()?;
    let admin_listener = match &admin {
        Some(address) => Some(listen("--admin", address).await?),
        None => None,
    };
    let mut listeners = Vec::with_capacity(endpoints.len());
    for endpoint in &endpoints {
        listeners.push(tls.listen(endpoint).await?);
    }
    let files = open_files::raise_limit();
    let most = Connections { most: options.max_connections, ..Connections::default() }.within(files).most;
    let options = ServerOptions { max_connections: most, auth, ..options };

    let Kept { store, disk, dir } = open(keep)?;
    let server = Server::start(Arc::clone(&store), Arc::new(SystemClock), options)
        .await
        .map_err(|reason| PeriodicdError::Jobs { dir, reason })?;
    // What comes last is stopped first.
    let stop_accepting = CancellationToken::new();
    let mut accepting = Vec::with_capacity(listeners.len());
    for listener in listeners {
        say(&format!("periodic: {}", listener.endpoint()));
        accepting.push(tokio::spawn(server.serve(listener, stop_accepting.clone())));
    }
    let operator = admin_listener.map(|listener| {
        let parts = Parts { store: Arc::clone(&store), server: server.handle(), stop: stop.clone() };
        let numbers = Periodicd::new(server.handle(), disk.clone());
        let router = operator::router(Arc::new(parts), vec![Arc::new(Process), Arc::new(numbers)]);
        Operator::start(listener, router, Connections::default(), &say)
    });
    say("ready");

    tokio::select! {
        () = stop.cancelled() => {}
        () = server.shutdown_requested() => {
            tracing::info!("a client has asked for the end");
            stop.cancel();
        }
    }
    stop_accepting.cancel();
    server.drain(DRAIN_JOBS).await;
    for accepting in accepting {
        drain("a Periodic listener", Duration::from_secs(1), accepting).await;
    }
    server.stop().await;
    if let Some(operator) = operator {
        operator.stop().await;
    }
    if let Some(disk) = disk {
        disk.close().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Where the jobs are.
struct Kept {
    /// As the server sees it.
    store: Arc<dyn JobStore>,
    /// The database behind it, if there is one.
    disk: Option<Arc<Store>>,
    /// What to call it.
    dir: PathBuf,
}

fn open(keep: KeepJobs) -> Result<Kept, OpenError> {
    match keep {
        KeepJobs::Disk { work_dir, map_size } => {
            let store = Arc::new(Store::open(&work_dir, StoreOptions { map_size, ..StoreOptions::default() })?);
            Ok(Kept { store: store.clone(), disk: Some(store), dir: work_dir })
        }
        KeepJobs::Memory => Ok(Kept { store: Arc::new(MemoryStore::new()), disk: None, dir: PathBuf::from("memory") }),
    }
}

/// What must work for `/readyz` to say so.
struct Parts {
    store: Arc<dyn JobStore>,
    server: Handle,
    stop: CancellationToken,
}

#[async_trait]
impl Ready for Parts {
    async fn ready(&self) -> Result<Option<String>, String> {
        if self.stop.is_cancelled() {
            return Err("stopping".into());
        }
        if !self.server.is_running() {
            return Err("the Periodic server has ended".into());
        }
        self.store.load(&[]).await.map_err(|error| error.to_string())?;
        Ok(None)
    }
}
