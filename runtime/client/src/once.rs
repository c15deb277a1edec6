//! Pushes that are done once, however often they are sent: with a key that the server remembers for 24 hours.

use std::str::FromStr;

use pusher_core::{JobName, PushRequest, SenderName};
use reqwest::header::HeaderValue;

use crate::client::{Client, push_call, pushall_call};
use crate::error::ClientError;

/// Longest key in bytes.
const MAX_BYTES: usize = 255;

/// A key by which the server knows a request again (`Idempotency-Key`): a text that is used for nothing else within 24
/// hours, as a UUID or an order's number. It is the caller's own: others that sign with another key may use the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(HeaderValue);

/// A text that can be no [`IdempotencyKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 255 characters of visible ASCII and blanks")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// As the header has it.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(text: &str) -> Result<Self, IdempotencyKeyError> {
        if !(1..=MAX_BYTES).contains(&text.len()) || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(IdempotencyKeyError);
        }
        let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        HeaderValue::try_from(quoted).map(Self).map_err(|_| IdempotencyKeyError)
    }
}

impl Client {
    /// As [`push`](Self::push), done once for this key: with it, a push whose answer was lost can be sent again, and is.
    ///
    /// # Errors
    /// As [`push`](Self::push); [`ClientError::Refused`] with status 422 if the key was used for another message.
    pub async fn push_once(&self, request: &PushRequest, key: &IdempotencyKey) -> Result<JobName, ClientError> {
        self.accepted(&push_call(request)?.once(key)).await
    }

    /// As [`pushall`](Self::pushall), done once for this key.
    ///
    /// # Errors
    /// As [`pushall`](Self::pushall); [`ClientError::Refused`] with status 422 if the key was used for another message.
    pub async fn pushall_once(
        &self,
        sender: &SenderName,
        tag: &str,
        data: &str,
        sched_at: i64,
        key: &IdempotencyKey,
    ) -> Result<JobName, ClientError> {
        self.accepted(&pushall_call(sender, tag, data, sched_at)?.once(key)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_as_a_string_of_structured_fields() {
        let sent = |text: &str| text.parse::<IdempotencyKey>().map(|key| key.header().to_str().unwrap().to_owned());
        assert_eq!(sent("8e03978e-40d5"), Ok("\"8e03978e-40d5\"".to_owned()));
        assert_eq!(sent(r#"a "b" \c"#), Ok(r#""a \"b\" \\c""#.to_owned()));
        for text in ["", "ä", "a\nb", &"x".repeat(256)] {
            assert_eq!(sent(text), Err(IdempotencyKeyError), "{text:?}");
        }
    }
}
