//! The recipients, as far as the manifest grants them (`[pushers]`).

pub use crate::bindings::pusher::sender::pushers::{Error, Page, Progress, Pusher};

use crate::bindings::pusher::sender::pushers as host;
use crate::{Failure, Message};

/// The recipient with this id. Needs `[pushers] read = true`.
///
/// # Errors
/// [`Error::NotFound`] if there is none, and as the type says.
pub fn get(id: &str) -> Result<Pusher, Error> {
    host::get(id)
}

/// Whom a message is for. Needs `[pushers] read = true`.
///
/// # Errors
/// A permanent failure if the recipient is gone: no later attempt would find them. As [`get`] otherwise.
pub fn recipient(message: &Message) -> Result<Pusher, Failure> {
    match get(&message.pusher) {
        Err(Error::NotFound) => Err(Failure::permanent("the recipient is gone")),
        found => Ok(found?),
    }
}

/// The recipients that a full-text query finds: `size` of them, 100 at most, after the first `from`. Needs
/// `[pushers] read = true`.
///
/// # Errors
/// [`Error::Refused`] for a query that is none, and as the type says.
pub fn search(query: &str, from: u64, size: u32) -> Result<Page, Error> {
    host::search(query, from, size)
}

/// Pushes `data` to one recipient on channel `sender` at `schedat` (Unix seconds; 0: now); the name of the job. Asking
/// twice pushes once. Needs `[pushers] push = true`.
///
/// # Errors
/// [`Error::Refused`] if there is no such recipient or the channel is not switched on, and as the type says.
pub fn push(sender: &str, pusher: &str, data: &str, schedat: i64) -> Result<String, Error> {
    host::push(sender, pusher, data, schedat)
}

/// Pushes `data` to those among the next `limit` recipients (1000 at most) who have channel `sender` and label `tag`
/// (empty: any), going on where the last call with this `message_id` ended. Needs `[pushers] fan-out = true`.
///
/// # Errors
/// As the type says.
pub fn fan_out(message_id: &str, sender: &str, tag: &str, data: &str, limit: u32) -> Result<Progress, Error> {
    host::fan_out(message_id, sender, tag, data, limit)
}
