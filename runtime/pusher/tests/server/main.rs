//! What `pusher serve` does, called as a function, so that a test can give it limits that are soon reached; over real
//! sockets and a real store.

#![allow(clippy::unwrap_used, reason = "test code")]

mod connections;
mod full;
mod http;
mod stopping;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use periodic::Endpoint;
use periodic::client::{Client, ClientOptions};
use pusher::config::{File, ServeConfig, ServeSettings};
use pusher::serve::{self, ServeError};
use tempfile::TempDir;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::http::Connection;

/// Long enough for a busy machine; tests that pass do not wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs in this process.
struct Server {
    address: String,
    periodic: String,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), ServeError>>,
    dir: TempDir,
}

impl Server {
    /// With the defaults, as `change` changes them.
    async fn start(change: impl FnOnce(&mut ServeConfig)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    /// On the database that lies in `dir`, if there is one.
    async fn start_in(dir: TempDir, change: impl FnOnce(&mut ServeConfig)) -> Self {
        let free = || Some("127.0.0.1:0".to_owned());
        let settings = ServeSettings {
            host: free(),
            admin: free(),
            work_dir: Some(dir.path().to_owned()),
            periodic_listen: Some("tcp://127.0.0.1:0".into()),
            ..ServeSettings::default()
        };
        let mut config = ServeConfig::resolve(settings, File::default()).unwrap();
        change(&mut config);
        let stop = CancellationToken::new();
        let (said, mut lines) = unbounded_channel();
        let running = serve::run(config, stop.clone(), move |line| drop(said.send(line.to_owned())));
        let ended = tokio::spawn(running);
        let (mut address, mut periodic) = Default::default();
        while let Some(line) = timeout(PATIENCE, lines.recv()).await.unwrap() {
            if let Some(url) = line.strip_prefix("api: http://") {
                address = url.to_owned();
            } else if let Some(url) = line.strip_prefix("periodic: ") {
                periodic = url.to_owned();
            } else if line == "ready" {
                return Self { address, periodic, stop, ended, dir };
            }
        }
        panic!("it ended before it was ready: {:?}", ended.await);
    }

    async fn connect(&self) -> Connection {
        Connection::open(&self.address).await.unwrap()
    }

    /// How many jobs `func` has.
    async fn jobs(&self, func: &str) -> u64 {
        let endpoint = Endpoint::from_str(&self.periodic).unwrap();
        let status = Client::new(Arc::new(endpoint), ClientOptions::default()).status().await.unwrap();
        status.iter().find(|line| line.func == func.as_bytes()).map_or(0, |line| line.jobs)
    }

    /// Tells it to stop and waits until it has; its database.
    async fn stopped(self) -> TempDir {
        self.stop.cancel();
        timeout(PATIENCE, self.ended).await.unwrap().unwrap().unwrap();
        self.dir
    }
}
