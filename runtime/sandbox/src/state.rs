//! What belongs to one instance while it sends: the data of its store.

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capabilities::{config, http, log, pushers, wasi, wasi_http};
use crate::limits::MemoryLimit;

/// The data of one instance's store.
pub(crate) struct State {
    /// `None` until the guest first asks for anything of it, which a small sender never does: making it costs a good part
    /// of what a fresh instance does.
    pub(crate) wasi: Option<Box<WasiCtx>>,
    /// Where the streams in `wasi` end.
    pub(crate) log: log::Log,
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
        let ctx = self.wasi.get_or_insert_with(|| Box::new(wasi::prepare(&self.log)));
        WasiCtxView { ctx, table: &mut self.table }
    }
}
