//! The recipient, and the changes that can be made to one. What a change does is decided here, once, so that every
//! [`Storer`](crate::Storer) does the same.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// The contact fields of a recipient; `None` leaves what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactFields {
    /// E-mail address.
    pub email: Option<String>,
    /// Name to address the recipient by.
    pub nickname: Option<String>,
    /// Telephone number.
    pub phone_number: Option<String>,
    /// Unix seconds.
    pub created_at: Option<i64>,
}

/// One change to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PusherChange {
    /// Whom it changes.
    pub id: PusherId,
    /// What it does.
    pub change: Change,
}

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Create the recipient, or set the given contact fields of one that is there; senders and tags stay.
    Put(ContactFields),
    /// Set the given contact fields of a recipient that must be there.
    Update(ContactFields),
    /// Switch a channel on.
    AddSender(SenderName),
    /// Switch a channel off.
    RemoveSender(SenderName),
    /// Put a label on.
    AddTag(Tag),
    /// Take a label off.
    RemoveTag(Tag),
    /// Forget the recipient.
    Delete,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// There was none and now there is.
    Created,
    /// It is different now, or gone.
    Changed,
    /// It was so already.
    Unchanged,
    /// There is no such recipient; nothing changed.
    Missing,
}

impl Change {
    /// What becomes of `before` (`None`: there is no such recipient), and what to call that.
    #[must_use]
    pub fn apply(&self, id: &PusherId, before: Option<&Pusher>) -> (Option<Pusher>, Applied) {
        let Some(before) = before else {
            return match self {
                Self::Put(fields) => {
                    let mut pusher = Pusher::new(id.clone());
                    set_fields(&mut pusher, fields);
                    (Some(pusher), Applied::Created)
                }
                _ => (None, Applied::Missing),
            };
        };
        let mut after = before.clone();
        match self {
            Self::Put(fields) | Self::Update(fields) => set_fields(&mut after, fields),
            Self::AddSender(sender) => add(&mut after.senders, sender),
            Self::RemoveSender(sender) => after.senders.retain(|s| s != sender),
            Self::AddTag(tag) => add(&mut after.tags, tag),
            Self::RemoveTag(tag) => after.tags.retain(|t| t != tag),
            Self::Delete => return (None, Applied::Changed),
        }
        let applied = if after == *before { Applied::Unchanged } else { Applied::Changed };
        (Some(after), applied)
    }
}

fn set_fields(pusher: &mut Pusher, fields: &ContactFields) {
    let set = |to: &mut String, from: &Option<String>| {
        if let Some(from) = from {
            to.clone_from(from);
        }
    };
    set(&mut pusher.email, &fields.email);
    set(&mut pusher.nickname, &fields.nickname);
    set(&mut pusher.phone_number, &fields.phone_number);
    if let Some(created_at) = fields.created_at {
        pusher.created_at = created_at;
    }
}

fn add<T: PartialEq + Clone>(list: &mut Vec<T>, item: &T) {
    if !list.contains(item) {
        list.push(item.clone());
    }
}

/// A part of the list of all recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PusherList {
    /// How many recipients there are in all.
    pub total: u64,
    /// The part that was asked for.
    pub pushers: Vec<Pusher>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> PusherId {
        PusherId::parse("lupino").unwrap()
    }

    #[test]
    fn creating_over_an_existing_id_keeps_senders_and_tags() {
        let mut before = Pusher::new(id());
        before.senders.push(SenderName::parse("sendmail").unwrap());
        before.tags.push(Tag::parse("vip").unwrap());
        before.email = "a@b.c".into();
        let put = Change::Put(ContactFields { nickname: Some("again".into()), ..ContactFields::default() });
        let (after, applied) = put.apply(&id(), Some(&before));
        let after = after.unwrap();
        assert_eq!(applied, Applied::Changed);
        assert_eq!((after.senders, after.tags), (before.senders, before.tags));
        assert_eq!((after.email.as_str(), after.nickname.as_str()), ("a@b.c", "again"));
    }

    #[test]
    fn only_put_creates() {
        let tag = Tag::parse("t").unwrap();
        assert_eq!(Change::AddTag(tag).apply(&id(), None), (None, Applied::Missing));
        assert_eq!(Change::Delete.apply(&id(), None), (None, Applied::Missing));
        assert_eq!(Change::Put(ContactFields::default()).apply(&id(), None).1, Applied::Created);
    }

    #[test]
    fn adding_twice_changes_nothing() {
        let sender = SenderName::parse("sendmail").unwrap();
        let (once, _) = Change::AddSender(sender.clone()).apply(&id(), Some(&Pusher::new(id())));
        let (twice, applied) = Change::AddSender(sender).apply(&id(), once.as_ref());
        assert_eq!((twice, applied), (once, Applied::Unchanged));
    }
}
