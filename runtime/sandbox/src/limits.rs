//! How a send is held to its memory and its CPU time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
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
///
/// Asking for a thread's CPU time, twice for each poll, is a tenth of what a small send costs; the clock on the wall costs
/// next to nothing. So the first [`FREE_CPU`] of a send are told by the wall, where waiting for a processor counts; from
/// there on it is the thread's own time. The poll in which that is passed counts two ticks at most, so a send is charged
/// 30 ms too much at most. One with a limit under [`EXACT_BELOW`] has its own time told from the beginning.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    /// What the send may use, in nanoseconds.
    limit: u64,
    /// Nanoseconds used in earlier polls.
    used: AtomicU64,
    /// What the poll that is under way began with, in nanoseconds of its clock.
    begun: AtomicU64,
    /// Is the poll that is under way told by the thread's own clock?
    exact: AtomicBool,
    turn: Turn,
}

impl CpuMeter {
    pub(crate) fn new(limit: Duration, turn: Turn) -> Self {
        Self {
            limit: u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX),
            used: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            exact: AtomicBool::new(false),
            turn,
        }
    }

    /// Runs a send on the meter.
    pub(crate) async fn measure<T>(&self, send: impl Future<Output = T>) -> T {
        let mut send = pin!(send);
        poll_fn(|context| {
            self.begin();
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

    fn begin(&self) {
        let exact = self.limit < EXACT_BELOW || self.used.load(Relaxed) >= FREE_NANOS;
        self.exact.store(exact, Relaxed);
        self.begun.store(if exact { thread_time() } else { wall_time() }, Relaxed);
    }

    /// Nanoseconds used by now; for the thread that is polling.
    fn now(&self) -> u64 {
        let begun = self.begun.load(Relaxed);
        let spent = if self.exact.load(Relaxed) {
            thread_time().saturating_sub(begun)
        } else {
            // A guest that computes is interrupted at every tick: what is more than two was spent off the processor.
            wall_time().saturating_sub(begun).min(2 * FREE_NANOS)
        };
        self.used.load(Relaxed) + spent
    }
}

/// [`FREE_CPU`] in nanoseconds.
const FREE_NANOS: u64 = FREE_CPU.as_nanos() as u64;
/// Under this limit, in nanoseconds (100 ms), what the wall clock may charge too much would be a good part of it.
const EXACT_BELOW: u64 = 10 * FREE_NANOS;

/// The calling thread's CPU time in nanoseconds.
fn thread_time() -> u64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

/// Time by the wall in nanoseconds, from some beginning.
fn wall_time() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Holds everything that runs in `store` for the next message to its limits. The CPU is looked at with every tick of the engine's clock, and
/// given up to other work each time; who has computed for long waits for a turn then.
pub(crate) fn apply(store: &mut Store<State>, meter: Arc<CpuMeter>) {
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(MAX_BYTES_PER_CALL);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut context| {
        let used = meter.now();
        if used > meter.limit {
            context.data_mut().out_of_cpu = true;
            return Ok(UpdateDeadline::Interrupt);
        }
        if used < FREE_NANOS {
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

    fn meter(limit: Duration) -> CpuMeter {
        CpuMeter::new(limit, Turn::new(&Lanes::default(), &Lanes::default()))
    }

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
        let meter = meter(Duration::from_millis(200));
        meter.measure(tokio::time::sleep(Duration::from_millis(50))).await;
        assert!(meter.used() < Duration::from_millis(20));
    }

    /// Sleeping in a poll stands for a thread that waits for a processor.
    #[tokio::test]
    async fn waiting_for_a_processor_counts_in_the_beginning_only() {
        let rounds = async |meter: &CpuMeter| {
            for _ in 0..20 {
                meter.measure(async { std::thread::sleep(Duration::from_millis(30)) }).await;
            }
            meter.used()
        };
        let used = rounds(&meter(Duration::from_millis(200))).await;
        assert!(used >= FREE_CPU && used < 3 * FREE_CPU, "{used:?}");
        let used = rounds(&meter(Duration::from_millis(20))).await;
        assert!(used < FREE_CPU, "{used:?}");
    }

    #[tokio::test]
    async fn computing_counts() {
        // By the thread's own clock, since a busy machine takes from each round what it gives to others.
        let spin = async || {
            let begun = thread_time();
            while thread_time() - begun < 4_000_000 {
                std::hint::spin_loop();
            }
        };
        for limit in [20, 200] {
            let meter = meter(Duration::from_millis(limit));
            for _ in 0..10 {
                meter.measure(spin()).await;
            }
            assert!(meter.used() >= Duration::from_millis(40), "{:?}", meter.used());
        }
    }
}
