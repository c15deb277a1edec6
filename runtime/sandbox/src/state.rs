//! What belongs to one send while it runs: the data of its store.

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capabilities::{config, http, pushers, wasi_http};
use crate::limits::MemoryLimit;

/// The data of one send's store.
pub(crate) struct State {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) http: http::Host,
    pub(crate) wasi_http: wasi_http::Host,
    pub(crate) pushers: pushers::Host,
    pub(crate) config: config::Host,
    pub(crate) memory: MemoryLimit,
    /// Was it interrupted because it had computed for too long?
    pub(crate) out_of_cpu: bool,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
