//! LMDB behind the ports of pusher-core and periodic (DESIGN §8, §9).
//!
//! One [`Store`] is one directory: recipients ([`pusher_core::Storer`]) and the embedded Periodic server's jobs
//! ([`periodic::JobStore`]) in one LMDB environment. A [`SearchIndex`] beside it finds recipients by what they are
//! ([`pusher_core::Search`]).
//!
//! ```text
//! Store            the ports: hands writes to the writer, serves reads itself
//!  ├ open.rs       a directory becomes an environment: lock, map, schema version
//!  ├ tables.rs     the named databases and the shape of their keys
//!  ├ keys.rs       how keys are built, so that byte order is the order we want
//!  ├ writer.rs     the one thread that writes: queue, group commit, what happens when a commit fails
//!  ├ batch.rs      one write transaction and what is kept beside it until the commit
//!  ├ pushers.rs    what a change does to the table of recipients, and reading them
//!  ├ index.rs      what it does to their indexes, gathered and written before the commit
//!  ├ ranks.rs      how many recipients lie where in the list, so that any place of it is found at once
//!  ├ changes.rs    the log of who changed, for the search index
//!  ├ counts.rs     what is taken and committed, for whoever watches
//!  ├ jobs.rs       what an operation does to the tables of jobs, and reading them
//!  ├ deliveries/   what became of messages: the log behind DeliveryLog
//!  ├ pushalls.rs   how far pushalls have come, and how many of their messages ended how
//!  ├ requests.rs   requests that are not done twice
//!  ├ audience.rs   whom a pushall is for, out of the indexes of senders and tags
//!  ├ recent/       the newest part of the indexes of jobs, in memory
//!  ├ resident.rs   giving mapped pages back
//!  ├ pusher_record.rs  how a recipient is encoded
//!  └ record.rs     how a job is encoded
//! SearchIndex      search/: the index, the query language and the thread that follows the log
//! ```

mod audience;
mod batch;
mod changes;
mod counts;
mod deliveries;
mod error;
mod index;
mod jobs;
mod keys;
mod open;
mod pushalls;
mod pusher_record;
mod pushers;
mod ranks;
mod recent;
mod record;
mod requests;
mod resident;
mod search;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use counts::{Commits, MapUse};
pub use error::OpenError;
pub use open::{DEFAULT_MAP_SIZE, StoreOptions};
pub use search::{SearchIndex, SearchStatus};
pub use store::Store;
