//! The `Idempotency-Key` header of push and pushall, by the IETF draft of that name: a structured-fields string
//! (`"8e03978e-40d5"`), or the same without its quotation marks, which is what most clients send.

use axum::extract::Request;
use axum::http::HeaderMap;
use pusher_core::Once;
use sha2::{Digest, Sha256};

use crate::auth::SignedBy;
use crate::error::ApiError;

/// The header's name.
pub(crate) const HEADER: &str = "idempotency-key";
/// Longest key in bytes.
const MAX_BYTES: usize = 255;

/// The key of a request, as a digest of it and of whoever signed the request: two that think of the same key do not meet.
pub(crate) struct IdempotencyKey([u8; 32]);

/// The key of a request, if it has one.
pub(crate) fn key(request: &Request) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(key) = text(request.headers())? else { return Ok(None) };
    let app = request.extensions().get::<SignedBy>().map_or("", |SignedBy(app)| app);
    Ok(Some(IdempotencyKey(digest(&[app, &key]))))
}

impl IdempotencyKey {
    /// The key together with what is asked: the operation and all that it is told, however the request wrote that down.
    pub(crate) fn asks(&self, words: &[&str], sched_at: i64, force: bool) -> Once {
        let (sched_at, force) = (sched_at.to_string(), force.to_string());
        Once { key: self.0, request: digest(&[words, &[&sched_at, &force]].concat()) }
    }
}

/// A digest of texts, none of which can be taken for a part of another.
fn digest(texts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

fn text(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(HEADER).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed("there are two"));
    }
    let key = parse(value.as_bytes()).map_err(malformed)?;
    Ok(Some(key))
}

fn parse(value: &[u8]) -> Result<String, &'static str> {
    let key = match value.trim_ascii().split_first() {
        None => return Err("it is empty"),
        Some((b'"', quoted)) => unquote(quoted)?,
        Some(_) => {
            let bare = value.trim_ascii();
            if !bare.iter().all(u8::is_ascii_graphic) {
                return Err("without quotation marks it is visible ASCII characters, no blanks");
            }
            bare.to_vec()
        }
    };
    match key.len() {
        0 => Err("it is empty"),
        1..=MAX_BYTES => Ok(String::from_utf8_lossy(&key).into_owned()),
        _ => Err("it is longer than 255 bytes"),
    }
}

/// What stands in a structured-fields string, whose opening quotation mark is behind us.
fn unquote(quoted: &[u8]) -> Result<Vec<u8>, &'static str> {
    const NO_STRING: &str = "what begins with a quotation mark is a string of ASCII characters and ends with one";
    let mut key = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    loop {
        match bytes.next() {
            Some(b'"') if bytes.as_slice().is_empty() => return Ok(key),
            Some(b'\\') => match bytes.next() {
                Some(escaped @ (b'"' | b'\\')) => key.push(*escaped),
                _ => return Err(NO_STRING),
            },
            Some(byte @ (b' ' | b'!' | b'#'..=b'~')) => key.push(*byte),
            _ => return Err(NO_STRING),
        }
    }
}

fn malformed(reason: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid Idempotency-Key: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_string_with_or_without_its_quotation_marks() {
        for (value, key) in [
            ("\"8e03978e-40d5\"", "8e03978e-40d5"),
            ("8e03978e-40d5", "8e03978e-40d5"),
            (" abc ", "abc"),
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            ("a;b=c", "a;b=c"),
        ] {
            assert_eq!(parse(value.as_bytes()).as_deref(), Ok(key), "{value}");
        }
        assert!(parse("x".repeat(255).as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "x".repeat(256);
        for value in ["", " ", "\"\"", "\"", "\"a", "\"a\"b", "a b", "\"a\\n\"", "\"a\\", "ä", "\"ä\"", &long] {
            assert!(parse(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn what_is_asked_is_told_apart_by_every_word_of_it() {
        let key = IdempotencyKey(digest(&["app", "key"]));
        let asks = |words: &[&str], sched_at, force| key.asks(words, sched_at, force).request;
        let first = asks(&["push", "a", "bc"], 0, false);
        assert_eq!(first, asks(&["push", "a", "bc"], 0, false));
        for other in [
            asks(&["push", "ab", "c"], 0, false),
            asks(&["pushall", "a", "bc"], 0, false),
            asks(&["push", "a", "bc"], 1, false),
            asks(&["push", "a", "bc"], 0, true),
        ] {
            assert_ne!(first, other);
        }
        assert_ne!(digest(&["app", "key"]), digest(&["ap", "pkey"]));
    }

    #[test]
    fn two_keys_are_none() {
        let mut headers = HeaderMap::new();
        assert!(matches!(text(&headers), Ok(None)));
        headers.append(HEADER, "a".parse().unwrap());
        assert!(matches!(text(&headers), Ok(Some(_))));
        headers.append(HEADER, "a".parse().unwrap());
        assert!(text(&headers).is_err());
    }
}
