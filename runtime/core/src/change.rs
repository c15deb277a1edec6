//! The changes that can be made to a recipient. What a change does is decided here, once, so that every
//! [`Storer`](crate::Storer) does the same.

use std::fmt;

use crate::pusher::Pusher;
use crate::words::{PusherId, SenderName, Tag, WordError};

/// Most channels that a recipient may have switched on. A push looks through them.
pub const MAX_SENDERS: usize = 64;
/// Most labels that a recipient may have. Each is an entry in an index.
pub const MAX_TAGS: usize = 256;
/// Longest e-mail address, nickname or phone number in bytes. 16 KiB: more than anybody has, and little enough that a
/// recipient takes some 100 KiB at most and a page of a hundred of them some 11 MB.
pub const MAX_CONTACT_BYTES: usize = 16 * 1024;

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

impl ContactFields {
    /// The same, if no text in it is longer than [`MAX_CONTACT_BYTES`]. What comes from outside passes here once; what a
    /// store holds from before there was a limit stays as it is.
    ///
    /// # Errors
    /// [`WordError::TooLong`] with the first that is.
    pub fn checked(self) -> Result<Self, WordError> {
        let texts = [("email", &self.email), ("nickname", &self.nickname), ("phoneNumber", &self.phone_number)];
        for (word, text) in texts {
            let len = text.as_ref().map_or(0, String::len);
            if len > MAX_CONTACT_BYTES {
                return Err(WordError::TooLong { word, len, max: MAX_CONTACT_BYTES });
            }
        }
        Ok(self)
    }
}

/// All fields of a recipient; `None` leaves what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PusherFields {
    /// The contact fields.
    pub contact: ContactFields,
    /// The channels that are switched on, in place of all that were. One that is named twice is there once.
    pub senders: Option<Vec<SenderName>>,
    /// The labels, in place of all that were. One that is named twice is there once.
    pub tags: Option<Vec<Tag>>,
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
    /// Create the recipient, or set the given fields of one that is there.
    Set(PusherFields),
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
    /// The recipient would have more than it may; nothing changed.
    OverLimit(Limit),
}

impl Applied {
    /// Is something different now?
    #[must_use]
    pub fn is_different(self) -> bool {
        matches!(self, Self::Created | Self::Changed)
    }
}

/// Of what a recipient may have only so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Channels: [`MAX_SENDERS`].
    Senders,
    /// Labels: [`MAX_TAGS`].
    Tags,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Senders => write!(f, "{MAX_SENDERS} senders"),
            Self::Tags => write!(f, "{MAX_TAGS} tags"),
        }
    }
}

impl Change {
    /// What becomes of `before` (`None`: there is no such recipient), and what to call that.
    #[must_use]
    pub fn apply(&self, id: &PusherId, before: Option<&Pusher>) -> (Option<Pusher>, Applied) {
        let (mut after, creates) = match (before, self) {
            (Some(before), _) => (before.clone(), false),
            (None, Self::Put(_) | Self::Set(_)) => (Pusher::new(id.clone()), true),
            (None, _) => return (None, Applied::Missing),
        };
        let within = match self {
            Self::Put(fields) | Self::Update(fields) => {
                set_contact(&mut after, fields);
                Ok(())
            }
            Self::Set(fields) => set_fields(&mut after, fields),
            Self::AddSender(sender) => add(&mut after.senders, sender, MAX_SENDERS, Limit::Senders),
            Self::RemoveSender(sender) => {
                after.senders.retain(|s| s != sender);
                Ok(())
            }
            Self::AddTag(tag) => add(&mut after.tags, tag, MAX_TAGS, Limit::Tags),
            Self::RemoveTag(tag) => {
                after.tags.retain(|t| t != tag);
                Ok(())
            }
            Self::Delete => return (None, Applied::Changed),
        };
        match within {
            Err(limit) => (before.cloned(), Applied::OverLimit(limit)),
            Ok(()) if creates => (Some(after), Applied::Created),
            Ok(()) if Some(&after) == before => (Some(after), Applied::Unchanged),
            Ok(()) => (Some(after), Applied::Changed),
        }
    }
}

