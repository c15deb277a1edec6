//! Whom the requests are from, and how that is shown: the headers that sign a request, made anew for each try.

use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use pusher_core::signing::{APP_KEY, REQUEST_NONCE, REQUEST_SIGNATURE, REQUEST_TIME, Secret, V1, V1_RESERVED, V2};
use reqwest::Request;
use reqwest::header::{HeaderValue, InvalidHeaderValue};
use serde::Deserialize;
use url::form_urlencoded;

use crate::error::ClientError;

/// Tells the time: whole seconds since the Unix epoch. A signature holds for some minutes, so this must be near the
/// server's own.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// As the Go program: HMAC-MD5 over the parameters and the path. For servers that know nothing else. It cannot sign
    /// a [`bulk`](crate::Client::bulk).
    V1,
    /// HMAC-SHA256 over all that says what the request does, the body included, with a nonce, so that no request counts
    /// twice.
    #[default]
    V2,
}

/// A key, its secret, and how to sign with it. The secret is never shown, not by [`fmt::Debug`] either.
#[derive(Clone)]
pub struct Credentials {
    key: HeaderValue,
    app_key: String,
    secret: Secret,
    scheme: Scheme,
    clock: Clock,
}

impl Credentials {
    /// Signs as `key` with its `secret`, by the time of `clock`.
    ///
    /// # Errors
    /// [`ClientError::Signing`] if the key cannot stand in a header or is empty, or the secret is empty.
    pub fn new(key: &str, secret: Secret, scheme: Scheme, clock: Clock) -> Result<Self, ClientError> {
        let refuse = |reason: &str| Err(ClientError::Signing(reason.to_owned()));
        if key.is_empty() || secret.is_empty() {
            return refuse("the key or its secret is empty");
        }
        let Ok(header) = HeaderValue::from_bytes(key.as_bytes()) else {
            return refuse("the key holds a character that cannot stand in an HTTP header");
        };
        Ok(Self { key: header, app_key: key.to_owned(), secret, scheme, clock })
    }

    /// Puts the headers on a request whose body is `form` or something else.
    pub(crate) fn sign(&self, request: &mut Request, form: bool) -> Result<(), ClientError> {
        let timestamp = (self.clock)().to_string();
        let signature = match self.scheme {
            Scheme::V1 => self.v1(request, form, &timestamp)?,
            Scheme::V2 => {
                let nonce = nonce()?;
                let signature = self.v2(request, &timestamp, &nonce);
                set(request, REQUEST_NONCE, &nonce)?;
                signature
            }
        };
        request.headers_mut().insert(APP_KEY, self.key.clone());
        set(request, REQUEST_TIME, &timestamp)?;
        set(request, REQUEST_SIGNATURE, &signature)
    }

    fn v1(&self, request: &Request, form: bool, timestamp: &str) -> Result<String, ClientError> {
        let refuse = |reason: String| Err(ClientError::Signing(reason));
        let body = body(request);
        if !form && !body.is_empty() {
            return refuse("v1 signs forms only, and this request is none; sign with v2".to_owned());
        }
        let url = request.url();
        let Ok(path) = percent_decode_str(url.path()).decode_utf8() else {
            return refuse("the path is not UTF-8, which v1 needs".to_owned());
        };
        let query = url.query().unwrap_or_default();
        let params: Vec<_> = form_urlencoded::parse(body).chain(form_urlencoded::parse(query.as_bytes())).collect();
        if let Some((name, _)) = params.iter().find(|(name, _)| V1_RESERVED.contains(&name.as_ref())) {
            return refuse(format!("v1 cannot sign a parameter that is called {name}; sign with v2"));
        }
        Ok(V1 { app_key: &self.app_key, path: &path, timestamp, params: &params }.sign(&self.secret))
    }

    fn v2(&self, request: &Request, timestamp: &str, nonce: &str) -> String {
        let url = request.url();
        let signed = V2 {
            app_key: &self.app_key,
            method: request.method().as_str(),
            path: url.path(),
            query: url.query().unwrap_or_default(),
            timestamp,
            nonce,
            body: body(request),
        };
        signed.sign(&self.secret)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("key", &self.app_key).field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Every body of ours is in memory before it is sent.
fn body(request: &Request) -> &[u8] {
    request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default()
}

/// 128 bits that nobody can guess, as 32 hexadecimal digits.
fn nonce() -> Result<String, ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| ClientError::Signing(format!("the system gives no random numbers: {error}")))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

fn set(request: &mut Request, name: &'static str, value: &str) -> Result<(), ClientError> {
    let value = value.parse().map_err(|error: InvalidHeaderValue| ClientError::Signing(error.to_string()))?;
    request.headers_mut().insert(name, value);
    Ok(())
}
