//! What a sender says when it could not deliver, and the ways to say it.

use std::error::Error;
use std::fmt::{self, Display};

use crate::bindings::pusher::sender::types;

/// Why a message was not delivered.
///
/// Any error, `String` or `&str` becomes a temporary failure through `?`. `Failure` is not itself a
/// [`std::error::Error`]; that is what makes the conversion possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Trying again may help. The text is logged.
    Temporary(String),
    /// The provider asks to slow down: how many seconds to wait at least, if it said so.
    Limited(Option<u32>),
    /// Trying again cannot help: the message becomes a dead letter with this reason.
    Permanent(String),
}

impl Failure {
    /// Trying again may help.
    pub fn temporary(reason: impl Display) -> Self {
        Self::Temporary(reason.to_string())
    }

    /// Trying again cannot help.
    pub fn permanent(reason: impl Display) -> Self {
        Self::Permanent(reason.to_string())
    }

    /// The provider asks to slow down, for so many seconds if it said so.
    #[must_use]
    pub fn limited(seconds: Option<u32>) -> Self {
        Self::Limited(seconds)
    }

    /// As [`limited`](Self::limited). There is no place for a reason in it, so the reason is written to the log.
    pub fn limited_because(seconds: Option<u32>, reason: impl Display) -> Self {
        eprintln!("{reason}");
        Self::Limited(seconds)
    }

    /// Trying again may help, when the response says: with status 429 (Too Many Requests) or a `Retry-After` it is limited
    /// for so long, and the reason is written to the log; otherwise it is temporary. What can be delivered at all is for the
    /// caller to say: this does not look at any other status.
    ///
    /// ```
    /// use pusher_sender_sdk::Failure;
    ///
    /// assert_eq!(Failure::retry(503, Some(120), "busy"), Failure::limited(Some(120)));
    /// assert_eq!(Failure::retry(429, None, "busy"), Failure::limited(None));
    /// assert_eq!(Failure::retry(503, None, "busy"), Failure::temporary("busy"));
    /// ```
    ///
    /// `retry_after` is [`Response::retry_after`](crate::http::Response::retry_after).
    pub fn retry(status: u16, retry_after: Option<u32>, reason: impl Display) -> Self {
        if status == 429 || retry_after.is_some() {
            return Self::limited_because(retry_after, reason);
        }
        Self::temporary(reason)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Temporary(reason) | Self::Permanent(reason) => f.write_str(reason),
            Self::Limited(None) => f.write_str("the provider asks to slow down"),
            Self::Limited(Some(seconds)) => write!(f, "the provider asks to wait {seconds} s"),
        }
    }
}

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Temporary(chain(&*error.into()))
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Temporary(reason) => Self::Temporary(reason),
            Failure::Limited(seconds) => Self::Limited(seconds),
            Failure::Permanent(reason) => Self::Permanent(reason),
        }
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Says of an error what kind of failure it is.
pub trait ResultExt<T> {
    /// Makes the error a permanent failure: trying again cannot help.
    ///
    /// # Errors
    /// The failure, if `self` is an error.
    fn or_permanent(self) -> Result<T, Failure>;

    /// Makes the error a temporary failure, as `?` alone does.
    ///
    /// # Errors
    /// The failure, if `self` is an error.
    fn or_temporary(self) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error>>> ResultExt<T> for Result<T, E> {
    fn or_permanent(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Permanent(chain(&*error.into())))
    }

    fn or_temporary(self) -> Result<T, Failure> {
        self.map_err(Failure::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u8, Failure> {
        Ok(text.parse::<u8>()?)
    }

    #[test]
    fn an_error_becomes_a_temporary_failure_by_itself_and_a_permanent_one_when_told() {
        assert_eq!(number("7"), Ok(7));
        assert_eq!(number("x"), Err(Failure::Temporary("invalid digit found in string".into())));
        assert_eq!("x".parse::<u8>().or_permanent(), Err(Failure::permanent("invalid digit found in string")));
    }

    #[test]
    fn a_response_that_asks_to_wait_is_a_limit_and_any_other_is_temporary() {
        for status in [302, 404, 429, 500, 502, 503] {
            assert_eq!(Failure::retry(status, Some(7), "why"), Failure::limited(Some(7)), "{status}");
        }
        assert_eq!(Failure::retry(429, None, "why"), Failure::limited(None));
        for status in [302, 404, 500, 502, 503] {
            assert_eq!(Failure::retry(status, None, "why"), Failure::temporary("why"), "{status}");
        }
    }

    #[test]
    fn plain_text_is_a_reason_too() {
        let failed = || -> Result<(), Failure> { Err("no route")? };
        assert_eq!(failed(), Err(Failure::temporary("no route")));
        let failed = || -> Result<(), Failure> { Err(format!("no {}", "route"))? };
        assert_eq!(failed(), Err(Failure::temporary("no route")));
    }
}
