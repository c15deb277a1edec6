//! Full-text search: a tantivy index that is derived from the records in LMDB and never holds anything else.
//!
//! ```text
//! index.rs         the port: parse, wait until the index has caught up, search off the async threads
//!  ├ lanes.rs      whose turn it is: quick searches do not wait for costly ones
//!  ├ query/        the query language: from a text to its meaning
//!  ├ translate.rs  from the meaning to tantivy's queries
//!  │  ├ fields.rs  the fields, and a recipient as a document
//!  │  ├ words.rs   how text becomes words
//!  │  ├ whole.rs   all of several tags and senders
//!  │  ├ expand.rs  queries that stand for many words
//!  │  ├ pattern.rs wildcards and regular expressions, compiled
//!  │  └ machine.rs and run over a dictionary
//!  ├ page.rs       counts the hits and keeps the best
//!  ├ budget.rs     what one search may cost; limits.rs has all the numbers
//!  └ indexer.rs    the thread that keeps the index up
//!     ├ writer.rs  recipients into the index
//!     ├ files.rs   is what is in the directory usable?
//!     └ directory.rs  how tantivy reads and writes it
//! ```
//!
//! How the index follows the store: every commit that changes a recipient also appends the ids to the log of changes
//! ([`crate::changes`]). The thread reads the log from where the index is, indexes the records that it names as they
//! are now, and commits the index together with the number of the last entry that is in it. Killed between the two
//! commits, it begins again at that number; doing a change twice does no harm.

mod budget;
mod directory;
mod expand;
mod fields;
mod files;
mod index;
mod indexer;
mod lanes;
mod limits;
mod machine;
mod page;
mod pattern;
mod query;
#[cfg(test)]
mod tests;
mod translate;
mod whole;
mod words;
mod writer;

pub use index::{SearchIndex, SearchStatus};
