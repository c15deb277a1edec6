//! `hostile`: a sender that does something bad, at random, many times at once, beside one that delivers. Everything that the
//! good one is given is delivered, and afterwards this process has no more memory, threads and files than it began with.
//! Wants a process of its own, because that is what it looks at.

use std::fs;
use std::sync::Arc;

use pusher_core::Sender;
use pusher_sandbox::{Deps, Sandbox, SandboxConfig};
use tokio::time::sleep;

use super::{Form, Random};
use crate::bench::sandbox::Nobody;
use crate::crowd::{Crowd, HOSTILE};
use crate::senders;
use crate::wait::{must, until};

/// Most bad sends at once: the default of `[limits] concurrency`.
const AT_ONCE: usize = 32;
/// Good sends at once, and what each waits for.
const GOOD: (usize, &str) = (8, "sleep:10");
/// Small enough that all of them fit a small machine, and quick enough for many rounds.
const LIMITS: &str = "component = \"faulty.wasm\"\n[limits]\nmemory = \"16MiB\"\ncpu = \"50ms\"\ntime = \"1s\"\n";
/// How much larger the process may be than after the warm-up, in KiB. The pool keeps up to 0.5 MiB of each memory that it
/// ever lent, and lends others as it comes; what leaks in every round is more than that after a while.
const GROWTH: u64 = 32 << 10;

/// Both senders in this process.
pub struct Hostile {
    _dir: tempfile::TempDir,
    sandbox: Sandbox,
    good: Arc<dyn Sender>,
    bad: Arc<dyn Sender>,
    /// What the process had after it had done everything once.
    least: Option<Footprint>,
}

/// What this process has.
#[derive(Debug, Clone, Copy)]
struct Footprint {
    /// Memory, in KiB.
    memory: u64,
    threads: usize,
    files: usize,
}

impl Footprint {
    fn read() -> Self {
        let status = must("/proc/self/status", fs::read_to_string("/proc/self/status"));
        let memory =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        let count = |dir: &str| must(dir, fs::read_dir(dir)).count();
        Self {
            memory: memory.unwrap_or_else(|| panic!("/proc/self/status has no VmRSS")),
            threads: count("/proc/self/task"),
            files: count("/proc/self/fd"),
        }
    }

    fn is_within(self, least: Self) -> bool {
        self.memory <= least.memory + GROWTH && self.threads <= least.threads && self.files <= least.files
    }
}

impl Hostile {
    /// Loads both.
    ///
    /// # Panics
    /// If they do not load.
    pub async fn start() -> Self {
        let dir = must("a temporary directory", tempfile::tempdir());
        for (name, manifest) in [("bad", LIMITS), ("good", "component = \"faulty.wasm\"\n")] {
            must(name, senders::write(dir.path(), name, "faulty.wasm", manifest));
        }
        let deps = Deps { pushers: Arc::new(Nobody), env: Arc::new(|_| None) };
        // No more places than both take, so that the warm-up has used most of what the pool keeps.
        let config = SandboxConfig { max_sends: AT_ONCE + GOOD.0, ..SandboxConfig::default() };
        let sandbox = must("the sandbox", Sandbox::new(config, deps));
        let report = must("the senders", sandbox.load_dir(dir.path()).await);
        let [bad, good] = &report.senders[..] else { panic!("{:?}", report.refused) };
        let (bad, good) = (Arc::clone(&bad.sender), Arc::clone(&good.sender));
        Self { _dir: dir, sandbox, good, bad, least: None }
    }

    /// Has both send for a while. How many messages the good one delivered.
    async fn beside(&self, data: &str, at_once: usize, random: &mut Random) -> u64 {
        let good = must("the good one", Crowd::start(&self.good, GOOD.1, GOOD.0));
        let bad = must(data, Crowd::start(&self.bad, data, at_once));
        sleep(random.millis(200, 1500)).await;
        bad.end().await;
        let (delivered, failed) = good.finish().await;
        assert_eq!(failed, 0, "good messages that were not delivered beside {at_once} of {data:?}");
        assert!(delivered > 0, "nothing was delivered beside {at_once} of {data:?}");
        delivered
    }

    /// Waits until nothing is being sent any more.
    async fn rest(&self) {
        let idle = || self.sandbox.pool_use().running == 0;
        until("the sends to end", async || idle().then_some(())).await;
    }
}

impl Form for Hostile {
    const NAME: &'static str = "hostile";

    async fn round(&mut self, random: &mut Random) -> String {
        let least = match self.least {
            Some(least) => least,
            None => {
                // With numbers of its own, so that a round is the same whether or not it is the first.
                for (data, _) in HOSTILE {
                    self.beside(data, AT_ONCE, &mut Random::new(0)).await;
                }
                self.rest().await;
                *self.least.insert(Footprint::read())
            }
        };
        let (data, what) = HOSTILE[random.below(HOSTILE.len())];
        let at_once = 1 + random.below(AT_ONCE);
        let delivered = self.beside(data, at_once, random).await;
        self.rest().await;
        let back = async || {
            // An allocator gives memory back when it is asked for some.
            must("the good one", Crowd::start(&self.good, "fine", 1)).finish().await;
            let now = Footprint::read();
            now.is_within(least).then_some(now)
        };
        let now = until(&format!("what {at_once} of {data:?} took, after {least:?}"), back).await;
        format!(
            "{delivered} delivered beside {at_once} of {what}; {} MiB, {} threads, {} files",
            now.memory >> 10,
            now.threads,
            now.files
        )
    }
}
