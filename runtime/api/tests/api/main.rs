//! The router as its clients see it, over a real service and a store and queue in memory.

#![allow(clippy::unwrap_used, reason = "test code")]

mod auth;
mod bad_input;
mod bench;
mod bulk;
mod counts;
mod deliveries;
mod failures;
mod golden;
mod idempotency;
mod limits;
mod lists;
mod openapi;
mod paths;
mod reports;
