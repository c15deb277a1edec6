//! What a sender can ask for. One file for each capability, each in three stages:
//!
//! * `link` offers it to components, once for all of them;
//! * `configure` makes a grant of what one sender's manifest says, when the sender is loaded;
//! * `prepare` makes the host's side of it for one instance and its first message.
//!
//! A new capability is one new file and one line in each of the three functions here; [`serve`] tells authors about it. If
//! its host's side holds anything of one message, [`renew`] exchanges that for the next one's.

pub(crate) mod config;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod pushers;
pub(crate) mod wasi;
pub(crate) mod wasi_http;

use std::path::Path;
use std::sync::Arc;

use pusher_core::Message;
use tokio::time::Instant;
use wasmtime::Engine;
use wasmtime::component::{Linker, ResourceTable};

use crate::counts::DenialCounts;
use crate::limits::{MAX_HANDLES, MemoryLimit};
use crate::manifest::{Manifest, Pushers};
use crate::redact::Redactor;
use crate::sandbox::Shared;
use crate::state::State;

/// A linker with everything that a component may import.
pub(crate) fn link(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    http::link(&mut linker)?;
    wasi_http::link(&mut linker)?;
    pushers::link(&mut linker)?;
    config::link(&mut linker)?;
    Ok(linker)
}

/// What a component gets for an interface that it imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// It works for every sender.
    Always,
    /// It is there, because toolchains import it unasked, and there is nothing behind it: no file, no socket.
    Empty,
    /// It works if the manifest has one of these keys.
    Granted {
        /// Which.
        key: &'static str,
        /// Has it?
        granted: bool,
    },
    /// The host does not have it: the component is refused.
    Absent,
}

/// What a component gets for the interface `name`, as in `wasi:cli/stderr@0.2.6`, under `manifest`.
pub(crate) fn serve(name: &str, manifest: &Manifest) -> Served {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    let of = |track: &str| version == track || version.strip_prefix(track).is_some_and(|rest| rest.starts_with('.'));
    let package = interface.split_once('/').map_or(interface, |(package, _)| package);
    let granted = |key, granted| Served::Granted { key, granted };
    match interface {
        "pusher:sender/types" if of("0.1") => Served::Always,
        "pusher:sender/http" if of("0.1") => granted("[http] allow", !manifest.http.allow.is_empty()),
        "pusher:sender/pushers" if of("0.1") => {
            let Pushers { read, push, fan_out } = manifest.pushers;
            granted("[pushers] read, push or fan-out", read || push || fan_out)
        }
        "pusher:sender/config" if of("0.1") => granted("[config] or [secrets]", manifest.tells()),
        _ if !of("0.2") => Served::Absent,
        "wasi:http/types" | "wasi:http/outgoing-handler" => granted("[http] allow", !manifest.http.allow.is_empty()),
        _ => match package {
            "wasi:cli" | "wasi:clocks" | "wasi:io" | "wasi:random" => Served::Always,
            "wasi:filesystem" | "wasi:sockets" => Served::Empty,
            _ => Served::Absent,
        },
    }
}

/// What one sender may do.
#[derive(Debug)]
pub(crate) struct Grants {
    http: Arc<http::Grant>,
    pushers: pushers::Grant,
    config: config::Grant,
    log: log::Grant,
    pub(crate) redactor: Arc<Redactor>,
}

/// Makes grants of a manifest.
///
/// # Errors
/// A sentence about what the manifest names and the host cannot find.
pub(crate) fn configure(shared: &Shared, manifest: &Manifest, dir: &Path) -> Result<Grants, String> {
    let redactor = Arc::new(Redactor::of(manifest, dir, &*shared.deps.env));
    Ok(Grants {
        http: http::configure(&shared.transport, manifest, dir, &*shared.deps.env)?,
        pushers: pushers::configure(&shared.deps.pushers, manifest.pushers),
        config: config::configure(manifest, dir, &*shared.deps.env)?,
        log: log::configure(&manifest.limits, &redactor),
        redactor,
    })
}

/// The data of a fresh instance's store. `message` must be sent by `deadline`; what is denied is counted.
pub(crate) fn prepare(
    grants: &Grants,
    message: &Message,
    memory: u64,
    deadline: Instant,
    denials: &Arc<DenialCounts>,
) -> State {
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_HANDLES);
    let log = log::prepare(&grants.log, message);
    let http = http::prepare(&grants.http, deadline, denials);
    State {
        wasi_http: wasi_http::prepare(&http.gate, &log.stderr),
        wasi: None,
        log,
        table,
        http,
        pushers: pushers::prepare(&grants.pushers, denials),
        config: config::prepare(&grants.config),
        memory: MemoryLimit::new(memory),
        out_of_cpu: false,
    }
}

/// Makes the data of an instance that has sent a message before ready for another one, which must be sent by `deadline`.
/// What is the instance's own stays: its memory, and the handles it holds.
pub(crate) fn renew(
    grants: &Grants,
    state: &mut State,
    message: &Message,
    deadline: Instant,
    denials: &Arc<DenialCounts>,
) {
    log::renew(&grants.log, &state.log, message);
    state.http = http::prepare(&grants.http, deadline, denials);
    wasi_http::renew(&mut state.wasi_http, &state.http.gate);
    state.memory.renew();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_served_always_when_granted_or_not_at_all() {
        let nothing = Manifest::default();
        let some = Manifest::parse("[pushers]\npush = true\n[secrets]\nk = { env = \"K\" }").unwrap();
        for (name, served) in [
            ("pusher:sender/types@0.1.0", Served::Always),
            ("pusher:sender/types@0.2.0", Served::Absent),
            ("pusher:sender/files@0.1.0", Served::Absent),
            ("wasi:cli/stderr@0.2.6", Served::Always),
            ("wasi:cli/stderr@0.3.0", Served::Absent),
            ("wasi:cli/stderr@0.20.0", Served::Absent),
            ("wasi:filesystem/types@0.2.0", Served::Empty),
            ("wasi:http/incoming-handler@0.2.0", Served::Absent),
            ("wasi:http/types@0.3.0", Served::Absent),
            ("wasi:http/types@0.2.10", Served::Granted { key: "[http] allow", granted: false }),
            ("foo:bar/baz", Served::Absent),
        ] {
            assert_eq!(serve(name, &some), served, "{name}");
        }
        for (interface, is_some) in [("http", false), ("pushers", true), ("config", true)] {
            let name = format!("pusher:sender/{interface}@0.1.0");
            assert!(matches!(serve(&name, &nothing), Served::Granted { granted: false, .. }), "{name}");
            assert!(matches!(serve(&name, &some), Served::Granted { granted, .. } if granted == is_some), "{name}");
        }
    }
}
