//! End to end: the real binary as processes, real components, real sockets, and a stand-in for the provider only. One
//! binary, so that everything is linked once.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod aio_periodic;
mod commands;
mod contract;
mod deliveries;
mod delivery;
mod docs;
mod examples;
mod fan_out;
mod frames;
mod golden;
mod holding_back;
mod hooks;
mod hostile;
mod kill;
mod languages;
mod metrics;
mod periodicd;
mod refusals;
mod reload;
mod reports;
mod retention;
mod search;
mod sender_commands;
mod soak;
mod startup;
mod tls;
mod tutorial;

use pusher_tests::queue;
