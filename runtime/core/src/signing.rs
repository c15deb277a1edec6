//! How a request is signed: the text of both schemes, made here once for the server that checks it and the clients that
//! send it.
//!
//! [`V1`] is the Go program's: HMAC-MD5 over the parameters, kept for the clients that speak it. It covers neither the
//! method nor a body that is not a form. [`V2`] is ours: HMAC-SHA256 over everything that says what a request does, and
//! a nonce, so that no request counts twice. `docs/auth.md` tells both in full.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use md5::Md5;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::digest::{LOWER, UPPER, hex, keyed};

/// The header that says whose secret signed the request.
pub const APP_KEY: &str = "x-app-key";
/// The header that says when: whole seconds since the Unix epoch, in decimal digits.
pub const REQUEST_TIME: &str = "x-request-time";
/// The header with the number used once; [`V2`] only. See [`is_nonce`].
pub const REQUEST_NONCE: &str = "x-request-nonce";
/// The header with the signature; one that begins with [`V2_PREFIX`] is a [`V2`], any other a [`V1`].
pub const REQUEST_SIGNATURE: &str = "x-request-signature";

/// How far the time of a request may be from the server's, either way, in seconds.
pub const WINDOW_SECONDS: i64 = 600;

/// What a [`V2`] signature begins with.
pub const V2_PREFIX: &str = "v2=";

/// Parameters that a [`V1`] request cannot have: the text holds the key, the path and the time under these names, and
/// the Go program let a parameter of the same name stand in for them.
pub const V1_RESERVED: [&str; 3] = ["app_key", "path", "timestamp"];

/// First line of the text that a [`V2`] signature is made of.
const V2_HEAD: &str = "PUSHER-HMAC-SHA256";

/// Is `text` a nonce: 16 to 64 characters of `A-Za-z0-9_-`?
#[must_use]
pub fn is_nonce(text: &str) -> bool {
    (16..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// What both sides of a signature know and nobody else does. It is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes `text` as it is.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Is it nothing at all? Such a secret keeps nobody out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the Go program's signature covers.
#[derive(Debug, Clone, Copy)]
pub struct V1<'a, S = &'a str> {
    /// Whose secret signs.
    pub app_key: &'a str,
    /// The path of the request, decoded.
    pub path: &'a str,
    /// The text of [`REQUEST_TIME`].
    pub timestamp: &'a str,
    /// Names and values: those of the body if it is the form of a POST, then those of the query. The first value of a
    /// name counts. Those called as in [`V1_RESERVED`] are not signed.
    pub params: &'a [(S, S)],
}

impl<S: AsRef<str>> V1<'_, S> {
    /// The value of [`REQUEST_SIGNATURE`]: upper-case hex of the HMAC-MD5 over all names and values, sorted by name,
    /// with nothing between.
    #[must_use]
    pub fn sign(&self, secret: &Secret) -> String {
        let given = self.params.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let mut all: Vec<(&str, &str)> = given.filter(|(name, _)| !V1_RESERVED.contains(name)).collect();
        all.extend([("app_key", self.app_key), ("path", self.path), ("timestamp", self.timestamp)]);
        all.sort_by_key(|(name, _)| *name); // Stable: the first value of a name stays the first.
        all.dedup_by_key(|(name, _)| *name);
        let mut mac = keyed::<Hmac<Md5>>(secret.0.as_bytes());
        for (name, value) in all {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        hex(&mac.finalize().into_bytes(), UPPER)
    }

    /// Is `signature` the one that `secret` makes? The time this takes does not tell how much of it is right.
    #[must_use]
    pub fn verify(&self, secret: &Secret, signature: &str) -> bool {
        self.sign(secret).as_bytes().ct_eq(signature.as_bytes()).into()
    }
}

/// What a signature of the second scheme covers: all that says what the request does.
#[derive(Debug, Clone, Copy)]
pub struct V2<'a> {
    /// Whose secret signs.
    pub app_key: &'a str,
    /// The method, as sent.
    pub method: &'a str,
    /// The path, as sent: percent-encoded.
    pub path: &'a str,
    /// The query, as sent, without the `?`; empty if there is none. The order of its `&`-separated pieces is free.
    pub query: &'a str,
    /// The text of [`REQUEST_TIME`].
    pub timestamp: &'a str,
    /// The text of [`REQUEST_NONCE`]; [`is_nonce`] says what it may be.
    pub nonce: &'a str,
    /// The body, every byte; empty if there is none.
    pub body: &'a [u8],
}

impl V2<'_> {
    /// The value of [`REQUEST_SIGNATURE`]: [`V2_PREFIX`] and the lower-case hex of the HMAC-SHA256 over
    /// [`V2::text`].
    #[must_use]
    pub fn sign(&self, secret: &Secret) -> String {
        let mut mac = keyed::<Hmac<Sha256>>(secret.0.as_bytes());
        mac.update(self.text().as_bytes());
        format!("{V2_PREFIX}{}", hex(&mac.finalize().into_bytes(), LOWER))
    }

    /// Is `signature` the one that `secret` makes? The time this takes does not tell how much of it is right.
    #[must_use]
    pub fn verify(&self, secret: &Secret, signature: &str) -> bool {
        self.sign(secret).as_bytes().ct_eq(signature.as_bytes()).into()
    }

    /// What is signed, a line each: the name of the scheme, the key, the method, the path, the pieces of the query in
    /// the order of their bytes, the time, the nonce and the lower-case hex SHA-256 of the body.
    #[must_use]
    pub fn text(&self) -> String {
        let mut pieces: Vec<&str> = self.query.split('&').collect();
        pieces.sort_unstable();
        let body = hex(&Sha256::digest(self.body), LOWER);
        let query = pieces.join("&");
        [V2_HEAD, self.app_key, self.method, self.path, &query, self.timestamp, self.nonce, &body].join("\n")
    }
}

#[cfg(test)]
mod tests;
