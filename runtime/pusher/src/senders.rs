//! From a directory of senders to a worker's channels.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pusher_core::Pushers;
use pusher_sandbox::{Deps, Env, LoadError, Sandbox, SandboxConfig, SandboxError};
use pusher_worker::Channel;

/// Why there are no senders to run.
#[derive(Debug, thiserror::Error)]
pub enum SendersError {
    /// The sandbox cannot be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The directory cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Nothing in it can be run.
    #[error("no sender in {dir} can be run{refused}")]
    None {
        /// Which directory.
        dir: PathBuf,
        /// What was refused and why, a line each.
        refused: String,
    },
}

/// Loads the senders in `dir`. What is refused is logged with its reason, and the others run; a directory in which
/// nothing can be run is an error.
pub(crate) async fn load(dir: &Path, size: usize, pushers: Arc<dyn Pushers>) -> Result<Vec<Channel>, SendersError> {
    let sandbox = Sandbox::new(
        SandboxConfig { max_sends: size, ..SandboxConfig::default() },
        Deps { pushers, env: environment() },
    )?;
    let report = sandbox.load_dir(dir).await?;
    for refused in &report.refused {
        tracing::error!(file = %refused.path.display(), reason = %refused.reason, "sender refused");
    }
    if report.senders.is_empty() {
        let lines = report.refused.iter().map(|r| format!("\n  {}: {}", r.path.display(), r.reason));
        return Err(SendersError::None { dir: dir.to_owned(), refused: lines.collect() });
    }
    let channels = report.senders.into_iter().map(|loaded| {
        for warning in &loaded.warnings {
            tracing::warn!(file = %loaded.path.display(), warning, "sender loaded, but");
        }
        tracing::info!(sender = %loaded.sender.name(), file = %loaded.path.display(), "sender loaded");
        Channel { sender: loaded.sender, concurrency: loaded.concurrency, retry: loaded.retry }
    });
    Ok(channels.collect())
}

/// The process's environment, for `{ env = "…" }` in manifests. Senders themselves never see it.
fn environment() -> Env {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the pusher binary's crate, which alone reads the environment"
    )]
    Arc::new(|name| std::env::var(name).ok())
}
