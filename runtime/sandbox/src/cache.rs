//! Compiled components kept between starts: wasmtime's own cache, keyed by the component's bytes, the engine's settings
//! and its version.
//!
//! What is in the cache is native code, which runs outside of any sandbox. So the directory must belong to the user who
//! runs this and be open to nobody else; one that is not is not used, and neither is one inside the directory of senders,
//! where strangers' files are put.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

/// Why a directory is not used as a cache. The sandbox works without one: it compiles every component when it is loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("{} cannot be made a directory: {source}", dir.display())]
    Directory { dir: PathBuf, source: io::Error },
    #[error("{} belongs to another user; name one of your own", dir.display())]
    Foreign { dir: PathBuf },
    #[error("others may get at {} (its mode is {mode:o}); make it 700", dir.display())]
    Open { dir: PathBuf, mode: u32 },
    #[error("{} is not a cache: {reason}", dir.display())]
    Unusable { dir: PathBuf, reason: String },
}

/// Opens the cache in `dir`, which is made if it is not there.
pub(crate) fn open(dir: &Path) -> Result<Cache, CacheError> {
    let dir = make_private(dir).map_err(|source| CacheError::Directory { dir: dir.to_owned(), source })?;
    check_private(&dir)?;
    let mut config = CacheConfig::new();
    config.with_directory(&dir);
    Cache::new(config).map_err(|error| CacheError::Unusable { dir, reason: format!("{error:#}") })
}

/// Makes the directory, readable by this user only; as an absolute path, which is what wasmtime takes.
fn make_private(dir: &Path) -> io::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    dir.canonicalize()
}

#[cfg(unix)]
fn check_private(dir: &Path) -> Result<(), CacheError> {
    use std::os::unix::fs::MetadataExt;

    let found = fs::metadata(dir).map_err(|source| CacheError::Directory { dir: dir.to_owned(), source })?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(CacheError::Foreign { dir: dir.to_owned() });
    }
    match found.mode() & 0o777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(CacheError::Open { dir: dir.to_owned(), mode }),
    }
}

/// A directory in a user's profile is private by inheritance elsewhere.
#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), CacheError> {
    Ok(())
}

/// What the cache was good for since the sandbox was set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheUse {
    /// Components, or parts of them, that were not compiled again.
    pub found: usize,
    /// Those that were compiled.
    pub compiled: usize,
}

impl fmt::Display for CacheUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from the cache, {} compiled", self.found, self.compiled)
    }
}
