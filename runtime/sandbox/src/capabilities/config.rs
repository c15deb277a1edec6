//! The config capability: the manifest's `[config]` and `[secrets]`, and nothing else; not those secrets that the host puts
//! into headers.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::config;
use crate::manifest::Manifest;
use crate::state::State;

/// The values that one sender is told.
#[derive(Clone)]
pub(crate) struct Grant {
    values: Arc<HashMap<String, String>>,
}

impl fmt::Debug for Grant {
    // Secrets are among the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    config::add_to_linker::<State, HasSelf<Host>>(linker, |state| &mut state.config)
}

/// Reads every value now, so that a send neither waits for a file nor sees half of a change.
pub(super) fn configure(
    manifest: &Manifest,
    dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Grant, String> {
    let mut values = HashMap::with_capacity(manifest.config.len() + manifest.secrets.len());
    for (key, value) in &manifest.config {
        values.insert(key.clone(), value.resolve(key, env)?);
    }
    if let Some(key) = manifest.secrets.keys().find(|key| values.contains_key(*key)) {
        return Err(format!("{key:?} stands in both [config] and [secrets]; take one of them out"));
    }
    for (key, secret) in manifest.told_secrets() {
        values.insert(key.clone(), secret.resolve(key, dir, env)?);
    }
    Ok(Grant { values: Arc::new(values) })
}

/// The host's side for one send.
pub(crate) struct Host {
    grant: Grant,
}

pub(super) fn prepare(grant: &Grant) -> Host {
    Host { grant: grant.clone() }
}

impl config::Host for Host {
    async fn get(&mut self, key: String) -> Option<String> {
        self.grant.values.get(&key).cloned()
    }
}
