//! The client against the real router on a real socket, and against servers that misbehave.

#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "../../../api/tests/api/bench.rs"]
#[allow(dead_code, reason = "the router's own tests use all of it")]
mod bench;
mod deliveries;
mod many;
mod misbehaviour;
mod operations;
mod scripted;
mod signing;
mod trusted;
