//! What a component is and asks for, what its manifest grants, and whether a worker would load it: everything that can be
//! known about a sender without giving it a message.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pusher_core::SenderName;
use tokio::time::Instant;

use crate::capabilities::{self, Served};
use crate::catalog::{self, LoadError, Made, Refused, blocking};
use crate::component::{self, Compiled, Kind};
use crate::file::SenderFile;
use crate::manifest::{Digest, Manifest};
use crate::sandbox::{Sandbox, Shared};

/// How often a component is instantiated to say how long that takes.
const ROUNDS: usize = 9;

/// What is known about one sender.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The manifest, or the component if there is none.
    pub path: PathBuf,
    /// The component; `None` if the manifest cannot be understood, so that it is not known.
    pub component: Option<PathBuf>,
    /// Is there a manifest? Without one nothing is granted.
    pub has_manifest: bool,
    /// The channel that it would serve, if it would load.
    pub name: Option<SenderName>,
    /// What the component calls itself, if it can be started.
    pub own_name: Option<String>,
    /// What the component's file is, if it can be read.
    pub binary: Option<Binary>,
    /// How it starts, if it does.
    pub start: Option<Start>,
    /// What the manifest grants, in its own words: `[http] allow = "https://api.example.com"`.
    pub grants: Vec<String>,
    /// What an operator should know, one sentence each: grants that the component does not ask for, among others.
    pub warnings: Vec<String>,
    /// Why a worker would refuse it, one sentence each: missing secrets, environment variables and files, among others.
    /// Empty: it would load.
    pub reasons: Vec<String>,
}

/// What a component's file is.
#[derive(Debug)]
pub struct Binary {
    /// Is it a component at all?
    pub kind: Kind,
    /// Its SHA-256, which a manifest can pin.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: usize,
    /// The interfaces that it exports, with their versions.
    pub exports: Vec<String>,
    /// The interfaces that it imports.
    pub imports: Vec<Import>,
    /// How long it took to compile; with a cache, how long it took to be found there. `None`: it does not compile.
    pub compile: Option<Duration>,
}

/// An interface that a component imports.
#[derive(Debug)]
pub struct Import {
    /// As in `wasi:cli/stderr@0.2.6`.
    pub name: String,
    /// What it gets.
    pub served: Served,
}

/// How a component starts: what every message costs before the sender does anything.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// How long an instance takes to make; the median of nine.
    pub time: Duration,
    /// Its memory then, in bytes.
    pub memory: u64,
}

impl Inspection {
    /// Would a worker load it?
    #[must_use]
    pub fn would_load(&self) -> bool {
        self.reasons.is_empty()
    }

    fn of(file: &SenderFile) -> Self {
        Self {
            path: file.path().to_owned(),
            component: Some(file.component().to_owned()),
            has_manifest: file.manifest().is_some(),
            grants: file.manifest().map(grants).unwrap_or_default(),
            ..Self::default()
        }
    }

    fn refused(refused: Refused) -> Self {
        let has_manifest = refused.path.extension().is_some_and(|extension| extension == "toml");
        Self { path: refused.path, has_manifest, reasons: vec![refused.reason], ..Self::default() }
    }
}

impl Sandbox {
    /// Looks at a manifest, a component, or everything in a directory, as a worker would before it loads it. Values of
    /// `[config]` and `[secrets]` that cannot be had are among the reasons, and the rest is found out all the same.
    ///
    /// # Errors
    /// [`LoadError`] if the directory cannot be read.
    pub async fn inspect(&self, path: &Path) -> Result<Vec<Inspection>, LoadError> {
        let owned = path.to_owned();
        let found = blocking(move || SenderFile::find(&owned)).await;
        let (files, refused) = found.unwrap_or_else(|source| Err(LoadError { path: path.to_owned(), source }))?;
        let mut inspections: Vec<_> = refused.into_iter().map(Inspection::refused).collect();
        for file in files {
            inspections.push(inspect(&self.shared, file).await);
        }
        inspections.sort_by(|a, b| a.path.cmp(&b.path));
        if path.is_dir() {
            one_name_each(&mut inspections);
        }
        Ok(inspections)
    }
}

/// As in a directory of senders: who comes first has the name. Manifests come before components without one.
fn one_name_each(inspections: &mut [Inspection]) {
    let mut order: Vec<usize> = (0..inspections.len()).filter(|at| inspections[*at].would_load()).collect();
    order.sort_by_key(|at| !inspections[*at].has_manifest);
    for (place, &at) in order.iter().enumerate() {
        let name = &inspections[at].name;
        let first = order[..place].iter().find(|first| inspections[**first].name == *name);
        if let Some(first) = first.map(|first| inspections[*first].path.display().to_string()) {
            let name = name.as_ref().map(SenderName::as_str).unwrap_or_default();
            let reason = format!("the name {name:?} is taken by {first}; give one of them another name");
            inspections[at].reasons.push(reason);
        }
    }
}

