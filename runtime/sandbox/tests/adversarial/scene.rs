//! Where the misbehaviour happens: a sandbox with one sender that means harm, `faulty`, and a neighbour, `sample`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pusher_core::{Failure, Fault, Outcome, SendError};
use pusher_sandbox::SandboxConfig;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard};

use crate::common::{Directory, Loaded, send};
use crate::guest::Guest;

/// The limits that most scenes are played under.
pub(crate) const SMALL: &str = "[limits]\nmemory = \"16MiB\"\ncpu = \"50ms\"\ntime = \"1s\"\n";
/// For what is about something else than computing: the tests' host is not optimised.
pub(crate) const PATIENT: &str = "[limits]\ncpu = \"5s\"\ntime = \"10s\"\n";

/// Who measures the process wants it alone; all others hold this for reading.
pub(crate) static ALONE: RwLock<()> = RwLock::const_new(());

/// A scene, and the promise not to disturb who measures.
pub(crate) struct Scene {
    pub(crate) loaded: Loaded,
    _shared: Option<RwLockReadGuard<'static, ()>>,
}

impl Scene {
    /// `faulty` with this manifest.
    pub(crate) async fn faulty(manifest: &str) -> Self {
        compiled().await;
        let shared = Some(ALONE.read().await);
        Self { loaded: directory(Some(manifest), None).load().await, _shared: shared }
    }

    /// The same in a sandbox with these settings.
    pub(crate) async fn within(config: SandboxConfig, manifest: &str) -> Self {
        compiled().await;
        let shared = Some(ALONE.read().await);
        let directory = directory(Some(manifest), None).config(SandboxConfig { cache: Some(cache()), ..config });
        Self { loaded: directory.load().await, _shared: shared }
    }

    /// A component written by hand in the place of `faulty`.
    pub(crate) async fn hand(guest: &Guest, manifest: &str) -> Self {
        compiled().await;
        let shared = Some(ALONE.read().await);
        Self { loaded: directory(Some(manifest), Some(guest)).load().await, _shared: shared }
    }

    /// These bytes in the place of `faulty`.
    pub(crate) async fn component(bytes: Vec<u8>, manifest: &str) -> Self {
        compiled().await;
        let shared = Some(ALONE.read().await);
        Self { loaded: directory(Some(manifest), None).file("faulty.wasm", bytes).load().await, _shared: shared }
    }

    /// For who holds [`ALONE`] already.
    pub(crate) async fn alone(guest: Option<&Guest>, manifest: &str) -> Self {
        compiled().await;
        Self { loaded: directory(Some(manifest), guest).load().await, _shared: None }
    }

    /// The fault that sending this data ends in, seen to be harmless to the neighbour.
    pub(crate) async fn fault(&self, data: &str) -> Fault {
        let fault = self.loaded.fault(data).await;
        self.neighbour_delivers(1).await;
        fault
    }

    /// What the sender says by way of a permanent failure, seen to be harmless to the neighbour.
    pub(crate) async fn ask(&self, data: &str) -> String {
        let said = self.loaded.ask(data).await;
        self.neighbour_delivers(1).await;
        said
    }

    pub(crate) async fn send(&self, data: &str) -> Result<Outcome, SendError> {
        send(&*self.loaded.sender("faulty"), data).await
    }

    pub(crate) async fn neighbour_delivers(&self, times: usize) {
        let neighbour = self.loaded.sender("sample");
        for _ in 0..times {
            assert_eq!(send(&*neighbour, "hello").await, Ok(Outcome::Done));
        }
    }

    /// Why `faulty` was not loaded; the neighbour was.
    pub(crate) async fn refusal(&self) -> &str {
        self.neighbour_delivers(1).await;
        self.loaded.refusal("faulty.toml")
    }
}

/// Has both components in the cache, so that the tests which begin together do not all compile them.
async fn compiled() {
    static ONCE: OnceCell<()> = OnceCell::const_new();
    ONCE.get_or_init(async || drop(directory(None, None).load().await)).await;
}

fn directory(manifest: Option<&str>, guest: Option<&Guest>) -> Directory {
    let directory = match guest {
        Some(guest) => Directory::new().file("faulty.wasm", guest.build()),
        None => Directory::new().component("faulty"),
    };
    let config = SandboxConfig { cache: Some(cache()), ..SandboxConfig::default() };
    let directory = directory.component("sample").recipient("ada", "ada@example.com").config(config);
    manifest.iter().fold(directory, |directory, manifest| directory.file("faulty.toml", manifest))
}

/// Compiling `faulty` for every scene would be most of the suite's time.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("adversarial")
}

/// Comes back when it is so.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let until = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), until).await.expect("it comes to that");
}

/// CPU time that this process has used.
pub(crate) fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

pub(crate) fn permanent(text: &str) -> Result<Outcome, SendError> {
    Err(SendError::Failure(Failure::Permanent(text.into())))
}
