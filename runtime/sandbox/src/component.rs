//! Bytes become something that can be instantiated. The same bytes are compiled once, however many senders use them.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::bindings::SenderComponentPre;
use crate::capabilities::{self, Served};
use crate::manifest::{Bytes, Digest, Manifest};
use crate::sandbox::Shared;
use crate::state::State;

/// The largest file that is taken for a component. An interpreter with its library has some 20 MiB.
const MAX_FILE: Bytes = Bytes(64 << 20);

/// So many digits of its SHA-256 tell a version from others.
const VERSION_DIGITS: usize = 12;

/// A component that is compiled and checked to be a sender.
pub(crate) struct Compiled {
    /// Ready to instantiate: every import is found.
    pub(crate) pre: SenderComponentPre<State>,
    /// The interfaces it imports, as in `wasi:cli/stderr@0.2.6`.
    pub(crate) imports: Vec<String>,
    /// The beginning of its SHA-256, by which people tell versions apart.
    pub(crate) version: String,
}

impl Compiled {
    /// Does it import an interface whose name begins so?
    pub(crate) fn imports(&self, prefix: &str) -> bool {
        self.imports.iter().any(|name| name.starts_with(prefix))
    }
}

/// What has been compiled and is still in use.
#[derive(Default)]
pub(crate) struct Components {
    by_digest: Mutex<HashMap<Digest, Weak<Compiled>>>,
}

impl Components {
    fn find(&self, digest: Digest) -> Option<Arc<Compiled>> {
        self.by_digest.lock().unwrap_or_else(PoisonError::into_inner).get(&digest)?.upgrade()
    }

    fn keep(&self, digest: Digest, compiled: &Arc<Compiled>) {
        let mut by_digest = self.by_digest.lock().unwrap_or_else(PoisonError::into_inner);
        by_digest.retain(|_, kept| kept.strong_count() > 0);
        by_digest.insert(digest, Arc::downgrade(compiled));
    }
}

/// Loads a component from a file. Blocks for as long as compiling takes.
///
/// # Errors
/// A sentence about why it is not a sender.
pub(crate) fn load(shared: &Shared, path: &Path, expected: Option<Digest>) -> Result<Arc<Compiled>, String> {
    let (bytes, digest) = read(path)?;
    if let Some(expected) = expected.filter(|expected| *expected != digest) {
        return Err(format!("{} has the SHA-256 {digest}, but the manifest says {expected}", file_name(path)));
    }
    if let Some(compiled) = shared.components.find(digest) {
        return Ok(compiled);
    }
    compile(shared, &bytes)
        .and_then(|component| link(shared, digest, &component))
        .map_err(|reason| sentence(path, &reason))
}

/// Reads a component's file.
///
/// # Errors
/// A sentence about why it cannot be one.
pub(crate) fn read(path: &Path) -> Result<(Vec<u8>, Digest), String> {
    let unreadable = |error: std::io::Error| format!("the component {} cannot be read: {error}", file_name(path));
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE.0 {
        return Err(format!("{} is larger than {MAX_FILE}, the most that a component may be", file_name(path)));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let digest = Digest::of(&bytes);
    Ok((bytes, digest))
}

/// A sentence about the file, of its second half.
pub(crate) fn sentence(path: &Path, reason: &str) -> String {
    format!("{} {reason}", file_name(path))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Compiles a component, whatever it imports and exports.
///
/// # Errors
/// The second half of a sentence about the file, if it is none.
pub(crate) fn compile(shared: &Shared, bytes: &[u8]) -> Result<Component, String> {
    match Kind::of(bytes) {
        Kind::Component => {}
        // Reading precompiled code would run whatever it holds, outside of any sandbox.
        Kind::Precompiled => {
            return Err("is precompiled; put the .wasm that it was made from in its place".to_owned());
        }
        Kind::Module | Kind::Other => {
            return Err(
                "is not a WebAssembly component; build it for wasm32-wasip2, or with cargo component".to_owned()
            );
        }
    }
    // `from_binary`, because `new` may take text as well.
    compiling(|| Component::from_binary(&shared.engine, bytes))
}

/// Runs the compiler. A panic of it is about this one file, too, and no reason to be without the others.
fn compiling<T>(compile: impl FnOnce() -> wasmtime::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(compile)) {
        Ok(result) => {
            result.map_err(|error| format!("is not a component that this host can run: {}", one_line(&error)))
        }
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied());
            let said = said.unwrap_or("it does not say why").replace('\n', " ");
            Err(format!("cannot be compiled by this host, whose compiler failed ({said}); build it in another way"))
        }
    }
}

/// Refuses a component that imports what has nothing behind it.
///
/// # Errors
/// A sentence that lists those imports.
pub(crate) fn refuse_empty(compiled: &Compiled, path: &Path) -> Result<(), String> {
    let is_empty = |name: &&String| capabilities::serve(name, &Manifest::default()) == Served::Empty;
    let empty: Vec<_> = compiled.imports.iter().filter(is_empty).map(String::as_str).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "imports {}, behind which there is nothing, and the manifest says strict = true; take that out, or build the \
         sender without them",
        empty.join(", ")
    );
    Err(sentence(path, &reason))
}

/// Checks that a component is a sender, and that everything it imports is there.
///
/// # Errors
/// The second half of a sentence about the file.
pub(crate) fn link(shared: &Shared, digest: Digest, component: &Component) -> Result<Arc<Compiled>, String> {
    let imports: Vec<_> = component.component_type().imports(&shared.engine).map(|(name, _)| name.to_owned()).collect();
    let pre = shared
        .linker
        .instantiate_pre(component)
        .map_err(|error| format!("imports something that this host does not have: {}", one_line(&error)))?;
    let pre = SenderComponentPre::new(pre).map_err(|error| {
        format!("is not a sender, since it does not export pusher:sender/sender@0.1.0: {}", one_line(&error))
    })?;
    let version = digest.to_string().chars().take(VERSION_DIGITS).collect();
    let compiled = Arc::new(Compiled { pre, imports, version });
    shared.components.keep(digest, &compiled);
    Ok(compiled)
}

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A WebAssembly component, which is what a sender is.
    Component,
    /// A core module: what a compiler makes for `wasm32-wasip1` or `wasm32-unknown-unknown`, before it is a component.
    Module,
    /// Native code that wasmtime made of a component. It is never loaded.
    Precompiled,
    /// No WebAssembly at all.
    Other,
}

impl Kind {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        if Engine::detect_precompiled(bytes).is_some() {
            return Self::Precompiled;
        }
        // The magic number, then version 13 in layer 1; a core module says 1 and 0.
        match (bytes.get(..4), bytes.get(6..8)) {
            (Some(b"\0asm"), Some([1, 0])) => Self::Component,
            (Some(b"\0asm"), _) => Self::Module,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Component => "component",
            Self::Module => "core module",
            Self::Precompiled => "precompiled code",
            Self::Other => "no WebAssembly",
        })
    }
}

fn one_line(error: &wasmtime::Error) -> String {
    format!("{error:#}").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_that_panics_has_refused_the_file() {
        for (panics, said) in [
            ((|| panic!("told {}", "to")) as fn() -> wasmtime::Result<()>, "told to"),
            (|| panic!("two\nlines"), "two lines"),
            (|| std::panic::panic_any(7), "it does not say why"),
        ] {
            let expected =
                format!("cannot be compiled by this host, whose compiler failed ({said}); build it in another way");
            assert_eq!(compiling(panics), Err(expected));
        }
    }
}
