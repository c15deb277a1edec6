//! What the tests share: real components out of `senders-wasm/`, a directory of senders to load them from, recipients,
//! and an HTTP server that answers as it is told.

#![allow(dead_code, unused_imports, missing_docs, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod log;
mod server;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
pub use log::Captured;
use pusher_core::{
    Failure, FanOutProgress, FanOutRequest, Fault, JobName, Message, Outcome, PushRequest, Pusher, PusherId,
    PusherList, Pushers, PushersError, SendError, Sender, SenderName,
};
use pusher_sandbox::transport::Transport;
use pusher_sandbox::{Deps, Inspection, LoadReport, Sandbox, SandboxConfig};
pub use server::{Asked, Hesitant, Server};

/// The bytes of a component in `senders-wasm/`, built if need be.
pub fn component(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../senders-wasm");
        let target = workspace.join("target");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2", "--target-dir"])
            .arg(&target)
            .current_dir(&workspace)
            // Flags for the native build do not suit wasm.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()
            .expect("cargo starts");
        assert!(status.success(), "the senders do not build; is the target wasm32-wasip2 installed?");
        target.join("wasm32-wasip2/release")
    });
    std::fs::read(dir.join(format!("{name}.wasm"))).expect("the component was built")
}

/// A directory of senders in the making.
pub struct Directory {
    dir: tempfile::TempDir,
    env: HashMap<String, String>,
    config: SandboxConfig,
    transport: Option<Arc<dyn Transport>>,
    recipients: Arc<Recipients>,
}

impl Directory {
    pub fn new() -> Self {
        let recipients = Arc::default();
        let (dir, config) = (tempfile::tempdir().unwrap(), SandboxConfig::default());
        Self { dir, env: HashMap::new(), config, transport: None, recipients }
    }

    /// A directory with the component `faulty` and this manifest for it.
    pub fn faulty(manifest: &str) -> Self {
        Self::new().component("faulty").file("faulty.toml", manifest)
    }

    /// The same with the component `outgoing`, under that name.
    pub fn outgoing(manifest: &str) -> Self {
        Self::new().file("faulty.wasm", component("outgoing")).file("faulty.toml", manifest)
    }

    pub fn component(self, name: &str) -> Self {
        let bytes = component(name);
        self.file(&format!("{name}.wasm"), bytes)
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.dir.path().join(name), content).unwrap();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    pub fn config(mut self, config: SandboxConfig) -> Self {
        self.config = config;
        self
    }

    /// Something else than the network to carry requests.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    pub fn recipient(self, id: &str, email: &str) -> Self {
        let mut pusher = Pusher::new(PusherId::parse(id).unwrap());
        pusher.email = email.into();
        pusher.nickname = "Ada".into();
        self.pusher(pusher)
    }

    pub fn pusher(self, pusher: Pusher) -> Self {
        self.recipients.known.lock().unwrap().push(pusher);
        self
    }

    /// Looks at a file that is there, or at everything.
    pub async fn inspect(self, file: &str) -> Vec<Inspection> {
        let path = self.dir.path().join(file);
        let (_dir, sandbox, _) = self.sandbox();
        sandbox.inspect(&path).await.unwrap()
    }

    /// Loads what is there.
    pub async fn load(self) -> Loaded {
        let (dir, sandbox, recipients) = self.sandbox();
        let report = sandbox.load_dir(dir.path()).await.unwrap();
        Loaded { dir, sandbox, report, recipients }
    }

    pub fn sandbox(self) -> (tempfile::TempDir, Sandbox, Arc<Recipients>) {
        let Self { dir, env, config, transport, recipients } = self;
        let deps = Deps { pushers: Arc::clone(&recipients) as _, env: Arc::new(move |name| env.get(name).cloned()) };
        let sandbox = match transport {
            Some(transport) => Sandbox::with_transport(config, deps, transport),
            None => Sandbox::new(config, deps),
        };
        (dir, sandbox.unwrap(), recipients)
    }
}

