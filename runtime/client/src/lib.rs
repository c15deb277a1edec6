//! A typed client of the REST API: the operations of [`pusher_core::Service`], over HTTP.
//!
//! [`Client`] has one function an operation. It keeps its connections open, gives every request a time limit, and tries
//! again, a little later each time, where that is safe ([`Options`]). It serves [`pusher_core::Pushers`] too, for a
//! worker that runs apart from the API server.
//!
//! How it fits: `client` says what each operation asks and what it gets back; `call` is what is asked, and the one place
//! where requests are built; `transport` sends it, and again if need be; `error` reads refusals.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use pusher_client::{Client, Options, base_url};
//! use pusher_core::PusherId;
//!
//! let client = Client::new(base_url("localhost:6000")?, Options::default())?;
//! let pusher = client.get(&PusherId::parse("lupino")?).await?;
//! # Ok(())
//! # }
//! ```

mod base;
mod call;
mod client;
mod error;
mod transport;

pub use base::base_url;
pub use client::Client;
pub use error::ClientError;
pub use transport::Options;
