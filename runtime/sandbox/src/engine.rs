//! The engine's settings, each with its reason, and the thread that keeps time for guests that compute.

use std::thread;
use std::time::Duration;

use wasmtime::{Cache, Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::{GUEST_STACK, MAX_TABLE_ENTRIES, SEND_STACK};
use crate::sandbox::SandboxConfig;

/// How often a guest that computes is looked at: its CPU time is compared with the limit and the thread is given up to
/// other work. A limit is therefore kept to within about this much.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// How many core modules, memories and tables one component may be made of. A Rust component has four modules, one
/// memory and two tables; Python's and JavaScript's have some dozens of modules.
const MODULES_PER_COMPONENT: u32 = 64;
const MEMORIES_PER_COMPONENT: u32 = 2;
const TABLES_PER_COMPONENT: u32 = 16;
/// The host's records about one component's instances, in bytes, which grow with the same things.
const RECORDS_PER_COMPONENT: usize = 4 << 20;
/// How much of a memory is kept and cleared by hand for the next instance, in bytes, rather than given back to the
/// system and faulted in again. A small Rust sender touches less than this.
const KEEP_MEMORY: usize = 512 << 10;
/// The same for a table, in bytes.
const KEEP_TABLE: usize = 64 << 10;

/// Makes the engine and starts its clock. The second value says why instances are not pooled, if they are not.
pub(crate) fn start(config: &SandboxConfig, cache: Option<&Cache>) -> wasmtime::Result<(Engine, Option<String>)> {
    let settings = |pool| {
        let mut settings = settings(pool);
        settings.cache(cache.cloned());
        settings
    };
    let (engine, not_pooled) = match Engine::new(&settings(Some(config))) {
        Ok(engine) => (engine, None),
        // The pool reserves terabytes of address space, which some containers do not give.
        Err(error) => (Engine::new(&settings(None))?, Some(format!("{error:#}"))),
    };
    let weak = engine.weak();
    thread::Builder::new().name("sandbox-clock".to_owned()).spawn(move || keep_time(&weak))?;
    Ok((engine, not_pooled))
}

/// Ticks for as long as there is an engine. A thread of its own: a task would not run while guests occupy every thread
/// of the runtime, which is when it is needed.
fn keep_time(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(TICK);
    }
}

fn settings(pool: Option<&SandboxConfig>) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(SEND_STACK)
        // An instance begins with its memory mapped from the component's image, and copies only the pages it writes.
        .memory_init_cow(true)
        // Senders are plain synchronous components of WASI 0.2. What they do not need is not there to be attacked.
        .concurrency_support(false)
        .gc_support(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_memory64(false)
        // A component that is composed of others has a module between them that copies from one's memory to the other's:
        // without this the compiler panics at it. No module may define more than one memory of its own all the same.
        .wasm_multi_memory(true)
        // A trap is told in one line; the frames are for the debug log.
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16));
    if let Some(sandbox) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(slots(sandbox)));
    }
    config
}

/// Room for as many instances as there may be sends at once and idle ones besides, and for nothing less: an empty pool is an
/// error, so what a component may hold times the number of components is what there is. An idle instance keeps the stack
/// that it ran on, too.
fn slots(sandbox: &SandboxConfig) -> PoolingAllocationConfig {
    let instances = u32::try_from(sandbox.max_sends.saturating_add(sandbox.max_idle)).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(MODULES_PER_COMPONENT))
        .max_core_instances_per_component(MODULES_PER_COMPONENT)
        .total_memories(instances.saturating_mul(MEMORIES_PER_COMPONENT))
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_memories_per_module(1)
        .total_tables(instances.saturating_mul(TABLES_PER_COMPONENT))
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .table_elements(MAX_TABLE_ENTRIES)
        .max_component_instance_size(RECORDS_PER_COMPONENT)
        .max_core_instance_size(RECORDS_PER_COMPONENT)
        .max_memory_size(usize::try_from(sandbox.max_memory).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_MEMORY)
        .table_keep_resident(KEEP_TABLE)
        // Asks the kernel (6.7 or later) which pages were written, and clears only those.
        .pagemap_scan(Enabled::Auto);
    pool
}
