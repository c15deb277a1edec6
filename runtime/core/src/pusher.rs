//! The recipient, and lists of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cursor::Cursor;
use crate::words::{PusherId, SenderName, Tag};

/// A recipient. Its JSON keys and their order are those of the Go program, `null` for an empty list included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pusher {
    /// The application's own id for the recipient.
    pub id: PusherId,
    /// E-mail address, or empty.
    pub email: String,
    /// Name to address the recipient by, or empty.
    pub nickname: String,
    /// Telephone number, or empty.
    #[serde(rename = "phoneNumber")]
    pub phone_number: String,
    /// The channels that are switched on, in the order they were added.
    #[serde(serialize_with = "null_if_empty", deserialize_with = "empty_if_null")]
    pub senders: Vec<SenderName>,
    /// The labels, in the order they were added.
    #[serde(serialize_with = "null_if_empty", deserialize_with = "empty_if_null")]
    pub tags: Vec<Tag>,
    /// When the application says the recipient came to be, in Unix seconds; 0 if it does not say.
    #[serde(rename = "createdAt")]
    pub created_at: i64,
}

impl Pusher {
    /// A recipient of whom nothing but the id is known.
    #[must_use]
    pub fn new(id: PusherId) -> Self {
        Self {
            id,
            email: String::new(),
            nickname: String::new(),
            phone_number: String::new(),
            senders: Vec::new(),
            tags: Vec::new(),
            created_at: 0,
        }
    }

    /// Is this channel switched on?
    #[must_use]
    pub fn has_sender(&self, sender: &SenderName) -> bool {
        self.senders.contains(sender)
    }
}

/// A list as Go's encoder writes a nil slice: `null` when there is nothing in it.
pub(crate) fn null_if_empty<T: Serialize, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    if list.is_empty() { serializer.serialize_none() } else { list.serialize(serializer) }
}

fn empty_if_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A part of the list of all recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PusherList {
    /// How many recipients there are in all.
    pub total: u64,
    /// The part that was asked for.
    pub pushers: Vec<Pusher>,
}

/// A part of the list of all recipients, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PusherPage {
    /// How many recipients there are in all.
    pub total: u64,
    /// The part that was asked for.
    pub pushers: Vec<Pusher>,
    /// Behind which recipient the next part begins; `None` if this is the last.
    pub next: Option<Cursor>,
}
