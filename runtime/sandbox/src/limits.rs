//! How a send is held to its memory and its CPU time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use crate::state::State;

/// Most entries in all tables of one instance. An interpreter needs tens of thousands.
const MAX_TABLE_ENTRIES: usize = 200_000;
/// Most core instances, and most tables, in one store.
const MAX_PARTS: usize = 100;
/// Most memories in one store.
const MAX_MEMORIES: usize = 4;
/// Most bytes a guest can hand to the host in one call: over the largest request body, so that one that is too large is
/// an error that the guest sees and not a trap.
const MAX_BYTES_PER_CALL: usize = 2 << 20;
/// Most resources (streams, pollables …) that a guest can hold at once, on either side.
pub(crate) const MAX_HANDLES: usize = 1_000;

/// Counts the memory of one instance: over all its memories, not for each.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    used: usize,
    table_entries: usize,
    /// Was more asked for than there is?
    pub(crate) refused: bool,
}

impl MemoryLimit {
    pub(crate) fn new(bytes: u64) -> Self {
        let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self { limit, used: 0, table_entries: 0, refused: false }
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
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    /// Nanoseconds used in earlier polls.
    used: AtomicU64,
    /// The thread's own CPU clock at the beginning of the poll that is under way.
    begun: AtomicU64,
}

impl CpuMeter {
    /// Runs a send on the meter.
    pub(crate) async fn measure<T>(&self, send: impl Future<Output = T>) -> T {
        let mut send = pin!(send);
        poll_fn(|context| {
            self.begun.store(thread_time(), Relaxed);
            let poll = send.as_mut().poll(context);
            self.used.store(self.now(), Relaxed);
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

/// Holds everything that runs in `store` to its limits. The CPU is looked at with every tick of the engine's clock, and
/// given up to other work each time.
pub(crate) fn apply(store: &mut Store<State>, meter: Arc<CpuMeter>, cpu: Duration) {
    let limit = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(MAX_BYTES_PER_CALL);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut context| {
        if meter.now() > limit {
            context.data_mut().out_of_cpu = true;
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let meter = CpuMeter::default();
        meter.measure(tokio::time::sleep(Duration::from_millis(50))).await;
        assert!(meter.used.load(Relaxed) < 20_000_000);
    }
}
