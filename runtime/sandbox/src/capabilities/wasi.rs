//! WASI 0.2, empty of content: no files, no environment, no arguments, no sockets, nothing on stdin. Clocks and random
//! numbers work; stdout and stderr are the [log](super::log). All of it is linked, because toolchains import it unasked.

use wasmtime::component::Linker;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::log::Log;
use crate::state::State;

/// Most random bytes in one call.
const MAX_RANDOM: u64 = 64 << 10;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

pub(crate) fn prepare(log: &Log) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(log.stdout.clone())
        .stderr(log.stderr.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM)
        .build()
}
