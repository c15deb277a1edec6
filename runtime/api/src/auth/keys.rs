//! The pairs of key and secret, and what each may do.

use std::fmt;
use std::sync::Arc;

use axum::http::HeaderValue;
use pusher_core::signing::Secret;
use serde::Deserialize;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// A thing that a key may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look: at recipients (list, get, search), deliveries and pushalls.
    Read,
    /// Change recipients: create, update, delete, tag, switch channels. Forget deliveries.
    Write,
    /// Send: push, pushall, and redriving, moving and cancelling what was pushed.
    Push,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Push => "push",
        })
    }
}

/// All that a key may do. None implies another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Everything.
    pub const ALL: Self = Self(0b111);

    /// May the key do this?
    #[must_use]
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }
}

fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = [Scope::Read, Scope::Write, Scope::Push].into_iter().filter(|scope| self.contains(*scope));
        f.debug_set().entries(scopes).finish()
    }
}

/// Why there can be no such key. No sentence holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There are no pairs, so that no request could ever pass.
    #[error("there is no key; give at least one key with its secret")]
    None,
    /// It could not be sent in a header, or would come out of it as another.
    #[error("the key {0:?} cannot stand in a header; give 1 or more visible characters, with no space at either end")]
    Unsendable(String),
    /// The secret is empty, so that anybody could sign.
    #[error("the secret of the key {0:?} is empty")]
    NoSecret(String),
    /// The key may do nothing.
    #[error("the key {0:?} has no scope; give it one or more of read, write and push")]
    NoScope(String),
    /// Two pairs have this key.
    #[error("the key {0:?} is given twice; every key has one secret")]
    Twice(String),
}

/// A key, its secret, and what it may do.
#[derive(Debug, Clone)]
pub struct KeyPair {
    pub(super) key: Arc<str>,
    pub(super) secret: Secret,
    pub(super) scopes: Scopes,
}

impl KeyPair {
    /// Takes the three together.
    ///
    /// # Errors
    /// [`KeyError`] if the key cannot be sent, the secret is empty, or there is no scope.
    pub fn new(key: &str, secret: Secret, scopes: Scopes) -> Result<Self, KeyError> {
        if key.is_empty() || key != key.trim() || HeaderValue::from_bytes(key.as_bytes()).is_err() {
            return Err(KeyError::Unsendable(key.to_owned()));
        }
        if secret.is_empty() {
            return Err(KeyError::NoSecret(key.to_owned()));
        }
        if scopes == Scopes(0) {
            return Err(KeyError::NoScope(key.to_owned()));
        }
        Ok(Self { key: key.into(), secret, scopes })
    }
}

/// All pairs, no key twice.
#[derive(Debug)]
pub(super) struct Keys(Vec<KeyPair>);

impl Keys {
    pub(super) fn new(pairs: impl IntoIterator<Item = KeyPair>) -> Result<Self, KeyError> {
        let mut keys: Vec<KeyPair> = Vec::new();
        for pair in pairs {
            if keys.iter().any(|other| other.key == pair.key) {
                return Err(KeyError::Twice(pair.key.to_string()));
            }
            keys.push(pair);
        }
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self(keys)) }
    }

    /// The pair of this key. All are compared, each whole, so that the time this takes does not tell how near a guess is.
    pub(super) fn find(&self, key: &[u8]) -> Option<&KeyPair> {
        let mut found = u32::MAX;
        for (at, pair) in (0..).zip(&self.0) {
            let same: Choice = pair.key.as_bytes().ct_eq(key);
            found.conditional_assign(&at, same);
        }
        self.0.get(found as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, secret: &str) -> Result<KeyPair, KeyError> {
        KeyPair::new(key, secret.into(), Scopes::ALL)
    }

    #[test]
    fn a_key_is_found_by_all_of_it() {
        let keys = Keys::new([pair("k1", "s").unwrap(), pair("k22", "t").unwrap(), pair("schlüssel", "u").unwrap()]);
        let keys = keys.unwrap();
        for key in ["k1", "k22", "schlüssel"] {
            assert_eq!(&*keys.find(key.as_bytes()).unwrap().key, key);
        }
        for key in ["", "k", "k2", "k11", "K1", "k1 "] {
            assert!(keys.find(key.as_bytes()).is_none(), "{key:?}");
        }
    }

    #[test]
    fn pairs_that_cannot_be_are_refused_with_their_key_and_without_their_secret() {
        let twice = Keys::new([pair("k", "geheim").unwrap(), pair("k", "other").unwrap()]);
        assert_eq!(twice.unwrap_err(), KeyError::Twice("k".into()));
        assert_eq!(Keys::new([]).unwrap_err(), KeyError::None);
        assert_eq!(pair("k", "").unwrap_err(), KeyError::NoSecret("k".into()));
        for key in ["", " k", "k\t", "k\nk", "\u{7f}"] {
            assert_eq!(pair(key, "geheim").unwrap_err(), KeyError::Unsendable(key.into()));
        }
        let nothing = KeyPair::new("k", "geheim".into(), Scopes::from_iter([])).unwrap_err();
        assert_eq!(nothing, KeyError::NoScope("k".into()));
    }

    #[test]
    fn a_pair_is_shown_without_its_secret() {
        let shown = format!("{:?}", Keys::new([pair("k", "geheim").unwrap()]).unwrap());
        assert!(
            shown.contains("\"k\"") && shown.contains("{Read, Write, Push}") && !shown.contains("geheim"),
            "{shown}"
        );
    }
}
