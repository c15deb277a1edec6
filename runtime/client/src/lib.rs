//! A typed client of the REST API: the operations of [`pusher_core::Service`], over HTTP.
//!
//! [`Client`] has one function an operation. It keeps its connections open, gives every request a time limit, and tries
//! again, a little later each time, where that is safe ([`Options`]). It serves [`pusher_core::Pushers`] too, for a
//! worker that runs apart from the API server.
//!
//! How it fits: `client` says what each operation asks and what it gets back, `listing` and `bulk` say it of many
//! recipients at once, `deliveries` of what became of messages, `once` of pushes that are done once; `call` is what is asked, and the one place where requests are built, by `credentials` signed;
//! `transport` sends it, and again if need be; `error` reads refusals.
//!
//! ```no_run
//! # async fn example(clock: pusher_client::Clock) -> Result<(), Box<dyn std::error::Error>> {
//! use pusher_client::{Batch, Client, Credentials, Options, Scheme, base_url};
//! use pusher_core::signing::Secret;
//! use pusher_core::{PushRequest, PusherId, SenderName};
//!
//! let credentials = Credentials::new("shop", Secret::new("s3cret"), Scheme::V2, clock)?;
//! let options = Options { credentials: Some(credentials), ..Options::default() };
//! let client = Client::new(base_url("localhost:6000")?, options)?;
//!
//! let (sender, pusher) = (SenderName::parse("sendmail")?, PusherId::parse("lupino")?);
//! client.add_sender(&pusher, &sender).await?;
//! let data = r#"{"subject": "Welcome", "text": "Hello {{.NickName}}"}"#.to_owned();
//! let job = client.push(&PushRequest { sender, pusher, data, sched_at: 0, force: false }).await?;
//! println!("accepted as {job}");
//!
//! // All recipients, page by page; and many at once.
//! let mut pages = client.pages(100);
//! while let Some(page) = pages.next_page().await? {
//!     println!("{} of {}", page.pushers.len(), page.total);
//! }
//! let mut batch = Batch::new();
//! batch.add_line(r#"{"id": "lupino", "tags": ["vip"]}"#)?;
//! for result in client.bulk(batch).await?.results {
//!     println!("line {}: {:?}", result.line, result.outcome);
//! }
//! # Ok(())
//! # }
//! ```

mod base;
mod bulk;
mod call;
mod client;
mod credentials;
mod deliveries;
mod error;
mod listing;
mod once;
mod reports;
mod transport;

pub use base::base_url;
pub use bulk::{Batch, BatchError, BulkLine, BulkReport, BulkResult, MAX_BATCH_BYTES, MAX_BATCH_LINES};
pub use client::Client;
pub use credentials::{Clock, Credentials, Scheme};
pub use error::ClientError;
pub use listing::{Cursor, Page, Pager};
pub use once::{IdempotencyKey, IdempotencyKeyError};
pub use reports::ReportBatch;
pub use transport::Options;
