//! Looks at one request: is it signed, by whom, and may they do this? The order is the Go program's: key, time,
//! signature.

use std::borrow::Cow;
use std::sync::PoisonError;

use axum::body::{Body, HttpBody};
use axum::extract::{OriginalUri, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use pusher_core::signing::{
    APP_KEY, REQUEST_NONCE, REQUEST_SIGNATURE, REQUEST_TIME, V1, V1_RESERVED, V2, V2_PREFIX, WINDOW_SECONDS, is_nonce,
};

use super::keys::KeyPair;
use super::nonces::Refused;
use super::{Auth, FormOnly, SignedBy};
use crate::error::ApiError;
use crate::{form, limits};

/// The request as it came, its body read, if it passes.
pub(super) async fn check(auth: &Auth, request: Request) -> Result<Request, ApiError> {
    let headers = request.headers();
    let key = headers.get(APP_KEY).map_or(&b""[..], |value| value.as_bytes());
    let pair = auth.keys.find(key).ok_or_else(|| invalid("X-App-Key"))?;
    let time = time(headers, (auth.clock)())?;
    let signature = text(headers, REQUEST_SIGNATURE).unwrap_or_default().to_owned();

    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(SignedBy(pair.key.clone()));
    let signed = Signed { auth, pair, time: &time, signature: &signature };
    let body = if signature.starts_with(V2_PREFIX) {
        signed.v2(&parts, body).await?
    } else {
        signed.v1(&mut parts, body).await?
    };
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// When a request was signed: as it was written, for the signature, and as a number.
struct Time {
    text: String,
    seconds: i64,
}

fn time(headers: &HeaderMap, now: i64) -> Result<Time, ApiError> {
    let text = text(headers, REQUEST_TIME).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let time = text.and_then(|text| Some(Time { text: text.to_owned(), seconds: text.parse().ok()? }));
    time.filter(|time| is_near(time.seconds, now)).ok_or_else(|| invalid("X-Request-Time"))
}

fn is_near(seconds: i64, now: i64) -> bool {
    now.saturating_sub(seconds).saturating_abs() <= WINDOW_SECONDS
}

/// A request whose key is known and whose time is near.
struct Signed<'a> {
    auth: &'a Auth,
    pair: &'a KeyPair,
    time: &'a Time,
    signature: &'a str,
}

impl Signed<'_> {
    /// The body, if the v1 signature is right.
    async fn v1(&self, parts: &mut Parts, body: Body) -> Result<Bytes, ApiError> {
        if !self.auth.schemes.v1() {
            return Err(invalid_because("X-Request-Signature", "this server takes v2 signatures only"));
        }
        // The Go program signs the form of a POST, and of everything else the query only.
        let covered = parts.method == Method::POST && form::is_form(&parts.headers);
        if covered {
            let body = limits::read(body, self.auth.body).await?;
            self.verify_v1(parts, &body)?;
            if !body.is_empty() {
                parts.extensions.insert(FormOnly);
            }
            return Ok(body);
        }
        self.verify_v1(parts, b"")?;
        if !body.is_end_stream() && !limits::read(body, self.auth.body).await?.is_empty() {
            return Err(ApiError::not_signed_as_form());
        }
        Ok(Bytes::new())
    }

    fn verify_v1(&self, parts: &Parts, form: &[u8]) -> Result<(), ApiError> {
        let uri = sent(parts);
        let query = uri.query().unwrap_or_default().as_bytes();
        // What cannot be signed is refused rather than passed over: another reader might read something in it.
        let params = form::pairs(form).chain(form::pairs(query)).collect::<Result<Vec<_>, _>>();
        let params = params.map_err(|fault| ApiError::bad_request(fault.to_string()))?;
        let path = percent_decode_str(uri.path()).decode_utf8().map_err(|_| invalid("X-Request-Signature"))?;
        let signed = V1 { app_key: &self.pair.key, path: &path, timestamp: &self.time.text, params: &params };
        if !signed.verify(&self.pair.secret, self.signature) {
            return Err(invalid("X-Request-Signature"));
        }
        if let Some((name, _)) = params.iter().find(|(name, _)| V1_RESERVED.contains(&name.as_ref())) {
            let reason = format!("a parameter called {name} cannot be signed by the v1 scheme");
            return Err(invalid_because("X-Request-Signature", &reason));
        }
        self.may(parts)
    }

    /// The body, if the v2 signature is right and its nonce is new.
    async fn v2(&self, parts: &Parts, body: Body) -> Result<Bytes, ApiError> {
        if !self.auth.schemes.v2() {
            return Err(invalid_because("X-Request-Signature", "this server takes v1 signatures only"));
        }
        let nonce = text(&parts.headers, REQUEST_NONCE).filter(|text| is_nonce(text));
        let nonce = nonce.ok_or_else(|| invalid("X-Request-Nonce"))?;
        let body = limits::read(body, self.auth.body).await?;
        let uri = sent(parts);
        let signed = V2 {
            app_key: &self.pair.key,
            method: parts.method.as_str(),
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            timestamp: &self.time.text,
            nonce,
            body: &body,
        };
        if !signed.verify(&self.pair.secret, self.signature) {
            return Err(invalid("X-Request-Signature"));
        }
        one_order(signed.query)?;
        self.may(parts)?;
        // Only now, so that nobody else can use up a nonce; and by the clock as it is after the body was read.
        let mut nonces = self.auth.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.take(&self.pair.key, nonce, self.time.seconds, (self.auth.clock)()).map_err(
            |refused| match refused {
                Refused::Used => invalid_because("X-Request-Nonce", "it was used before"),
                Refused::Stale => invalid("X-Request-Time"),
                Refused::Full(seconds) => ApiError::too_many_signed(seconds),
            },
        )?;
        Ok(body)
    }

    fn may(&self, parts: &Parts) -> Result<(), ApiError> {
        let scope = (self.auth.scope)(&parts.method, parts.uri.path());
        if self.pair.scopes.contains(scope) {
            return Ok(());
        }
        Err(ApiError::forbidden(format!("the key {:?} has not the scope {scope}, which this needs", self.pair.key)))
    }
}

/// v2 leaves the order of the query's pieces free, so it must not matter: no name may be there twice.
fn one_order(query: &str) -> Result<(), ApiError> {
    let names: Result<Vec<_>, _> = form::pairs(query.as_bytes()).map(|pair| pair.map(|(name, _)| name)).collect();
    let mut names: Vec<Cow<'_, str>> = names.map_err(|fault| ApiError::bad_request(fault.to_string()))?;
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let reason = format!("the query has {:?} twice, and the order of its parts is not signed", pair[0]);
            Err(invalid_because("X-Request-Signature", &reason))
        }
    }
}

/// The target as the client sent it, also where a router is mounted below another.
fn sent(parts: &Parts) -> &Uri {
    parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    std::str::from_utf8(headers.get(name)?.as_bytes()).ok()
}

fn invalid(header: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid {header}"))
}

fn invalid_because(header: &str, reason: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid {header}: {reason}"))
}
