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

/// Loads the senders in `dir`. What is refused is logged with its reason, and the others run; a directory in which
/// nothing can be run is an error.
pub(crate) async fn load(
    dir: &Path,
    cache: Option<&Path>,
    size: usize,
    pushers: Arc<dyn Pushers>,
) -> Result<Vec<Channel>, SendersError> {
    let env = environment();
    let cache = cache.map(Path::to_owned).or_else(|| default_cache(&env));
    if let Some(cache) = cache.as_deref().filter(|cache| is_within(cache, dir)) {
        return Err(SendersError::CacheAmongSenders { cache: cache.to_owned() });
    }
    let config = SandboxConfig { max_sends: size, cache, ..SandboxConfig::default() };
    let sandbox = Sandbox::new(config, Deps { pushers, env })?;
    let report = sandbox.load_dir(dir).await?;
    if let Some(used) = sandbox.cache_use() {
        tracing::info!(from_cache = used.found, compiled = used.compiled, "senders compiled");
    }
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
