//! What all senders share.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pusher_core::{Pushers, SenderName};
use wasmtime::component::Linker;
use wasmtime::{Cache, Engine};

use crate::cache::{self, CacheUse};
use crate::capabilities;
use crate::catalog::LoadError;
use crate::component::Components;
use crate::counts::{Denials, Ledger, Places, PoolUse};
use crate::directory::{LoadReport, SenderDirectory};
use crate::engine;
use crate::lanes::Lanes;
use crate::state::State;
use crate::transport::{Network, Transport};

/// Settings of a [`Sandbox`].
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// How many sends run at once, over all senders; more wait. Each takes address space, not memory. Default: 256.
    pub max_sends: usize,
    /// The most memory that a manifest can give one send (`[limits] memory`), in bytes. Default: 1 GiB.
    pub max_memory: u64,
    /// How many instances may wait for the next message of their sender (`[limits] reuse`), over all senders; who finds as
    /// many there is dropped instead. Each keeps the memory that it has taken, up to three quarters of `[limits] memory`.
    /// Default: 64.
    pub max_idle: usize,
    /// How long an instance waits for the next message before it is dropped, so that its memory goes back. Default: 30 s.
    pub idle_time: Duration,
    /// How long a connection may take to come about. Default: 5 s.
    pub connect_timeout: Duration,
    /// Where compiled components are kept, so that the next start need not compile them: a directory of this user's that
    /// nobody else may get at, and not the directory of senders. It is made if it is not there; one that is not private is
    /// not used, which the log says. Default: none.
    pub cache: Option<PathBuf>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            max_sends: 256,
            max_memory: 1 << 30,
            max_idle: 64,
            idle_time: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            cache: None,
        }
    }
}

/// Looks an environment variable up, for manifests that take values from there.
pub type Env = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a sandbox needs from the program around it.
#[derive(Clone)]
pub struct Deps {
    /// Serves the `pushers` capability.
    pub pushers: Arc<dyn Pushers>,
    /// Serves `{ env = "…" }` in manifests. Senders themselves have no environment.
    pub env: Env,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox cannot be set up: {0}")]
pub struct SandboxError(String);

/// Runs senders. Cheap to clone; ends when the last clone and the last sender are gone.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// The inside of a [`Sandbox`], which its senders hold, too.
pub(crate) struct Shared {
    pub(crate) config: SandboxConfig,
    pub(crate) deps: Deps,
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) components: Components,
    pub(crate) cache: Option<Cache>,
    pub(crate) transport: Arc<dyn Transport>,
    /// One for each send at once, and those for idle instances.
    pub(crate) slots: Places,
    /// The turns of sends that compute for long.
    pub(crate) lanes: Lanes,
    pub(crate) denials: Ledger,
}

impl Sandbox {
    /// Sets a sandbox up.
    ///
    /// # Errors
    /// [`SandboxError`] if the system does not give what it needs. If only the address space for pooled instances is
    /// lacking, it says so in the log and goes on without the pool, at a cost for each send.
    pub fn new(config: SandboxConfig, deps: Deps) -> Result<Self, SandboxError> {
        let network = Network::new(config.connect_timeout).map_err(SandboxError)?;
        Self::with_transport(config, deps, Arc::new(network))
    }

    /// The same, with something else than the network to carry senders' requests: for tools and tests. `connect_timeout`
    /// means nothing to it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_transport(
        config: SandboxConfig,
        deps: Deps,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, SandboxError> {
        let failed = |error: &dyn fmt::Display| SandboxError(format!("{error:#}"));
        let cache = config.cache.as_deref().and_then(|dir| match cache::open(dir) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!(reason = %error, "there is no cache: senders are compiled at every start");
                None
            }
        });
        let (engine, not_pooled) = engine::start(&config, cache.as_ref()).map_err(|error| failed(&error))?;
        if let Some(reason) = not_pooled {
            tracing::warn!(
                reason,
                sends = config.max_sends,
                "instances of senders cannot be pooled: every send will be slower"
            );
        }
        let linker = capabilities::link(&engine).map_err(|error| failed(&error))?;
        let (slots, lanes, denials) =
            (Places::new(config.max_sends, config.max_idle), Lanes::default(), Ledger::default());
        let components = Components::default();
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                deps,
                engine,
                linker,
                components,
                cache,
                transport,
                slots,
                lanes,
                denials,
            }),
        })
    }

    /// How the places for sends are used just now.
    #[must_use]
    pub fn pool_use(&self) -> PoolUse {
        self.shared.slots.read()
    }

    /// How often each loaded sender was denied something, by name.
    #[must_use]
    pub fn denials(&self) -> BTreeMap<SenderName, Denials> {
        self.shared.denials.read()
    }

    /// What the cache was good for so far; `None`: there is none.
    #[must_use]
    pub fn cache_use(&self) -> Option<CacheUse> {
        let cache = self.shared.cache.as_ref()?;
        Some(CacheUse { found: cache.cache_hits(), compiled: cache.cache_misses() })
    }

    /// A directory of senders, from which nothing is loaded yet. Every manifest in it makes a sender, and so does every
    /// component that no manifest names.
    #[must_use]
    pub fn directory(&self, dir: &Path) -> SenderDirectory {
        SenderDirectory::new(Arc::clone(&self.shared), dir)
    }

    /// Makes senders of what is in `dir`, once. What cannot be one is in the report with its reason, and the others load.
    /// [`Sandbox::directory`] is for those who want to keep up with what changes. Compiles on threads for blocking work.
    ///
    /// # Errors
    /// [`LoadError`] if the directory itself cannot be read.
    pub async fn load_dir(&self, dir: &Path) -> Result<LoadReport, LoadError> {
        self.directory(dir).load().await
    }
}
