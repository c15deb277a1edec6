//! What `pusher worker` does: takes jobs from a Periodic server and runs the senders in a directory; and, if it is told
//! where, tells operators how it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use periodic::TlsError;
use pusher_client::{Client, ClientError, Options};
use pusher_worker::{Activity, Spool, SpoolError, SpoolOptions, Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::adapters::ApiReports;
use crate::config::{Connections, PeriodicConfig, WorkConfig};
use crate::http::{ListenError, listen};
use crate::metrics;
use crate::metrics::process::Process;
use crate::operator::{self, Operator, Ready};
use crate::senders::{Senders, SendersConfig, SendersError, environment, users_dir};

/// How long the last reports may take to be told at the stop. Those that are not are told by the next worker.
const DRAIN_REPORTS: Duration = Duration::from_secs(5);

/// Why the worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The client of the API server cannot be set up.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// The certificates for the Periodic server cannot be used.
    #[error("--periodic: {0}")]
    Tls(#[from] TlsError),
    /// Reports cannot be kept.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// There are no senders to run.
    #[error(transparent)]
    Senders(#[from] SendersError),
    /// The operator listener cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Runs a worker until `stop`. `say` is given a line for each thing a person wants to know, and `ready` last. Neither
/// server need be there yet: the worker waits for them.
///
/// # Errors
/// [`WorkError`], before `ready`.
pub async fn run(config: WorkConfig, stop: CancellationToken, say: impl Fn(&str)) -> Result<(), WorkError> {
    let admin_listener = match &config.admin {
        Some(address) => Some(listen("--admin", address).await?),
        None => None,
    };
    let options = Options { credentials: config.credentials, ..Options::default() };
    let client = Client::new(config.api.clone(), options)?;
    let dir = config.spool.unwrap_or_else(default_spool).join(folder_of(&config.api));
    let spool = SpoolOptions { max_bytes: config.spool_max, ..SpoolOptions::new(dir) };
    let spool = Arc::new(Spool::open(spool, Arc::new(ApiReports(client.clone())))?);
    let waiting = metrics::spool::Spool(spool.usage());
    let senders = SendersConfig { dir: config.senders, hooks: config.hooks, cache: config.cache, size: config.size };
    let senders = Senders::load_some(senders, Arc::new(client)).await?;
    let PeriodicConfig { endpoint, link } = config.periodic;
    let connect = link.tls.connector(&endpoint)?;
    let options =
        WorkerOptions { prefix: config.prefix, size: config.size, identity: link.identity, ..WorkerOptions::default() };
    let (worker, numbers) = senders.join(Worker::new(connect, spool.clone(), options), stop.clone());
    say(&format!("taking jobs from {endpoint}"));
    say(&format!("senders: {}", worker.names().map(ToString::to_string).collect::<Vec<_>>().join(" ")));
    let operator = admin_listener.map(|listener| {
        let parts = Parts { activity: worker.activity(), server: endpoint.to_string(), stop: stop.clone() };
        let router = operator::router(Arc::new(parts), vec![Arc::new(Process), Arc::new(numbers), Arc::new(waiting)]);
        Operator::start(listener, router, Connections::default(), &say)
    });
    say("ready");
    worker.run(stop).await;
    // Nobody has it but who was broken off in the middle of a send.
    if let Some(spool) = Arc::into_inner(spool) {
        spool.close(DRAIN_REPORTS).await;
    }
    if let Some(operator) = operator {
        operator.stop().await;
    }
    Ok(())
}

/// Where a user's programs keep what is to be there after a restart (XDG Base Directory Specification), and in there our
/// reports.
fn default_spool() -> PathBuf {
    let states = users_dir(&environment(), "XDG_STATE_HOME", ".local/state");
    states.map_or_else(|| PathBuf::from("pusher-spool"), |states| states.join("pusher/spool"))
}

/// The folder of an API server's reports: what one was not told is not for another.
fn folder_of(api: &Url) -> String {
    let address = api.as_str().trim_start_matches(api.scheme()).trim_matches(['/', ':']);
    address.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' }).collect()
}

/// What must work for `/readyz` to say so.
struct Parts {
    activity: Activity,
    /// The Periodic server, as a URL.
    server: String,
    stop: CancellationToken,
}

#[async_trait]
impl Ready for Parts {
    async fn ready(&self) -> Result<Option<String>, String> {
        if self.stop.is_cancelled() {
            return Err("stopping".into());
        }
        let senders = self.activity.read();
        let parked: Vec<_> =
            senders.iter().filter(|(_, sender)| sender.is_parked).map(|(name, _)| name.as_str()).collect();
        if senders.is_empty() {
            return Err("there is no sender; put one into the directory of senders".into());
        }
        if parked.len() == senders.len() {
            return Err(format!("every sender is parked ({}); the log says why", parked.join(", ")));
        }
        // Each sender has a connection of its own. One that came a moment ago may still be connecting.
        if !senders.values().any(|sender| sender.is_connected) {
            return Err(format!("the Periodic server at {} does not answer", self.server));
        }
        Ok((!parked.is_empty()).then(|| format!("parked: {}; the log says why", parked.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_server_has_a_folder_of_its_own() {
        for (api, folder) in [
            ("http://localhost:6000", "localhost_6000"),
            ("https://push.example.com/api/", "push.example.com_api"),
            ("http://[::1]:6000", "___1__6000"),
        ] {
            assert_eq!(folder_of(&Url::parse(api).unwrap()), folder);
        }
    }
}
