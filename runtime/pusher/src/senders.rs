//! From a directory of senders to a worker's channels, and from what changes there to what changes in the worker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pusher_core::Pushers;
use pusher_sandbox::{
    Deps, Env, LoadError, LoadReport, LoadedSender, Sandbox, SandboxConfig, SandboxError, SenderDirectory,
};
use pusher_worker::{Change, Channel, Worker};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// How long between two looks at the directory; what is found twice is taken up.
const LOOK: Duration = Duration::from_millis(500);
/// How many changes may wait for the worker.
const CHANGES: usize = 16;

/// Why there are no senders to run.
#[derive(Debug, thiserror::Error)]
pub enum SendersError {
    /// The sandbox cannot be set up.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The directory cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Whoever puts senders there could put native code into the cache.
    #[error("the cache {cache} lies within the directory of senders; name another one with --cache")]
    CacheAmongSenders {
        /// Which directory.
        cache: PathBuf,
    },
    /// Nothing in it can be run.
    #[error("no sender in {dir} can be run{refused}")]
    None {
        /// Which directory.
        dir: PathBuf,
        /// What was refused and why, a line each.
        refused: String,
    },
}

/// The senders of a directory.
pub(crate) struct Senders {
    /// Those that are there at the start.
    channels: Vec<Channel>,
    directory: SenderDirectory,
    sandbox: Sandbox,
}

/// How many senders there are, and how many files that were to be one and are not. For whoever watches.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    senders: AtomicU64,
    refused: AtomicU64,
}

impl Loaded {
    fn set(&self, directory: &SenderDirectory) {
        self.senders.store(directory.loaded() as u64, Relaxed);
        self.refused.store(directory.refused() as u64, Relaxed);
    }

    /// Those loaded and those refused.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.senders.load(Relaxed), self.refused.load(Relaxed))
    }
}

/// Loads the senders in `dir`. What is refused is logged with its reason, and the others run; a directory in which
/// nothing can be run is an error.
pub(crate) async fn load(
    dir: &Path,
    cache: Option<&Path>,
    size: usize,
    pushers: Arc<dyn Pushers>,
) -> Result<Senders, SendersError> {
    let env = environment();
    let cache = cache.map(Path::to_owned).or_else(|| default_cache(&env));
    if let Some(cache) = cache.as_deref().filter(|cache| is_within(cache, dir)) {
        return Err(SendersError::CacheAmongSenders { cache: cache.to_owned() });
    }
    let config = SandboxConfig { max_sends: size, cache, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config, Deps { pushers, env })?;
    let mut directory = sandbox.directory(dir);
    let report = directory.load().await?;
    if let Some(used) = sandbox.cache_use() {
        tracing::info!(from_cache = used.found, compiled = used.compiled, "senders compiled");
    }
    tell(&report);
    if report.senders.is_empty() {
        let lines = report.refused.iter().map(|r| format!("\n  {}: {}", r.path.display(), r.reason));
        return Err(SendersError::None { dir: dir.to_owned(), refused: lines.collect() });
    }
    Ok(Senders { channels: report.senders.into_iter().map(channel).collect(), directory, sandbox })
}

fn channel(loaded: LoadedSender) -> Channel {
    Channel { sender: loaded.sender, concurrency: loaded.concurrency, retry: loaded.retry, rate: loaded.rate }
}

/// Says what became of the directory.
fn tell(report: &LoadReport) {
    for refused in &report.refused {
        let file = refused.path.display();
        match &refused.stays {
            Some(sender) => {
                tracing::error!(%file, reason = %refused.reason, %sender, "sender refused; the one from before goes on");
            }
            None => tracing::error!(%file, reason = %refused.reason, "sender refused"),
        }
    }
    for loaded in &report.senders {
        for warning in &loaded.warnings {
            tracing::warn!(file = %loaded.path.display(), warning, "sender loaded, but");
        }
        tracing::info!(sender = %loaded.sender.name(), file = %loaded.path.display(), "sender loaded");
    }
    for sender in &report.removed {
        tracing::warn!(%sender, "sender removed: its messages wait until there is one of that name again");
    }
}

