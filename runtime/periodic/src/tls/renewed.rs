//! Certificates that are renewed while a process runs: who is about to use them looks whether their files have changed.
//!
//! Looking is left to those who use them, so that no task has to be kept for it. It is done once a second at most; what is
//! wrong with a new version is logged, and the one before is used until there is another.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::TlsError;
use crate::stamp::{Stamp, stamp};

/// How often files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// A configuration made from files, as they are now. Clones are the same one.
pub(super) struct Renewed<C>(Arc<Inner<C>>);

struct Inner<C> {
    files: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<C, TlsError> + Send + Sync>,
    known: Mutex<Known<C>>,
}

struct Known<C> {
    config: Arc<C>,
    stamps: Vec<Option<Stamp>>,
    looked: Instant,
}

impl<C: Send + Sync + 'static> Renewed<C> {
    /// Makes the configuration by `read`, now and whenever one of `files` has changed.
    ///
    /// # Errors
    /// What `read` says now.
    pub(super) fn new(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<C, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let stamps = files.iter().map(|file| stamp(file)).collect();
        let known = Known { config: Arc::new(read()?), stamps, looked: Instant::now() };
        Ok(Self(Arc::new(Inner { files, read: Box::new(read), known: Mutex::new(known) })))
    }

    /// The configuration. Whoever comes while somebody looks gets the one before.
    pub(super) async fn now(&self) -> Arc<C> {
        if self.0.is_to_be_looked_at() {
            let inner = Arc::clone(&self.0);
            if let Err(error) = tokio::task::spawn_blocking(move || inner.look()).await {
                warn!(%error, "certificates could not be looked at");
            }
        }
        Arc::clone(&self.0.known().config)
    }
}

impl<C> Inner<C> {
    fn known(&self) -> std::sync::MutexGuard<'_, Known<C>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_to_be_looked_at(&self) -> bool {
        let mut known = self.known();
        let is_time = !self.files.is_empty() && known.looked.elapsed() >= LOOK;
        if is_time {
            known.looked = Instant::now();
        }
        is_time
    }

    fn look(&self) {
        let stamps: Vec<_> = self.files.iter().map(|file| stamp(file)).collect();
        if stamps == self.known().stamps {
            return;
        }
        let read = (self.read)();
        let mut known = self.known();
        known.stamps = stamps;
        match read {
            Ok(config) => {
                known.config = Arc::new(config);
                info!(files = ?self.files, "certificates have changed");
            }
            // As when the certificate is there already, and its key not yet.
            Err(error) => warn!(%error, "certificates are not used as they are now; those from before still are"),
        }
    }
}

impl<C> Clone for Renewed<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for Renewed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Renewed").field(&self.0.files).finish()
    }
}
