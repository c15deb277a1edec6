//! What is in a directory becomes senders: one for each manifest, and one for each component that no manifest names.
//! [`crate::directory`] says when.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pusher_core::{BreakerPolicy, JobName, Message, PusherId, RateLimit, RetryPolicy, Sender, SenderName};

use crate::capabilities;
use crate::component::{self, Compiled};
use crate::hooks;
use crate::manifest::{Bytes, Manifest, ManifestError};
use crate::sandbox::Shared;
use crate::sender::SandboxedSender;

/// A sender that is ready to send.
pub struct LoadedSender {
    /// The sender.
    pub sender: Arc<dyn Sender>,
    /// How many sends it runs at once: `[limits] concurrency`, but not more than the sandbox runs in all. Asking for more
    /// is no error: they wait.
    pub concurrency: usize,
    /// When to try its messages again (`[retry]`).
    pub retry: RetryPolicy,
    /// When its messages are held back because they only fail (`[breaker]`).
    pub breaker: BreakerPolicy,
    /// How many messages it may be given a second (`[rate]`); `None`: as many as there are.
    pub rate: Option<RateLimit>,
    /// Its manifest, or its component if it has none.
    pub path: PathBuf,
    /// What an operator should know about it, one sentence each.
    pub warnings: Vec<String>,
}

impl fmt::Debug for LoadedSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedSender")
            .field("name", self.sender.name())
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A file that could not be made into a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The manifest, or the component if it has none.
    pub path: PathBuf,
    /// Why, and what to do.
    pub reason: String,
    /// The sender that was made of this file before, and goes on as it was.
    pub stays: Option<SenderName>,
}

impl Refused {
    /// With nothing from before that goes on.
    pub(crate) fn new(path: PathBuf, reason: String) -> Self {
        Self { path, reason, stays: None }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

/// Why a directory cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the directory of senders {} cannot be read: {source}", path.display())]
pub struct LoadError {
    /// The directory.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// A sender to be: what is known before anything is compiled.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// The manifest, or the component if there is none.
    pub(crate) path: PathBuf,
    pub(crate) component: PathBuf,
    /// What the manifest says; `None`: there is none, and the component names itself.
    pub(crate) manifest: Option<Result<Manifest, ManifestError>>,
    /// The entry of the file of hooks that it is made of, and not of a file of its own.
    pub(crate) hook: Option<hooks::Entry>,
}

impl Candidate {
    /// Every file that it is made of.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = match self.hook {
            Some(_) => Vec::new(),
            None => vec![self.path.clone()],
        };
        if let Some(Ok(manifest)) = &self.manifest {
            files.push(self.component.clone());
            files.extend(manifest.secret_files().map(|file| self.dir().join(file)));
        }
        files
    }

