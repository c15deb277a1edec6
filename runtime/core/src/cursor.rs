//! A place in the list of all recipients, for paging that stays exact while data changes: a page begins behind the
//! recipient that the one before it ended with, wherever that one stands by then and whether or not it is still there.

use std::fmt;
use std::str::FromStr;

use crate::pusher::Pusher;
use crate::words::PusherId;

/// The place behind one recipient in the list (newest first by `created_at`, then by id, descending).
///
/// Its text form is for clients to keep and give back, not to read: digits and `a` to `f`, so that it needs no escaping in
/// a URL. It begins with the version of the form, and says how long the id is, so that a text that was cut off is not
/// taken for another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When the recipient came to be, in Unix seconds.
    pub created_at: i64,
    /// The recipient.
    pub id: PusherId,
}

/// Why a text is no [`Cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor; give back what the list gave as \"next\", or begin with an empty one")]
pub struct CursorError;

/// The version of the text form: `1`, createdAt in 16 hexadecimal digits (two's complement), the length of the id in
/// two, and its bytes.
const VERSION: &str = "1";

impl Cursor {
    /// The place behind this recipient.
    #[must_use]
    pub fn behind(pusher: &Pusher) -> Self {
        Self { created_at: pusher.created_at, id: pusher.id.clone() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_str().as_bytes();
        write!(f, "{VERSION}{:016x}{:02x}", self.created_at, id.len())?;
        id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        parse(text).ok_or(CursorError)
    }
}

fn parse(text: &str) -> Option<Cursor> {
    let bytes = from_hex(text.strip_prefix(VERSION)?)?;
    let (created_at, rest) = bytes.split_first_chunk()?;
    let (&len, id) = rest.split_first()?;
    let id = std::str::from_utf8(id).ok().filter(|id| id.len() == usize::from(len))?;
    Some(Cursor { created_at: i64::from_be_bytes(*created_at), id: PusherId::parse(id).ok()? })
}

/// The bytes that pairs of digits stand for. One text for each cursor: capital letters are refused.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes().iter().map(|digit| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    });
    let digits = digits.collect::<Option<Vec<u8>>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::words::MAX_ID_BYTES;

    fn cursor(created_at: i64, id: &str) -> Cursor {
        Cursor { created_at, id: PusherId::parse(id).unwrap() }
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went_out_and_needs_no_escaping(created_at in any::<i64>(), id in "\\PC{1,60}") {
            let cursor = cursor(created_at, &id);
            let text = cursor.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric()), "{}", text);
            prop_assert_eq!(text.parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text in "[01a-f]{0,60}|\\PC{0,60}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }

    #[test]
    fn the_longest_id_has_a_cursor() {
        let longest = cursor(i64::MIN, &"x".repeat(MAX_ID_BYTES));
        assert_eq!(longest.to_string().parse(), Ok(longest));
    }

    #[test]
    fn what_is_no_cursor_is_refused_with_advice() {
        let good = cursor(7, "lupino").to_string();
        assert_eq!(good, "10000000000000007066c7570696e6f");
        for bad in [
            "",
            "1",
            "2",
            "lupino",
            &good[1..],
            &good[..good.len() - 2],
            &good[..good.len() - 1],
            &format!("{good}61"),
            &good.to_uppercase(),
            &good.replacen('1', "2", 1),
            "1000000000000000700",
            "1000000000000000701ff",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad:?}");
        }
        assert!(CursorError.to_string().contains("give back"));
    }
}
