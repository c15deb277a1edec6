//! The Periodic task system: codec, client, worker and server.
//!
//! A client submits jobs to a func; a worker says which funcs it can do and grabs jobs; the server keeps jobs and hands
//! each to one worker when it is due. This crate speaks the current protocol and knows nothing of pushers.
//!
//! | to | see |
//! | --- | --- |
//! | submit jobs, wait for results, listen to workers | [`Client`] |
//! | run jobs, send data meanwhile, take locks | [`Worker`], [`Handler`], [`Work`] |
//! | keep jobs | [`Server`], [`JobStore`], [`MemoryStore`] |
//! | say where | [`Endpoint`], [`Listener`], [`Connect`]; with TLS [`ServerTls`], [`ClientTls`] and [`Dialer`] |
//! | say who | [`Identity`], [`AuthFile`] |
//! | read and write the bytes | [`wire`] |
//!
//! What to rely on:
//!
//! * A submit that has returned `Ok` is stored, as durably as the server's store is. One that failed tells whether the
//!   server may have it ([`ClientError::not_taken`]).
//! * Jobs are unique by func and name ([`JobKey`]). A job is run at least once: again when its worker went away, said
//!   nothing within the job's timeout, or could not tell its answer. Handlers must bear that.
//! * Clients and workers connect when they need to, and again, after waits that grow to
//!   [`ClientOptions::max_backoff`] and are never the same twice. A worker's handlers go on meanwhile, and their answers
//!   are told until they are confirmed.
//! * Everything async is cancellation-safe, and every queue is bounded.
//!
//! `examples/worker.rs` and `examples/client.rs` are small programs for a server elsewhere.
//!
//! All of it in one process:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use bytes::Bytes;
//! use periodic::{
//!     Answer, Client, ClientOptions, Handler, Job, JobKey, MemoryStore, Server, ServerOptions, SystemClock, Work,
//!     Worker, WorkerOptions,
//! };
//! use tokio::sync::mpsc;
//! use tokio_util::sync::CancellationToken;
//!
//! struct Greet(mpsc::Sender<Bytes>);
//!
//! #[async_trait]
//! impl Handler for Greet {
//!     async fn run(&self, job: Job, _work: Work) -> Answer {
//!         match self.0.send(job.workload).await {
//!             Ok(()) => Answer::Done(Bytes::new()),
//!             Err(_) => Answer::Later { delay_seconds: 5, step: 1 },
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! let server = Server::start(store, Arc::new(SystemClock), ServerOptions::default()).await?;
//! // For others: tokio::spawn(server.serve(Listener::bind(&"tcp://:5000".parse()?).await?, shutdown.clone()));
//! let connector = Arc::new(server.handle().connector());
//!
//! let (greeted, mut greetings) = mpsc::channel(1);
//! let funcs = vec![Bytes::from_static(b"greet")];
//! let worker = Worker::new(connector.clone(), WorkerOptions::default(), funcs, Arc::new(Greet(greeted)));
//! let shutdown = CancellationToken::new();
//! let working = tokio::spawn(worker.run(shutdown.clone()));
//!
//! let client = Client::new(connector, ClientOptions::default());
//! let key = JobKey { func: Bytes::from_static(b"greet"), name: Bytes::from_static(b"first") };
//! client.submit(Job { key, workload: Bytes::from_static(b"hello"), sched_at: 0, count: 0, timeout: 0 }).await?;
//! assert_eq!(greetings.recv().await.as_deref(), Some(b"hello".as_slice()));
//!
//! shutdown.cancel();
//! working.await?;
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

mod backoff;
pub mod client;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod endpoint;
mod identity;
pub mod job;
mod link;
pub mod memory;
pub mod server;
mod stamp;
pub mod store;
pub mod tls;
pub mod transport;
pub mod wire;
pub mod worker;

pub use client::{Chunks, Client, ClientError, ClientOptions, RunError};
pub use clock::{Clock, SystemClock};
pub use endpoint::Endpoint;
pub use identity::Identity;
pub use job::{Job, JobKey};
pub use memory::MemoryStore;
pub use server::{
    AuthFile, AuthFileError, Connector, FuncStatus, Handle, Server, ServerOptions, Settings, SubmitError,
};
pub use store::{JobOp, JobOpDone, JobStore, JobStoreError, NewSeq, Seq, StoredFunc};
pub use tls::{ClientTls, ServerTls, TlsError};
pub use transport::{Connect, Dialer, Listener};
pub use worker::{Answer, Handler, Work, WorkError, Worker, WorkerOptions};
