//! What a sender can ask for. One file for each capability, each in three stages:
//!
//! * `link` offers it to components, once for all of them;
//! * `configure` makes a grant of what one sender's manifest says, when the sender is loaded;
//! * `prepare` makes the host's side of it for one message.
//!
//! A new capability is one new file and one line in each of the three functions here.

pub(crate) mod config;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod pushers;
mod wasi;

use std::path::Path;
use std::sync::Arc;

use pusher_core::Message;
use tokio::time::Instant;
use wasmtime::Engine;
use wasmtime::component::{Linker, ResourceTable};

use crate::counts::DenialCounts;
use crate::limits::{MAX_HANDLES, MemoryLimit};
use crate::manifest::Manifest;
use crate::sandbox::Shared;
use crate::state::State;

/// A linker with everything that a component may import.
pub(crate) fn link(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    http::link(&mut linker)?;
    pushers::link(&mut linker)?;
    config::link(&mut linker)?;
    Ok(linker)
}

/// What one sender may do.
#[derive(Debug)]
pub(crate) struct Grants {
    http: http::Grant,
    pushers: pushers::Grant,
    config: config::Grant,
    log: log::Grant,
}

/// Makes grants of a manifest.
///
/// # Errors
/// A sentence about what the manifest names and the host cannot find.
pub(crate) fn configure(shared: &Shared, manifest: &Manifest, dir: &Path) -> Result<Grants, String> {
    Ok(Grants {
        http: http::configure(&shared.clients, &manifest.http),
        pushers: pushers::configure(&shared.deps.pushers, manifest.pushers),
        config: config::configure(manifest, dir, &*shared.deps.env)?,
        log: log::configure(&manifest.limits),
    })
}

/// The data of the store in which `message` is sent, which must end by `deadline`. What is denied meanwhile is counted.
pub(crate) fn prepare(
    grants: &Grants,
    message: &Message,
    memory: u64,
    deadline: Instant,
    denials: &Arc<DenialCounts>,
) -> State {
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_HANDLES);
    State {
        wasi: wasi::prepare(log::prepare(&grants.log, message)),
        table,
        http: http::prepare(&grants.http, deadline, denials),
        pushers: pushers::prepare(&grants.pushers, denials),
        config: config::prepare(&grants.config),
        memory: MemoryLimit::new(memory),
        out_of_cpu: false,
    }
}
