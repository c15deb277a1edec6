//! The small words: ids and names that are parsed once at the edge and trusted from there on.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest pusher id in bytes: a job name is the id, `_` and 32 hex digits, and Periodic's names end at 255 bytes.
pub const MAX_ID_BYTES: usize = 255 - 1 - 32;
/// Longest sender name in bytes. Sender and pusher id together must fit an LMDB key (511 bytes), and the prefix, a word
/// (`dead:`, of old) and the sender's name must fit a Periodic func (255 bytes).
pub const MAX_SENDER_BYTES: usize = 180;
/// Longest tag in bytes; a tag and a pusher id together must fit an LMDB key (511 bytes).
pub const MAX_TAG_BYTES: usize = 180;
/// Longest func prefix in bytes.
pub const MAX_PREFIX_BYTES: usize = 64;

/// Funcs below `<prefix>dead:` held dead letters before there was a delivery log, and may still; so no sender may be called
/// that.
const DEAD: &str = "dead:";
/// The API has deliveries where a sender of this name would be switched off: `/pusher/deliveries/delete`.
const DELIVERIES: &str = "deliveries";

/// Why a text is not the word it was given for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// The text is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// The text is longer than the word may be.
    #[error("{word} is {len} bytes long; the limit is {max}")]
    TooLong {
        /// Which word.
        word: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The name is one that pusher uses itself.
    #[error(
        "{0:?} is a reserved name: names that begin with \"dead:\" hold dead letters, and \"deliveries\" is a path of the API"
    )]
    Reserved(String),
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $word:literal, $max:expr $(, $check:expr)?) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes it the word.
            ///
            /// # Errors
            /// [`WordError`] if it is empty, too long or reserved.
            pub fn parse(text: &str) -> Result<Self, WordError> {
                if text.is_empty() {
                    return Err(WordError::Empty($word));
                }
                if text.len() > $max {
                    return Err(WordError::TooLong { word: $word, len: text.len(), max: $max });
                }
                $( let check: fn(&str) -> Result<(), WordError> = $check; check(text)?; )?
                Ok(Self(text.into()))
            }

            /// The word as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Parse(PhantomData))
            }
        }

        impl TryFrom<String> for $name {
            type Error = WordError;
            fn try_from(text: String) -> Result<Self, WordError> {
                Self::parse(&text)
            }
        }

        impl FromStr for $name {
            type Err = WordError;
            fn from_str(text: &str) -> Result<Self, WordError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> String {
                word.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

/// Reads a word out of a text, without a copy of it between.
struct Parse<W>(PhantomData<W>);

impl<W: FromStr<Err = WordError>> Visitor<'_> for Parse<W> {
    type Value = W;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<W, E> {
        text.parse().map_err(E::custom)
    }
}

word!(
    /// The id of a recipient: any UTF-8 text of 1 to [`MAX_ID_BYTES`] bytes.
    PusherId, "pusher", MAX_ID_BYTES
);
word!(
    /// The name of a channel: any UTF-8 text of 1 to [`MAX_SENDER_BYTES`] bytes that does not begin with `dead:` and is not
    /// `deliveries`.
    SenderName, "sender", MAX_SENDER_BYTES,
    |text| if text.starts_with(DEAD) || text == DELIVERIES { Err(WordError::Reserved(text.to_owned())) } else { Ok(()) }
);
word!(
    /// A label on a recipient: any UTF-8 text of 1 to [`MAX_TAG_BYTES`] bytes.
    Tag, "tag", MAX_TAG_BYTES
);

/// A Periodic queue name: the prefix and the sender's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FuncName(String);

impl FuncName {
    /// The func as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<FuncName> for String {
    fn from(func: FuncName) -> Self {
        func.0
    }
}

impl fmt::Display for FuncName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands before the sender's name in a func, so that several pushers can share one Periodic server.
/// Default: `pusher:`, as the Go program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Arc<str>);

impl Default for Prefix {
    fn default() -> Self {
        Self("pusher:".into())
    }
}

impl Prefix {
    /// Checks `text` and makes it a prefix. It may be empty.
    ///
    /// # Errors
    /// [`WordError::TooLong`] over [`MAX_PREFIX_BYTES`].
    pub fn parse(text: &str) -> Result<Self, WordError> {
        if text.len() > MAX_PREFIX_BYTES {
            return Err(WordError::TooLong { word: "prefix", len: text.len(), max: MAX_PREFIX_BYTES });
        }
        Ok(Self(text.into()))
    }

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The func whose jobs `sender` serves.
    #[must_use]
    pub fn func(&self, sender: &SenderName) -> FuncName {
        FuncName([self.as_str(), sender.as_str()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_any_text_that_leaves_room_for_the_job_name() {
        assert!(PusherId::parse("a/b 日本_x\n").is_ok());
        assert!(PusherId::parse(&"x".repeat(MAX_ID_BYTES)).is_ok());
        assert_eq!(
            PusherId::parse(&"x".repeat(MAX_ID_BYTES + 1)),
            Err(WordError::TooLong { word: "pusher", len: MAX_ID_BYTES + 1, max: MAX_ID_BYTES })
        );
        assert_eq!(PusherId::parse(""), Err(WordError::Empty("pusher")));
    }

    #[test]
    fn no_sender_can_take_the_place_of_dead_letters() {
        assert!(matches!(SenderName::parse("dead:sendmail"), Err(WordError::Reserved(_))));
        assert!(SenderName::parse("deadline").is_ok());
    }

    #[test]
    fn no_sender_can_take_a_path_of_the_api() {
        let refused = SenderName::parse("deliveries").unwrap_err();
        assert!(refused.to_string().contains("path of the API"), "{refused}");
        assert!(SenderName::parse("deliveries2").is_ok() && SenderName::parse("pushalls").is_ok());
    }

    #[test]
    fn the_longest_names_fit_a_periodic_func_and_an_lmdb_key() {
        let prefix = Prefix::parse(&"p".repeat(MAX_PREFIX_BYTES)).unwrap();
        let sender = SenderName::parse(&"s".repeat(MAX_SENDER_BYTES)).unwrap();
        assert!(prefix.func(&sender).as_str().len() + DEAD.len() <= 255);
        const { assert!(1 + MAX_SENDER_BYTES + MAX_ID_BYTES <= 511) };
        const { assert!(1 + MAX_TAG_BYTES + MAX_ID_BYTES <= 511) };
    }
}
