//! Go's `req.Form`: the urlencoded body and then the query, read as Go ≥ 1.17 reads them.
//!
//! The first value of a name wins; a multipart or any other body is not looked at; a pair with a `;` in it is dropped.
//! Where Go lets broken bytes pass, this does not: bytes that are not UTF-8 and bad `%` escapes are refused.

use std::borrow::Cow;
use std::num::{IntErrorKind, ParseIntError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;

use crate::error::ApiError;
use crate::limits;

/// What is wrong with a pair. The sentences are Go's where Go has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("invalid semicolon separator in query")]
    Semicolon,
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    #[error("the form is not UTF-8")]
    NotUtf8,
}

/// The values of `N` names, as they were given.
pub(crate) struct Form<const N: usize> {
    values: [Option<String>; N],
    bad_escape: Option<Fault>,
}

impl<const N: usize> Form<N> {
    /// Reads the values of `names` from the body, if it is a form, and the query.
    pub(crate) async fn read(request: Request, names: [&str; N], limit: usize) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        Self::parse(&body_of(&parts.headers, body, limit).await?, parts.uri.query(), names)
    }

    /// Reads the values of `names` from `body` and `query`.
    pub(crate) fn parse(body: &[u8], query: Option<&str>, names: [&str; N]) -> Result<Self, ApiError> {
        let mut form = Self { values: [const { None }; N], bad_escape: None };
        for pair in pairs(body).chain(pairs(query.unwrap_or_default().as_bytes())) {
            match pair {
                Ok((name, value)) => {
                    if let Some(at) = names.iter().position(|n| *n == name) {
                        form.values[at].get_or_insert_with(|| value.into_owned());
                    }
                }
                Err(Fault::Semicolon) => {}
                Err(fault @ Fault::Escape(_)) => _ = form.bad_escape.get_or_insert(fault),
                Err(fault @ Fault::NotUtf8) => return Err(ApiError::bad_request(fault.to_string())),
            }
        }
        Ok(form)
    }

    /// The value of the name at `at`, if it was given and is not empty.
    pub(crate) fn nonempty(&self, at: usize) -> Option<&str> {
        self.values[at].as_deref().filter(|value| !value.is_empty())
    }

    /// All values, unless a pair had a bad escape. Ask for what is required first: the Go program drops such a pair and
    /// then says what is missing.
    pub(crate) fn intact(self) -> Result<[Option<String>; N], ApiError> {
        match self.bad_escape {
            None => Ok(self.values),
            Some(fault) => Err(ApiError::bad_request(fault.to_string())),
        }
    }
}

/// The body, if the content type says that it is a form; nothing otherwise.
pub(crate) async fn body_of(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, ApiError> {
    if is_form(headers) { limits::read(body, limit).await } else { Ok(Bytes::new()) }
}

/// Does the content type say that the body is a form, as Go's `ParseForm` asks?
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let media_type = content_type.split(|b| *b == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// A whole number; `None` if it is not given or empty. `name` is for the sentence if it is none of these.
pub(crate) fn integer(name: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    let number = text.filter(|text| !text.is_empty()).map(str::parse).transpose();
    number.map_err(|error: ParseIntError| {
        ApiError::bad_request(match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                format!("{name} is out of range: it is a whole number from {} to {}", i64::MIN, i64::MAX)
            }
            _ => format!("{name} is not a whole number"),
        })
    })
}

/// A name and its value, borrowed from the text where nothing had to be decoded.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The pairs of a urlencoded text, in order.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = Result<Pair<'_>, Fault>> {
    text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(decode_pair)
}

fn decode_pair(pair: &[u8]) -> Result<Pair<'_>, Fault> {
    if pair.contains(&b';') {
        return Err(Fault::Semicolon);
    }
    let (name, value) = match pair.iter().position(|b| *b == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &b""[..]),
    };
    Ok((decode(name)?, decode(value)?))
}

/// Is every `%` of a path followed by two hexadecimal digits?
///
/// # Errors
/// [`Fault::Escape`] with the first that is not.
pub(crate) fn check_escapes(path: &str) -> Result<(), Fault> {
    let mut rest = path.as_bytes();
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        rest = &rest[at..];
        match rest {
            [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest = &rest[3..],
            _ => return Err(broken_escape(rest)),
        }
    }
    Ok(())
}

/// The fault that `text` begins with: a `%` and what should be two digits.
fn broken_escape(text: &[u8]) -> Fault {
    Fault::Escape(String::from_utf8_lossy(&text[..text.len().min(3)]).into_owned())
}

/// Undoes `%XX` and `+`. Text that has neither is not copied.
fn decode(text: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let Some(first) = text.iter().position(|b| matches!(b, b'%' | b'+')) else {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| Fault::NotUtf8);
    };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (b'+', _) => {
                out.push(b' ');
                tail
            }
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(nibble(*high) << 4 | nibble(*low));
                tail
            }
            (b'%', _) => return Err(broken_escape(rest)),
            (byte, _) => {
                out.push(byte);
                tail
            }
        };
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| Fault::NotUtf8)
}

/// The value of a hexadecimal digit, which `digit` is known to be.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good_pairs(text: &str) -> Vec<(String, String)> {
        pairs(text.as_bytes()).flatten().map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
    }

    #[test]
    fn pairs_are_decoded_as_go_decodes_them() {
        let expected = [("a", "1"), ("b", ""), ("c", "x y z+="), ("日", "")];
        assert_eq!(good_pairs("a=1&&b&c=x%20y+z%2B=&%E6%97%a5="), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_broken_pair_is_told_of_and_the_others_stay() {
        for (text, fault) in [
            ("a=1;b=2&c=3", Fault::Semicolon),
            ("a=%zz&c=3", Fault::Escape("%zz".into())),
            ("c=3&a=%4", Fault::Escape("%4".into())),
            ("a=%ff&c=3", Fault::NotUtf8),
        ] {
            assert_eq!(good_pairs(text), [("c".to_owned(), "3".to_owned())], "{text}");
            assert_eq!(pairs(text.as_bytes()).find_map(Result::err), Some(fault), "{text}");
        }
        assert_eq!(Fault::Escape("%zz".into()).to_string(), r#"invalid URL escape "%zz""#);
    }

    #[test]
    fn the_body_wins_over_the_query_and_the_first_value_over_the_second() {
        let form = Form::parse(b"a=body&a=again", Some("a=query&b=query"), ["a", "b", "c"]);
        let values = form.and_then(Form::intact).ok();
        assert_eq!(values, Some([Some("body".into()), Some("query".into()), None]));
    }
}
