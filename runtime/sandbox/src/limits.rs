//! How a send is held to its memory and its CPU time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use crate::engine::TICK;
use crate::lanes::Turn;
use crate::state::State;

/// Most entries in all tables of one instance. An interpreter compiled to wasm has tens of thousands of functions in its
/// table; an entry takes 8 bytes of the host, so this is half a MiB that `[limits] memory` does not count.
pub(crate) const MAX_TABLE_ENTRIES: usize = 65_536;
/// Most core instances, and most tables, in one store.
const MAX_PARTS: usize = 100;
/// Most memories in one store.
const MAX_MEMORIES: usize = 4;
/// Most bytes a guest can hand to the host in one call: over the largest request body, so that one that is too large is
/// an error that the guest sees and not a trap. It is what bounds the host's memory and the CPU of one call, since
/// neither `[limits] memory` nor the clock reaches into the host. Wasmtime's own default is 128 MiB.
pub(crate) const MAX_BYTES_PER_CALL: usize = 2 << 20;
/// Most resources (streams, pollables …) that a guest can hold at once, on either side. A careful guest has a handful;
/// wasmtime's own default is 100,000.
pub(crate) const MAX_HANDLES: usize = 1_000;
/// What a send may compute before it takes turns with others that compute for long ([`lanes`](crate::lanes)). A Rust sender
/// needs less than a tenth of it in all.
pub(crate) const FREE_CPU: Duration = TICK;
/// Most names that one sender has looked up at once. A lookup takes a thread until the name server answers (tens of
/// seconds, if it is slow on purpose), and the host has 512 for all blocking work.
pub(crate) const MAX_LOOKUPS: usize = 8;
/// The stack of a guest in bytes, as deep as its functions may call each other. What a native thread of a small program
/// gets by with; an interpreter fits.
pub(crate) const GUEST_STACK: usize = 512 << 10;
/// The whole stack on which a send runs, in bytes: the guest's, and at least this much less that for the host's functions
/// that it calls at its deepest point.
pub(crate) const SEND_STACK: usize = 2 << 20;

/// Counts the memory of one instance: over all its memories, not for each.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    used: usize,
    table_entries: usize,
    /// Was more asked for than there is?
    pub(crate) refused: bool,
    /// Were more entries of tables asked for than there are?
    pub(crate) tables_refused: bool,
}

impl MemoryLimit {
    pub(crate) fn new(bytes: u64) -> Self {
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self { limit, used: 0, table_entries: 0, refused: false, tables_refused: false }
    }

    /// Forgets what was refused while the message before was sent. What the instance has taken stays its own, and counts.
    pub(crate) fn renew(&mut self) {
        (self.refused, self.tables_refused) = (false, false);
    }

    /// What the instance has taken so far, in bytes. It never gives any back.
    pub(crate) fn used(&self) -> u64 {
        self.used as u64
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_sub(current).saturating_add(desired);
        let fits = used <= self.limit;
        if fits {
            self.used = used;
        }
        self.refused |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let entries = self.table_entries.saturating_sub(current).saturating_add(desired);
        let fits = entries <= MAX_TABLE_ENTRIES;
        if fits {
            self.table_entries = entries;
        }
        self.tables_refused |= !fits;
        Ok(fits)
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}

/// The CPU time that one send has used. Only what the thread computes while it runs the send counts: not the waiting
/// for the host or the network, and not the waiting for a processor on a busy machine.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    /// Nanoseconds used in earlier polls.
    used: AtomicU64,
    /// The thread's own CPU clock at the beginning of the poll that is under way.
    begun: AtomicU64,
    turn: Turn,
}

impl CpuMeter {
    pub(crate) fn new(turn: Turn) -> Self {
        Self { used: AtomicU64::new(0), begun: AtomicU64::new(0), turn }
    }

    /// Runs a send on the meter.
    pub(crate) async fn measure<T>(&self, send: impl Future<Output = T>) -> T {
        let mut send = pin!(send);
        poll_fn(|context| {
            self.begun.store(thread_time(), Relaxed);
            let poll = send.as_mut().poll(context);
            self.used.store(self.now(), Relaxed);
            self.turn.end();
            poll
        })
        .await
    }

    /// What was used up to the end of the last poll.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Relaxed))
    }

    /// Nanoseconds used by now; for the thread that is polling.
    fn now(&self) -> u64 {
        self.used.load(Relaxed) + thread_time().saturating_sub(self.begun.load(Relaxed))
    }
}

/// The calling thread's CPU time in nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Holds everything that runs in `store` for the next message to its limits. The CPU is looked at with every tick of the engine's clock, and
/// given up to other work each time; who has computed for long waits for a turn then.
pub(crate) fn apply(store: &mut Store<State>, meter: Arc<CpuMeter>, cpu: Duration) {
    let limit = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(MAX_BYTES_PER_CALL);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut context| {
        let used = meter.now();
        if used > limit {
            context.data_mut().out_of_cpu = true;
            return Ok(UpdateDeadline::Interrupt);
        }
        if used < FREE_CPU.as_nanos() as u64 {
            return Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())));
        }
        let meter = Arc::clone(&meter);
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(async move { meter.turn.next().await })))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Lanes;

    #[test]
    fn memory_counts_over_all_memories() {
        let mut limit = MemoryLimit::new(100);
        assert!(limit.memory_growing(0, 40, None).unwrap());
        assert!(limit.memory_growing(0, 40, None).unwrap());
        assert!(!limit.memory_growing(40, 80, None).unwrap());
        assert!(limit.refused);
        assert!(limit.memory_growing(40, 60, None).unwrap());
    }

    #[tokio::test]
    async fn waiting_is_not_computing() {
        let meter = CpuMeter::new(Turn::new(&Lanes::default(), &Lanes::default()));
        meter.measure(tokio::time::sleep(Duration::from_millis(50))).await;
        assert!(meter.used.load(Relaxed) < 20_000_000);
    }
}
