//! The test harness: the real `pusher` binary as processes, stand-ins for the mail provider and for a webhook, and a load
//! generator.
//!
//! Used by the end-to-end tests (`e2e/`), by their long forms (`src/bin/soak.rs`), by the demo (`src/bin/demo.rs`) and by the
//! benchmarks (`src/bin/bench.rs`).
//! Nothing here stands in for a part of pusher itself.

pub mod authored;
pub mod bench;
pub mod build;
pub mod command;
pub mod crowd;
pub mod example;
pub mod line;
pub mod metrics;
pub mod place;
pub mod process;
pub mod provider;
pub mod queue;
pub mod recorded;
pub mod rest;
pub mod senders;
pub mod soak;
pub mod wait;
pub mod webhook;