/// A directory that was loaded.
pub struct Loaded {
    pub dir: tempfile::TempDir,
    pub sandbox: Sandbox,
    pub report: LoadReport,
    pub recipients: Arc<Recipients>,
}

impl Loaded {
    /// The sender of this name.
    pub fn sender(&self, name: &str) -> Arc<dyn Sender> {
        let found = self.report.senders.iter().find(|loaded| loaded.sender.name().as_str() == name);
        Arc::clone(&found.unwrap_or_else(|| panic!("{name} did not load: {:?}", self.report)).sender)
    }

    pub fn names(&self) -> Vec<&str> {
        self.report.senders.iter().map(|loaded| loaded.sender.name().as_str()).collect()
    }

    /// Why this file was refused.
    pub fn refusal(&self, file: &str) -> &str {
        let found = self.report.refused.iter().find(|refused| refused.path.file_name().unwrap() == file);
        &found.unwrap_or_else(|| panic!("{file} was not refused: {:?}", self.report)).reason
    }

    /// What the sender `faulty` says to this data, by way of a permanent failure.
    pub async fn ask(&self, data: &str) -> String {
        match send(&*self.sender("faulty"), data).await {
            Err(SendError::Failure(Failure::Permanent(said))) => said,
            other => panic!("{data}: {other:?}"),
        }
    }

    /// The fault that the sender `faulty` ends in with this data.
    pub async fn fault(&self, data: &str) -> Fault {
        match send(&*self.sender("faulty"), data).await {
            Err(SendError::Fault(fault)) => fault,
            other => panic!("{data}: {other:?}"),
        }
    }
}

pub fn message(sender: &SenderName, pusher: &str, data: &str) -> Message {
    let pusher = PusherId::parse(pusher).unwrap();
    Message { id: JobName::for_push(&pusher, data), sender: sender.clone(), pusher, data: data.into(), attempt: 1 }
}

pub async fn send(sender: &dyn Sender, data: &str) -> Result<Outcome, SendError> {
    sender.send(message(sender.name(), "ada", data)).await
}

/// Recipients in memory, and what was pushed to them.
#[derive(Default)]
pub struct Recipients {
    known: Mutex<Vec<Pusher>>,
    pub pushed: Mutex<Vec<PushRequest>>,
    pub fanned_out: Mutex<Vec<FanOutRequest>>,
}

#[async_trait]
impl Pushers for Recipients {
    async fn get(&self, id: &PusherId) -> Result<Option<Pusher>, PushersError> {
        if id.as_str() == "unavailable" {
            return Err(PushersError::Unavailable("told to".into()));
        }
        Ok(self.known.lock().unwrap().iter().find(|pusher| pusher.id == *id).cloned())
    }

    /// Finds by a part of the id; a bracket is no query.
    async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, PushersError> {
        if query.contains('(') {
            return Err(PushersError::Refused("no query".into()));
        }
        let known = self.known.lock().unwrap();
        let found = known.iter().filter(|pusher| pusher.id.as_str().contains(query));
        let pushers = found.clone().skip(from as usize).take(size).cloned().collect();
        Ok(PusherList { total: found.count() as u64, pushers })
    }

    async fn push(&self, request: PushRequest) -> Result<JobName, PushersError> {
        if self.get(&request.pusher).await?.is_none() {
            return Err(PushersError::Refused("no such recipient".into()));
        }
        let name = JobName::for_push(&request.pusher, &request.data);
        self.pushed.lock().unwrap().push(request);
        Ok(name)
    }

    /// Three pages of ten.
    async fn fan_out(&self, request: &FanOutRequest) -> Result<FanOutProgress, PushersError> {
        let mut fanned_out = self.fanned_out.lock().unwrap();
        fanned_out.push(request.clone());
        let pages = fanned_out.len();
        Ok(FanOutProgress { pushed: 10 * pages as u64, done: pages == 3 })
    }
}