    /// The component, by a name that is the same for all its names, if a manifest decides what becomes of it.
    pub(crate) fn claimed(&self) -> Option<PathBuf> {
        self.manifest.is_some().then(|| identity(&self.component))
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// What is in the directory: manifests first, then the components that none of them names and that are not in `claimed`,
/// each by file name.
pub(crate) fn survey(dir: &Path, claimed: &HashSet<PathBuf>) -> io::Result<Vec<Candidate>> {
    let files = sender_files(dir)?;
    let with_extension = |wanted: &str| {
        let wanted = wanted.to_owned();
        files.iter().filter(move |path| path.extension().is_some_and(|extension| *extension == *wanted)).cloned()
    };
    let mut candidates: Vec<_> = with_extension("toml")
        .map(|path| {
            let component = path.with_extension("wasm");
            let manifest = Manifest::read(&path);
            let named = manifest.as_ref().ok().and_then(|manifest| manifest.component.as_ref());
            let component = named.map_or(component, |named| dir.join(named));
            Candidate { path, component, manifest: Some(manifest), hook: None }
        })
        .collect();
    // A component that a manifest names is never loaded without it, even if the manifest is refused.
    let named: HashSet<_> = candidates.iter().filter_map(Candidate::claimed).collect();
    for path in with_extension("wasm") {
        let identity = identity(&path);
        if !named.contains(&identity) && !claimed.contains(&identity) {
            candidates.push(Candidate { component: path.clone(), path, manifest: None, hook: None });
        }
    }
    Ok(candidates)
}

/// The manifests and components in a directory, by name.
pub(crate) fn sender_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        // The folder of a sender's crate may serve as a directory of senders while it is written.
        let is_cargos = path.file_name().is_some_and(|name| name == "Cargo.toml");
        let is_ours =
            !is_cargos && path.extension().is_some_and(|extension| extension == "toml" || extension == "wasm");
        if is_ours && !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A path by which two names of one file are seen to be one.
pub(crate) fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Makes a candidate a sender.
///
/// # Errors
/// Why it cannot be one.
pub(crate) async fn load(shared: &Arc<Shared>, candidate: Candidate) -> Result<LoadedSender, String> {
    let path = candidate.path.clone();
    let Made { sender, manifest, warnings, .. } = make(shared, candidate).await?;
    Ok(LoadedSender {
        sender: Arc::new(sender),
        concurrency: manifest.limits.concurrency.get().min(shared.config.max_sends),
        retry: manifest.retry.policy(),
        breaker: manifest.breaker.policy(),
        rate: manifest.rate.map(|rate| rate.limit()),
        path,
        warnings,
    })
}

/// What a candidate was made into.
pub(crate) struct Made {
    pub(crate) sender: SandboxedSender,
    pub(crate) own_name: String,
    pub(crate) manifest: Manifest,
    pub(crate) warnings: Vec<String>,
}

/// Makes a candidate a sender, and tries it once.
///
/// # Errors
/// Why it cannot be one.
pub(crate) async fn make(shared: &Arc<Shared>, candidate: Candidate) -> Result<Made, String> {
    let dir = candidate.dir().to_owned();
    let Candidate { path, component, manifest, hook } = candidate;
    let (has_manifest, is_hook) = (manifest.is_some(), hook.is_some());
    let manifest = manifest.transpose().map_err(|error| error.to_string())?.unwrap_or_default();
    check_limits(shared, &manifest)?;

    let for_blocking = Arc::clone(shared);
    let (compiled, grants, manifest) = blocking(move || -> Result<_, String> {
        let grants = capabilities::configure(&for_blocking, &manifest, &dir)?;
        let compiled = component::load(&for_blocking, &component, manifest.sha256);
        let compiled = compiled.map_err(|reason| if is_hook { hooks::explain(&component, reason) } else { reason })?;
        if manifest.strict {
            component::refuse_empty(&compiled, &component)?;
        }
        Ok((compiled, grants, manifest))
    })
    .await
    .map_err(|error| error.to_string())??;

    let mut warnings = warnings(&compiled, &manifest);
    warnings.extend(hook.iter().flat_map(hooks::Entry::warnings));
    let given = match &manifest.name {
        Some(name) => name.clone(),
        None => stem(&path)?,
    };
    let sender = SandboxedSender::new(given.clone(), Arc::clone(shared), compiled, grants, &manifest.limits);
    // Every component is tried once, so that one which cannot start is refused now and not with the first message.
    let own_name =
        sender.own_name(&trial(&given)).await.map_err(|fault| format!("it was tried, and failed: {fault}"))?;
    let sender = if has_manifest {
        sender
    } else {
        let name = SenderName::parse(&own_name)
            .map_err(|error| format!("it calls itself {own_name:?}, which is no name for a sender: {error}"))?;
        sender.renamed(name)
    };
    Ok(Made { sender, own_name, manifest, warnings })
}

/// The name of a file without its extension, as a sender's name.
fn stem(path: &Path) -> Result<SenderName, String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    SenderName::parse(&stem)
        .map_err(|error| format!("{stem:?} is no name for a sender: {error}; give one with `name = \"…\"`"))
}

/// The message that stands in the log beside what a sender writes while it is tried.
pub(crate) fn trial(name: &SenderName) -> Message {
    let (Ok(id), Ok(pusher)) = (JobName::parse("load"), PusherId::parse("load")) else {
        unreachable!("both are short and not empty");
    };
    Message { id, sender: name.clone(), pusher, data: String::new(), attempt: 1 }
}

fn check_limits(shared: &Shared, manifest: &Manifest) -> Result<(), String> {
    let (memory, most) = (manifest.limits.memory, Bytes(shared.config.max_memory));
    if memory > most {
        return Err(format!(
            "[limits] memory = \"{memory}\" is more than this host has for one send; write at most \"{most}\""
        ));
    }
    Ok(())
}

/// What an operator should know.
pub(crate) fn warnings(compiled: &Compiled, manifest: &Manifest) -> Vec<String> {
    let mut warnings = Vec::new();
    let granted = manifest.pushers.read || manifest.pushers.push || manifest.pushers.fan_out;
    for (interface, key, granted) in [
        ("pusher:sender/http", "http", !manifest.http.allow.is_empty()),
        ("pusher:sender/pushers", "pushers", granted),
        ("pusher:sender/config", "config] or [secrets", manifest.tells()),
    ] {
        let asked = compiled.imports(interface) || (key == "http" && compiled.imports("wasi:http/outgoing-handler"));
        if granted && !asked {
            warnings.push(format!("the manifest grants [{key}], which the component does not ask for"));
        }
    }
    if manifest.http.private && manifest.http.allow.is_empty() {
        warnings.push("[http] private = true does nothing without [http] allow".to_owned());
    }
    warnings
}

/// Runs what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
