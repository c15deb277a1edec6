//! Lets only signed requests pass: a tower layer for the routes of this crate and for any others.
//!
//! [`Auth`] is given the pairs of key and secret ([`KeyPair`]), each with what it may do ([`Scopes`]), and the schemes it
//! takes ([`Schemes`]; [`pusher_core::signing`] has their rules). Put it on a router of your own with
//! [`Router::layer`](axum::Router::layer), or hand it to [`router`](crate::router) through
//! [`Options`](crate::Options), which puts it behind the limits:
//!
//! ```
//! # use axum::{Extension, Router, routing::get};
//! # use pusher_api::auth::{Auth, KeyError, KeyPair, Scope, Scopes, SignedBy};
//! # fn unix_seconds() -> i64 { 1_700_000_000 }
//! # fn example() -> Result<Router, KeyError> {
//! let reader = KeyPair::new("reports", "a secret".into(), Scopes::from_iter([Scope::Read]))?;
//! let auth = Auth::new([reader], unix_seconds)?;
//! Ok(Router::new()
//!     .route("/whoami", get(async |Extension(SignedBy(key)): Extension<SignedBy>| key.to_string()))
//!     .layer(auth))
//! # }
//! # example().unwrap();
//! ```
//!
//! How it fits: `keys` holds the pairs and what they may do, `check` looks at one request, `nonces` remembers those that
//! were used. The order of the checks and the sentences are the Go program's where it has them.

mod check;
mod keys;
mod nonces;

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};

use self::keys::Keys;
pub use self::keys::{KeyError, KeyPair, Scope, Scopes};
use self::nonces::Nonces;
use crate::limits::Limits;

/// Nonces remembered at once of each key, unless told otherwise: 1,666 requests a second, in some 50 MB for a key that signs
/// so many.
pub const DEFAULT_NONCES: usize = 1_000_000;

/// Which schemes a signature may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schemes {
    /// [`V1`](pusher_core::signing::V1) only.
    V1,
    /// [`V2`](pusher_core::signing::V2) only. What v1 leaves open (see `docs/auth.md`) is closed then.
    V2,
    /// Either.
    #[default]
    Both,
}

impl Schemes {
    fn v1(self) -> bool {
        self != Self::V2
    }

    fn v2(self) -> bool {
        self != Self::V1
    }
}

impl FromStr for Schemes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "v1" => Ok(Self::V1),
            "v2" => Ok(Self::V2),
            "both" => Ok(Self::Both),
            _ => Err("give v1, v2 or both"),
        }
    }
}

/// Put on a request that passed: the key that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy(pub Arc<str>);

/// Put on a request that passed by [`V1`](pusher_core::signing::V1) and has a body: of its form, the first value of each
/// name is signed, decoded, and nothing else. Its bytes could be others, so read it as a form only; the routes of this
/// crate refuse to do otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormOnly;

/// A layer that lets only signed requests pass. Clones share the memory of nonces.
///
/// What does not pass is answered `{"err": sentence}`: 400 if the signature is not right, 403 if the key may not do this,
/// 413 if the body is too long, 429 if too many nonces are remembered. What passes has [`SignedBy`] among its extensions,
/// and [`FormOnly`] if its body must not be read as anything but a form: routes that do so have to refuse it. A body that
/// is signed is read before it is passed on, in one piece.
#[derive(Clone)]
pub struct Auth {
    keys: Arc<Keys>,
    schemes: Schemes,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    nonces: Arc<Mutex<Nonces>>,
    body: usize,
    scope: fn(&Method, &str) -> Scope,
}

impl Auth {
    /// Takes signatures of `pairs`, by both schemes, and the time from `clock`: whole seconds since the Unix epoch. It
    /// should be in step with the clocks of those who sign; ten minutes are given.
    ///
    /// # Errors
    /// [`KeyError`] if there is no pair at all, or two have the same key.
    pub fn new(
        pairs: impl IntoIterator<Item = KeyPair>,
        clock: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            keys: Arc::new(Keys::new(pairs)?),
            schemes: Schemes::default(),
            clock: Arc::new(clock),
            nonces: Arc::new(Mutex::new(Nonces::new(DEFAULT_NONCES))),
            body: Limits::default().body,
            scope: by_method,
        })
    }

    /// Takes signatures of these schemes only.
    #[must_use]
    pub fn schemes(self, schemes: Schemes) -> Self {
        Self { schemes, ..self }
    }

    /// Remembers `most` nonces of each key at once; more than that within ten minutes are answered 429, those of other keys
    /// are not. Default: [`DEFAULT_NONCES`].
    #[must_use]
    pub fn nonces(self, most: usize) -> Self {
        Self { nonces: Arc::new(Mutex::new(Nonces::new(most))), ..self }
    }

    /// Reads bodies of up to `bytes`; a longer one is answered 413. Default: that of [`Limits`].
    #[must_use]
    pub fn body(self, bytes: usize) -> Self {
        Self { body: bytes, ..self }
    }

    /// What a request needs, by its method and its path as the router that the layer is on sees it. Default: GET, HEAD
    /// and OPTIONS [`Scope::Read`], everything else [`Scope::Write`].
    #[must_use]
    pub fn scope(self, scope: fn(&Method, &str) -> Scope) -> Self {
        Self { scope, ..self }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("keys", &self.keys).field("schemes", &self.schemes).finish_non_exhaustive()
    }
}

/// The least that is asked of a method.
pub(crate) fn by_method(method: &Method, _path: &str) -> Scope {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) { Scope::Read } else { Scope::Write }
}

impl<S> Layer<S> for Auth {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated { auth: Arc::new(self.clone()), inner }
    }
}

/// What the service answers by.
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// A service behind [`Auth`].
#[derive(Debug, Clone)]
pub struct Authenticated<S> {
    auth: Arc<Auth>,
    inner: S,
}

impl<S> Service<Request> for Authenticated<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let auth = Arc::clone(&self.auth);
        // The one that said it was ready must be the one that is called; its clone has not said so.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            match check::check(&auth, request).await {
                Ok(request) => inner.call(request).await,
                Err(refusal) => Ok(refusal.into_response()),
            }
        })
    }
}
