//! From a directory of senders to a worker's channels, and from what changes there to what changes in the worker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pusher_core::Pushers;
use pusher_sandbox::{
    Deps, Env, LoadError, LoadReport, LoadedSender, Refused, Sandbox, SandboxConfig, SandboxError, SenderDirectory,
};
use pusher_worker::{Change, Channel};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

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

/// The senders of a directory.
pub(crate) struct Senders {
    /// Those that are there at the start.
    pub(crate) channels: Vec<Channel>,
    directory: SenderDirectory,
}

/// Where senders come from, and what they may take together.
pub(crate) struct SendersConfig<'a> {
    /// The directory of manifests and components.
    pub(crate) dir: &'a Path,
    /// The file of hooks, if there is one.
    pub(crate) hooks: Option<&'a Path>,
    /// Where compiled senders are kept; `None`: in the user's cache directory, if there is one.
    pub(crate) cache: Option<&'a Path>,
    /// Messages sent at once in all.
    pub(crate) size: usize,
}

/// Loads the senders. What is refused is logged with its reason, and the others run; a directory in which nothing can be
/// run is an error, and so is a file of hooks that is none.
pub(crate) async fn load(config: SendersConfig<'_>, pushers: Arc<dyn Pushers>) -> Result<Senders, SendersError> {
    let SendersConfig { dir, hooks, cache, size } = config;
    let env = environment();
    let cache = cache.map(Path::to_owned).or_else(|| default_cache(&env));
    if let Some(cache) = cache.as_deref().filter(|cache| is_within(cache, dir)) {
        return Err(SendersError::CacheAmongSenders { cache: cache.to_owned() });
    }
    let config = SandboxConfig { max_sends: size, cache, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config, Deps { pushers, env })?;
    let mut directory = sandbox.directory(dir);
    if let Some(hooks) = hooks {
        directory = directory.hooks(hooks);
    }
    let report = directory.load().await?;
    if let Some(refused) = report.refused.iter().find(|refused| Some(&*refused.path) == hooks) {
        return Err(SendersError::Hooks(refused.clone()));
    }
    if let Some(used) = sandbox.cache_use() {
        tracing::info!(from_cache = used.found, compiled = used.compiled, "senders compiled");
    }
    tell(&report);
    if report.senders.is_empty() {
        let lines = report.refused.iter().map(|r| format!("\n  {}: {}", r.path.display(), r.reason));
        return Err(SendersError::None { dir: dir.to_owned(), refused: lines.collect() });
    }
    Ok(Senders { channels: report.senders.into_iter().map(channel).collect(), directory })
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
    /// The channels, and what becomes of them until `stop`.
    pub(crate) fn watch(self, stop: CancellationToken) -> (Vec<Channel>, mpsc::Receiver<Change>) {
        let (changes, changed) = mpsc::channel(CHANGES);
        tokio::spawn(async move {
            // Whoever waited for changes is gone, or told to stop: then there is nothing to watch for.
            stop.run_until_cancelled(watch(self.directory, changes)).await;
        });
        (self.channels, changed)
    }
}

/// Looks at the directory again and again, and says what changed. Returns when nobody listens any more.
async fn watch(mut directory: SenderDirectory, changes: mpsc::Sender<Change>) {
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