async fn inspect(shared: &Arc<Shared>, mut file: SenderFile) -> Inspection {
    let mut inspection = Inspection::of(&file);
    let manifest = file.manifest().cloned().unwrap_or_default();
    let (for_blocking, path, granted) = (Arc::clone(shared), file.component().to_owned(), manifest.clone());
    let looked = blocking(move || look(&for_blocking, &path, &granted)).await;
    let mut compiled = None;
    match looked.map_err(|error| error.to_string()).and_then(|looked| looked) {
        Ok((binary, linked)) => {
            inspection.binary = Some(binary);
            match linked {
                Ok(linked) => {
                    inspection.warnings = catalog::warnings(&linked, &manifest);
                    compiled = Some(linked);
                }
                Err(reason) => inspection.reasons.push(reason),
            }
        }
        Err(reason) => inspection.reasons.push(reason),
    }
    let env = Arc::clone(&shared.deps.env);
    inspection.reasons.extend(file.fill(&*env, |_| "missing".to_owned()));
    match catalog::make(shared, file.candidate).await {
        Ok(Made { sender, own_name, .. }) => {
            inspection.name = Some(pusher_core::Sender::name(&sender).clone());
            inspection.own_name = Some(own_name);
            inspection.start = start(&sender).await;
        }
        Err(reason) if inspection.reasons.contains(&reason) => {}
        Err(reason) => inspection.reasons.push(reason),
    }
    // Until here, so that what was compiled to be looked at was found again to be loaded.
    drop(compiled);
    inspection
}

/// Whether the component is a sender that the host can serve, or why not.
type Linked = Result<Arc<Compiled>, String>;

/// Looks at the component alone.
fn look(shared: &Shared, path: &Path, manifest: &Manifest) -> Result<(Binary, Linked), String> {
    let (bytes, sha256) = component::read(path)?;
    let begun = Instant::now();
    let compiled = component::compile(shared, &bytes);
    let compile = compiled.is_ok().then(|| begun.elapsed());
    let (mut exports, mut imports) = (Vec::new(), Vec::new());
    if let Ok(component) = &compiled {
        let world = component.component_type();
        exports = world.exports(&shared.engine).map(|(name, _)| name.to_owned()).collect();
        imports = world
            .imports(&shared.engine)
            .map(|(name, _)| Import { name: name.to_owned(), served: capabilities::serve(name, manifest) })
            .collect();
    }
    let linked = compiled.and_then(|component| component::link(shared, sha256, &component));
    if let Err(reason) = &linked {
        // The linker knows best: it looks at each function, too.
        for import in imports.iter_mut().filter(|import| reason.contains(&format!("`{}`", import.name))) {
            import.served = Served::Absent;
        }
    }
    let linked = linked.map_err(|reason| component::sentence(path, &reason));
    Ok((Binary { kind: Kind::of(&bytes), sha256, size: bytes.len(), exports, imports, compile }, linked))
}

/// Starts the component some times over.
async fn start(sender: &crate::sender::SandboxedSender) -> Option<Start> {
    let message = catalog::trial(pusher_core::Sender::name(sender));
    let mut times = Vec::with_capacity(ROUNDS);
    let mut memory = 0;
    for _ in 0..ROUNDS {
        let measured = sender.instantiate(&message).await;
        measured.result.ok()?;
        times.push(measured.usage.time);
        memory = measured.usage.memory;
    }
    times.sort();
    Some(Start { time: times[ROUNDS / 2], memory })
}

/// What a manifest grants, a line for each origin, right and key.
fn grants(manifest: &Manifest) -> Vec<String> {
    let allow = manifest.http.allow.iter().map(|origin| format!("[http] allow = {:?}", origin.to_string()));
    let rights = [
        ("[http] private", manifest.http.private),
        ("[pushers] read", manifest.pushers.read),
        ("[pushers] push", manifest.pushers.push),
        ("[pushers] fan-out", manifest.pushers.fan_out),
    ];
    let rights = rights.into_iter().filter(|(_, granted)| *granted).map(|(right, _)| format!("{right} = true"));
    let headers = manifest.http.headers.iter();
    let headers = headers.map(|(origin, header)| format!("[http.headers] {} for {origin}", header.name));
    let config = manifest.config.keys().map(|key| format!("[config] {key}"));
    let secrets = manifest.secrets.keys().map(|key| format!("[secrets] {key}"));
    allow.chain(headers).chain(rights).chain(config).chain(secrets).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_told_in_the_manifests_words_and_secrets_by_their_keys_only() {
        let text = "[http]\nallow = [\"https://a.example\"]\n[pushers]\nread = true\nfan-out = true\n\
                    [config]\nfrom = \"x\"\n[secrets]\nkey = { env = \"K\" }\n\
                    [http.headers.\"https://a.example\"]\nX-Key = { secret = \"key\" }\nx-version = \"2\"";
        assert_eq!(
            grants(&Manifest::parse(text).unwrap()),
            [
                "[http] allow = \"https://a.example\"",
                "[http.headers] x-key for https://a.example",
                "[http.headers] x-version for https://a.example",
                "[pushers] read = true",
                "[pushers] fan-out = true",
                "[config] from",
                "[secrets] key"
            ]
        );
    }
}
