//! The senders of a directory in a worker: its channels, and what becomes of them while it works.
//!
//! ```no_run
//! # async fn example(pushers: std::sync::Arc<dyn pusher::core::Pushers>, worker: pusher::worker::Worker)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use pusher::senders::{Senders, SendersConfig};
//!
//! let stop = pusher::shutdown::on_signal()?;
//! let senders = Senders::load(SendersConfig::new("senders"), pushers).await?;
//! senders.add_to(worker, stop.clone()).run(stop).await;
//! # Ok(())
//! # }
//! ```

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pusher_core::{Pushers, SenderName};
use pusher_sandbox::{
    Deps, Env, LoadError, LoadReport, LoadedSender, Refused, Sandbox, SandboxConfig, SandboxError, SenderDirectory,
};
use pusher_worker::{Change, Channel, Worker, WorkerOptions};
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
    /// The file of hooks cannot be read or understood.
    #[error("--hooks: {0}; mend the file, or name another")]
    Hooks(Refused),
    /// Nothing in it can be run.
    #[error("no sender in {dir} can be run{refused}")]
    None {
        /// Which directory.
        dir: PathBuf,
        /// What was refused and why, a line each.
        refused: String,
    },
}

/// Where senders come from, and what they may take together.
#[derive(Debug, Clone)]
pub struct SendersConfig {
    /// The directory of manifests and components.
    pub dir: PathBuf,
    /// The Go program's `hooks.json`, if there is one. Default: none.
    pub hooks: Option<PathBuf>,
    /// Where compiled senders are kept: a directory of this user's, not within `dir`. Default: `pusher` in the user's cache
    /// directory, if there is one.
    pub cache: Option<PathBuf>,
    /// Messages sent at once in all; as [`WorkerOptions::size`]. Default: 256.
    pub size: usize,
}

impl SendersConfig {
    /// Those of a directory, with defaults for the rest.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), hooks: None, cache: None, size: WorkerOptions::default().size }
    }
}

/// The senders of a directory, loaded and not yet at work. What is refused, changes or goes away is said in the log.
pub struct Senders {
    /// Those that are there at the start.
    channels: Vec<Channel>,
    directory: SenderDirectory,
    sandbox: Sandbox,
    /// What was refused at the start.
    refused: Vec<Refused>,
}

impl Senders {
    /// Loads the senders of a directory. What cannot be one is refused, and the others load; there may be none at all yet.
    /// They ask `pushers` about recipients, as far as their manifests grant it.
    ///
    /// # Errors
    /// [`SendersError`] if the directory or the file of hooks cannot be read, or the sandbox cannot be set up.
    pub async fn load(config: SendersConfig, pushers: Arc<dyn Pushers>) -> Result<Self, SendersError> {
        let SendersConfig { dir, hooks, cache, size } = config;
        let env = environment();
        let cache = cache.or_else(|| default_cache(&env));
        if let Some(cache) = cache.as_deref().filter(|cache| is_within(cache, &dir)) {
            return Err(SendersError::CacheAmongSenders { cache: cache.to_owned() });
        }
        let config = SandboxConfig { max_sends: size, cache, ..SandboxConfig::default() };
        let sandbox = Sandbox::new(config, Deps { pushers, env })?;
        let mut directory = sandbox.directory(&dir);
        if let Some(hooks) = &hooks {
            directory = directory.hooks(hooks);
        }
        let report = directory.load().await?;
        if let Some(refused) = report.refused.iter().find(|refused| Some(&refused.path) == hooks.as_ref()) {
            return Err(SendersError::Hooks(refused.clone()));
        }
        if let Some(used) = sandbox.cache_use() {
            tracing::info!(from_cache = used.found, compiled = used.compiled, "senders compiled");
        }
        tell(&report);
        let channels = report.senders.into_iter().map(channel).collect();
        Ok(Self { channels, directory, sandbox, refused: report.refused })
    }

    /// The same, for whoever has nothing else to run.
    ///
    /// # Errors
    /// As [`load`](Self::load), and if nothing can be run.
    pub(crate) async fn load_some(config: SendersConfig, pushers: Arc<dyn Pushers>) -> Result<Self, SendersError> {
        let dir = config.dir.clone();
        let senders = Self::load(config, pushers).await?;
        if senders.channels.is_empty() {
            let lines = senders.refused.iter().map(|r| format!("\n  {}: {}", r.path.display(), r.reason));
            return Err(SendersError::None { dir, refused: lines.collect() });
        }
        Ok(senders)
    }

    /// Adds them to a worker, which keeps up with what changes in the directory until `stop`. A name that the worker has
    /// already stays with the sender that has it, whatever the directory says. To be called within a Tokio runtime, and
    /// instead of [`Worker::changes`], of which there is one.
    #[must_use]
    pub fn add_to(self, worker: Worker, stop: CancellationToken) -> Worker {
        self.join(worker, stop).0
    }

    /// The same, with the numbers of both for whoever watches.
    pub(crate) fn join(self, worker: Worker, stop: CancellationToken) -> (Worker, metrics::senders::Senders) {
        let Self { channels, directory, sandbox, refused: _ } = self;
        let loaded = Arc::new(Loaded::default());
        loaded.set(&directory);
        let numbers = metrics::senders::Senders { sandbox, loaded: loaded.clone(), activity: worker.activity() };
        let taken = Taken(worker.names().cloned().collect());
        let (changes, changed) = mpsc::channel(CHANGES);
        let channels = channels.into_iter().filter(|channel| taken.allows(channel.sender.name()));
        let worker = channels.fold(worker.changes(changed), Worker::channel);
        tokio::spawn(async move {
            // Whoever waited for changes is gone, or told to stop: then there is nothing to watch for.
            stop.run_until_cancelled(watch(directory, taken, changes, &loaded)).await;
        });
        (worker, numbers)
    }
}

/// The names that the directory cannot have.
struct Taken(HashSet<SenderName>);

impl Taken {
    fn allows(&self, name: &SenderName) -> bool {
        let taken = self.0.contains(name);
        if taken {
            tracing::error!(sender = %name, "the name is that of a sender in the program; the one in the directory is not run");
        }
        !taken
    }
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

fn channel(loaded: LoadedSender) -> Channel {
    let LoadedSender { sender, concurrency, retry, rate, breaker, .. } = loaded;
    Channel { sender, concurrency, retry, rate, breaker }
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

/// Looks at the directory again and again, and says what changed. Returns when nobody listens any more.
async fn watch(mut directory: SenderDirectory, taken: Taken, changes: mpsc::Sender<Change>, loaded: &Loaded) {
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
        let put = report.senders.into_iter().filter(|loaded| taken.allows(loaded.sender.name()));
        let put = put.map(|loaded| Change::Put(channel(loaded)));
        let removed = report.removed.into_iter().filter(|name| !taken.0.contains(name)).map(Change::Remove);
        for change in removed.chain(put) {
            if changes.send(change).await.is_err() {
                return;
            }
        }
    }
}

/// Where a user's caches are (XDG Base Directory Specification), and in there ours.
fn default_cache(env: &Env) -> Option<PathBuf> {
    Some(users_dir(env, "XDG_CACHE_HOME", ".cache")?.join("pusher"))
}

/// A directory of the user's that is named by a variable, or lies below the home directory.
pub(crate) fn users_dir(env: &Env, variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))
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
