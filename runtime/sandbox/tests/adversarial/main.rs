//! Senders and providers that mean harm: what each tries ends in an answer or a fault that names the limit, and nobody
//! else notices. The guests are `faulty` (see its own table of words) and components written by hand ([`guest`]).
//!
//! `docs/security.md` says which promise each test holds.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod bounds;
mod composed;
mod computing;
mod counts;
mod crashes;
mod guest;
mod handles;
mod memory;
mod providers;
mod requests;
mod reuse;
mod scene;
mod values;
mod wasi;
