//! The access token: what the token endpoint answers, and how long the token is kept.
//!
//! A fresh instance has none. An instance that is used again keeps its token until a minute before it expires.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pusher_sender_sdk::Failure;
use serde::Deserialize;

/// How long before its end a token is no longer used, in seconds.
const MARGIN: u64 = 60;
/// How much of a reason is told, in characters.
const EXCERPT: usize = 300;

/// What entitles to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) value: String,
    /// Until when it may be used, in Unix seconds.
    until: u64,
}

static KEPT: Mutex<Option<Token>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<Token>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Token {
    /// The token that is kept, if it may still be used.
    pub(crate) fn recall(now: u64) -> Option<Self> {
        kept().clone().filter(|token| now < token.until)
    }

    /// Keeps the token for the next message of this instance.
    pub(crate) fn keep(&self) {
        *kept() = Some(self.clone());
    }

    /// Keeps none: the one there was is not taken any more.
    pub(crate) fn forget() {
        *kept() = None;
    }

    /// Reads the answer of the token endpoint, asked at `now`.
    ///
    /// Whatever is wrong with the credentials is the operator's to mend, so that the message waits for it.
    pub(crate) fn read(status: u16, retry_after: Option<u32>, body: &[u8], now: u64) -> Result<Self, Failure> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Answer {
            access_token: String,
            expires_in: u64,
            error: String,
            error_description: String,
        }
        let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
        if (200..300).contains(&status) && !answer.access_token.is_empty() {
            let until = now.saturating_add(answer.expires_in).saturating_sub(MARGIN);
            return Ok(Self { value: answer.access_token, until });
        }
        let why = if answer.error.is_empty() {
            "the answer is not a token endpoint's".to_owned()
        } else {
            format!("{}: {}", answer.error, answer.error_description).chars().take(EXCERPT).collect()
        };
        let reason = format!("no access token: the token endpoint answered {status}: {why}");
        Err(Failure::retry(status, retry_after, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_until_a_minute_before_its_end_or_until_it_is_refused() {
        let body = br#"{"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}"#;
        let token = Token::read(200, None, body, 1000).unwrap();
        assert_eq!(token, Token { value: "ya29.x".into(), until: 1000 + 3599 - 60 });
        assert_eq!(Token::recall(1000), None);
        token.keep();
        assert_eq!(Token::recall(4538), Some(token.clone()));
        assert_eq!(Token::recall(4539), None);
        Token::forget();
        assert_eq!(Token::recall(1000), None);
    }

    #[test]
    fn a_token_of_unknown_end_is_used_once() {
        let token = Token::read(200, None, br#"{"access_token": "x"}"#, 1000).unwrap();
        assert!(token.until < 1000);
    }

    #[test]
    fn no_token_is_for_the_operator_to_mend_and_the_message_waits() {
        let read = |status, body: &str| Token::read(status, None, body.as_bytes(), 0).unwrap_err();
        let said = r#"{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}"#;
        assert_eq!(
            read(400, said),
            Failure::temporary(
                "no access token: the token endpoint answered 400: invalid_grant: Invalid JWT Signature."
            )
        );
        for (status, body) in [(200, "{}"), (200, r#"{"access_token": ""}"#), (404, "no ey.J.x here"), (503, "")] {
            let reason =
                format!("no access token: the token endpoint answered {status}: the answer is not a token endpoint's");
            assert_eq!(read(status, body), Failure::temporary(reason));
        }
    }

    #[test]
    fn the_endpoint_says_how_long_to_wait() {
        assert_eq!(Token::read(429, None, b"", 0), Err(Failure::limited(None)));
        assert_eq!(Token::read(503, Some(120), b"", 0), Err(Failure::limited(Some(120))));
    }
}
