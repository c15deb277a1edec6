//! pusher: self-hosted push delivery.
//!
//! This crate is the binary `pusher` and what embedders import. It is the only place where adapters are joined to
//! ports, and where the command line, the environment and the clock are read:
//!
//! | module | for |
//! | --- | --- |
//! | [`api`] | the REST API as an axum `Router` to mount in another server |
//! | [`worker`] | a worker that takes components and native senders alike |
//! | [`senders`] | the components of a directory in such a worker, with what changes there |
//! | [`core`] | the words, the rules and the ports |
//! | [`store`] | LMDB behind the ports |
//! | [`periodic`] | the Periodic task system: server, client and worker |
//! | [`sandbox`] | components as senders |
//! | [`client`] | a typed client of the REST API |
//! | [`adapters`] | a Periodic server or client as the queue |
//! | [`operator`], [`metrics`] | what a monitoring system asks, as a `Router` |
//! | [`serve`], [`work`], [`periodicd`] | what the commands of these names do, callable (`work`: `pusher worker`) |

pub use periodic;
pub use pusher_api as api;
pub use pusher_client as client;
pub use pusher_core as core;
pub use pusher_sandbox as sandbox;
pub use pusher_store as store;
pub use pusher_worker as worker;

pub mod adapters;
pub mod config;
mod docs;
mod http;
pub mod metrics;
mod open_files;
pub mod operator;
pub mod periodicd;
mod retention;
mod seldom;
pub mod senders;
pub mod serve;
pub mod shutdown;
pub mod work;

pub use senders::environment;
