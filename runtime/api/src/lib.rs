//! The REST API over the ports of pusher-core.
//!
//! [`router`] is an axum [`Router`](axum::Router): serve it, or mount it in a server of your own. Its replies are those
//! of the Go program, byte for byte, wherever those were right; `tests/golden` holds the recordings and says where they
//! were not.
//!
//! How it fits: `routes` names every path and sends it to a handler; `pushers`, `bulk`, `senders`, `deliveries` and
//! `pushalls` hold the handlers, one short function an operation. A request is read by `path` (names in the path), `form`
//! (Go's `req.Form`), `binding` (the form, multipart and JSON bodies of push and pushall, with `json` and `json_syntax`
//! for the last, and `idempotency` for their key), `strict_json` (bodies of the routes that the Go program does not have,
//! with `moment` for times) or `bulk_line` (a line of many); bodies that are no forms come from `raw`, which knows whether
//! their signature covers them. Answers are written by `reply` and `error`. Before them all stand `counts`, `gate`,
//! `limits` and [`auth`], in this order. [`openapi`] describes all of it for programs. Nothing here knows a store or a
//! queue: all work is done by [`pusher_core::Service`].

pub mod auth;
mod binding;
mod bulk;
mod bulk_line;
mod counts;
mod deadline;
mod deliveries;
mod error;
mod form;
mod gate;
mod idempotency;
mod json;
mod json_syntax;
mod limits;
mod moment;
mod openapi;
mod path;
mod pushalls;
mod pushers;
mod raw;
mod reply;
mod reports;
mod routes;
mod senders;
mod strict_json;

pub use auth::Auth;
pub use counts::{OperationCounts, RequestCounts};
pub use gate::Gate;
pub use limits::{Limits, MAX_TARGET_BYTES};
pub use openapi::openapi;
pub use routes::{Options, router};
