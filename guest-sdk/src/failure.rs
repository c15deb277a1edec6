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
    fn plain_text_is_a_reason_too() {
        let failed = || -> Result<(), Failure> { Err("no route")? };
        assert_eq!(failed(), Err(Failure::temporary("no route")));
        let failed = || -> Result<(), Failure> { Err(format!("no {}", "route"))? };
        assert_eq!(failed(), Err(Failure::temporary("no route")));
    }
}
