//! The component host: makes a WebAssembly component and its manifest into a [`Sender`](pusher_core::Sender).
//!
//! A [`Sandbox`] holds what all senders share: the engine, the pool of instances and the HTTP connections.
//! [`Sandbox::load_dir`] makes every component in a directory into a sender, or says why not; one that is refused does
//! not keep the others out. A loaded sender gives every message a fresh instance, which lives for that message alone
//! (unless its manifest has it used again), may use what its [`Manifest`] grants and no more, and is ended when it goes
//! over a limit.
//!
//! The way through the code:
//!
//! * [`manifest`]: what an operator can write beside a component. Each key is documented there.
//! * `directory`: a directory of senders and what changes in it. `catalog`: what is in it becomes senders. `component`:
//!   bytes become something that can be instantiated. `cache`: what was compiled is kept for the next start.
//! * `hooks`: a file of webhooks, each of which becomes a sender.
//! * `sender`: one message's way. `idle`: instances that wait for the next one. `limits`: how a send is held to its memory
//!   and CPU, `lanes`: and how it leaves processors to others. `fault`: what an error means.
//! * `capabilities`: what a sender can ask for, one file each, in three stages: *link* it into the linker once for all,
//!   *configure* it once for a sender from its manifest, *prepare* it once for an instance and its first message.
//! * [`transport`]: what carries a request that passed the checks. `egress`: which network addresses may be reached.
//!   `counts`: what is used and what was denied, for whoever watches.
//! * `file`, `inspect`, `rehearse`: for the tools of an author: what a sender is made of, what can be known about it, and
//!   one message through it.
//! * `engine`: the engine's settings, and the thread that keeps time for guests that compute.
//!
//! ```no_run
//! # async fn example(pushers: std::sync::Arc<dyn pusher_core::Pushers>) -> Result<(), Box<dyn std::error::Error>> {
//! use pusher_sandbox::{Deps, Sandbox, SandboxConfig};
//!
//! let deps = Deps { pushers, env: std::sync::Arc::new(|_| None) };
//! let sandbox = Sandbox::new(SandboxConfig::default(), deps)?;
//! let report = sandbox.load_dir("senders".as_ref()).await?;
//! for refused in &report.refused {
//!     eprintln!("{refused}");
//! }
//! for loaded in report.senders {
//!     println!("{} sends {} at once", loaded.sender.name(), loaded.concurrency);
//! }
//! # Ok(())
//! # }
//! ```

mod bindings;
mod cache;
mod capabilities;
mod catalog;
mod component;
mod counts;
mod directory;
mod egress;
mod engine;
mod fault;
mod file;
mod hooks;
mod idle;
mod inspect;
mod lanes;
mod limits;
pub mod manifest;
mod redact;
mod rehearse;
mod sandbox;
mod sender;
mod stamp;
mod state;
pub mod transport;

pub use cache::CacheUse;
pub use capabilities::Served;
pub use catalog::{LoadError, LoadedSender, Refused};
pub use component::Kind;
pub use counts::{Denials, PoolUse};
pub use directory::{LoadReport, SenderDirectory};
pub use file::SenderFile;
pub use inspect::{Binary, Import, Inspection, Start};
pub use manifest::{Manifest, ManifestError};
pub use redact::secret_forms;
pub use rehearse::Rehearsal;
pub use sandbox::{Deps, Env, Sandbox, SandboxConfig, SandboxError};
pub use sender::Usage;