impl Senders {
    /// Gives `worker` the senders, and what becomes of them until `stop`; with the numbers of both.
    pub(crate) fn join(self, worker: Worker, stop: CancellationToken) -> (Worker, metrics::senders::Senders) {
        let Self { channels, directory, sandbox } = self;
        let loaded = Arc::new(Loaded::default());
        loaded.set(&directory);
        let numbers = metrics::senders::Senders { sandbox, loaded: loaded.clone(), activity: worker.activity() };
        let (changes, changed) = mpsc::channel(CHANGES);
        tokio::spawn(async move {
            // Whoever waited for changes is gone, or told to stop: then there is nothing to watch for.
            stop.run_until_cancelled(watch(directory, changes, &loaded)).await;
        });
        (channels.into_iter().fold(worker.changes(changed), Worker::channel), numbers)
    }
}

/// Looks at the directory again and again, and says what changed. Returns when nobody listens any more.
async fn watch(mut directory: SenderDirectory, changes: mpsc::Sender<Change>, loaded: &Loaded) {
    let mut unreadable = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let report = match directory.look().await {
            Ok(report) => report,
            Err(error) => {
                if !unreadable {
                    tracing::error!(%error, "what changes there is not seen; the senders go on as they are");
                }
                unreadable = true;
                continue;
            }
        };
        unreadable = false;
        loaded.set(&directory);
        tell(&report);
        let put = report.senders.into_iter().map(|loaded| Change::Put(channel(loaded)));
        for change in report.removed.into_iter().map(Change::Remove).chain(put) {
            if changes.send(change).await.is_err() {
                return;
            }
        }
    }
}

/// Where a user's caches are (XDG Base Directory Specification), and in there ours.
fn default_cache(env: &Env) -> Option<PathBuf> {
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("pusher"))
}

/// Does a path, of which only the beginning need be there, lead into `dir`?
fn is_within(path: &Path, dir: &Path) -> bool {
    let Ok(dir) = dir.canonicalize() else { return false };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().find_map(|part| part.canonicalize().ok()).is_some_and(|part| part.starts_with(&dir))
}

/// The process's environment, for `{ env = "…" }` in manifests. Senders themselves never see it.
pub fn environment() -> Env {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the pusher binary's crate, which alone reads the environment"
    )]
    Arc::new(|name| std::env::var(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_users_caches_are() {
        let of = |vars: &'static [(&str, &str)]| -> Option<PathBuf> {
            let env: Env = Arc::new(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()));
            default_cache(&env)
        };
        assert_eq!(of(&[("HOME", "/home/ada")]), Some("/home/ada/.cache/pusher".into()));
        assert_eq!(of(&[("HOME", "/home/ada"), ("XDG_CACHE_HOME", "/c")]), Some("/c/pusher".into()));
        assert_eq!(
            of(&[("HOME", "/home/ada"), ("XDG_CACHE_HOME", "relative")]),
            Some("/home/ada/.cache/pusher".into())
        );
        assert_eq!(of(&[]), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_cache_among_the_senders_is_seen_behind_every_name() {
        let root = tempfile::tempdir().unwrap();
        let senders = root.path().join("senders");
        std::fs::create_dir(&senders).unwrap();
        std::os::unix::fs::symlink(&senders, root.path().join("link")).unwrap();
        for inside in ["senders", "senders/cache", "link/a/b", "senders/../senders/cache"] {
            assert!(is_within(&root.path().join(inside), &senders), "{inside}");
        }
        for outside in ["cache", "senders2/cache", "senders/../cache"] {
            assert!(!is_within(&root.path().join(outside), &senders), "{outside}");
        }
    }
}