fn set_contact(pusher: &mut Pusher, fields: &ContactFields) {
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

fn set_fields(pusher: &mut Pusher, fields: &PusherFields) -> Result<(), Limit> {
    set_contact(pusher, &fields.contact);
    replace(&mut pusher.senders, fields.senders.as_deref(), MAX_SENDERS, Limit::Senders)?;
    replace(&mut pusher.tags, fields.tags.as_deref(), MAX_TAGS, Limit::Tags)
}

fn replace<T: PartialEq + Clone>(
    list: &mut Vec<T>,
    items: Option<&[T]>,
    max: usize,
    limit: Limit,
) -> Result<(), Limit> {
    let Some(items) = items else { return Ok(()) };
    list.clear();
    items.iter().try_for_each(|item| add(list, item, max, limit))
}

/// Adds `item` unless it is there. A list that is longer than `max` already may stay so, but not grow.
fn add<T: PartialEq + Clone>(list: &mut Vec<T>, item: &T, max: usize, limit: Limit) -> Result<(), Limit> {
    if list.contains(item) {
        return Ok(());
    }
    if list.len() >= max {
        return Err(limit);
    }
    list.push(item.clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> PusherId {
        PusherId::parse("lupino").unwrap()
    }

    fn senders(count: usize) -> Vec<SenderName> {
        (0..count).map(|n| SenderName::parse(&format!("s{n}")).unwrap()).collect()
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
    fn setting_replaces_the_lists_it_gives_and_keeps_the_others() {
        let mut before = Pusher::new(id());
        (before.senders, before.tags) = (senders(3), vec![Tag::parse("vip").unwrap()]);
        let again = vec![senders(2)[1].clone(), senders(1)[0].clone(), senders(2)[1].clone()];
        let set = Change::Set(PusherFields { senders: Some(again), ..PusherFields::default() });
        let (after, applied) = set.apply(&id(), Some(&before));
        let after = after.unwrap();
        assert_eq!((applied, &after.tags), (Applied::Changed, &before.tags));
        assert_eq!(after.senders, [senders(2)[1].clone(), senders(1)[0].clone()], "in the order given, each once");
        assert_eq!(set.apply(&id(), Some(&after)).1, Applied::Unchanged);
        let clear = Change::Set(PusherFields { tags: Some(Vec::new()), ..PusherFields::default() });
        assert_eq!(clear.apply(&id(), Some(&after)).0.unwrap().tags, []);
    }

    #[test]
    fn only_put_and_set_create() {
        let tag = Tag::parse("t").unwrap();
        assert_eq!(Change::AddTag(tag).apply(&id(), None), (None, Applied::Missing));
        assert_eq!(Change::Delete.apply(&id(), None), (None, Applied::Missing));
        assert_eq!(Change::Put(ContactFields::default()).apply(&id(), None).1, Applied::Created);
        assert_eq!(Change::Set(PusherFields::default()).apply(&id(), None).1, Applied::Created);
    }

    #[test]
    fn adding_twice_changes_nothing() {
        let sender = SenderName::parse("sendmail").unwrap();
        let (once, _) = Change::AddSender(sender.clone()).apply(&id(), Some(&Pusher::new(id())));
        let (twice, applied) = Change::AddSender(sender).apply(&id(), once.as_ref());
        assert_eq!((twice, applied), (once, Applied::Unchanged));
    }

    #[test]
    fn one_sender_too_many_is_refused_and_changes_nothing() {
        let mut full = Pusher::new(id());
        full.senders = senders(MAX_SENDERS);
        let add = |n: usize| Change::AddSender(senders(n + 1)[n].clone()).apply(&id(), Some(&full));
        assert_eq!(add(MAX_SENDERS - 1), (Some(full.clone()), Applied::Unchanged), "one that is there");
        assert_eq!(add(MAX_SENDERS), (Some(full.clone()), Applied::OverLimit(Limit::Senders)));
        let set = |count| Change::Set(PusherFields { senders: Some(senders(count)), ..PusherFields::default() });
        assert_eq!(set(MAX_SENDERS).apply(&id(), None).0, Some(full));
        assert_eq!(set(MAX_SENDERS + 1).apply(&id(), None), (None, Applied::OverLimit(Limit::Senders)));
        assert_eq!(Limit::Senders.to_string(), "64 senders");
    }

    #[test]
    fn a_recipient_from_before_the_limit_keeps_what_it_has() {
        let mut before = Pusher::new(id());
        before.senders = senders(MAX_SENDERS + 5);
        let nickname = ContactFields { nickname: Some("n".into()), ..ContactFields::default() };
        assert_eq!(Change::Put(nickname).apply(&id(), Some(&before)).1, Applied::Changed);
        let (after, applied) = Change::RemoveSender(senders(1)[0].clone()).apply(&id(), Some(&before));
        assert_eq!((after.unwrap().senders.len(), applied), (MAX_SENDERS + 4, Applied::Changed));
    }
}
