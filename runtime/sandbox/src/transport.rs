//! What carries a sender's request to its server and the response back, behind the checks: a request that gets here is
//! well-formed, and the manifest allows its origin. [`Network`] is the one that workers use; a tool can put another in its
//! place, to record what is said or to answer from a recording.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
pub(crate) use http::header::CONTENT_LENGTH;
use http::header::{CONNECTION, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::header::{TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::egress::{Lookup, Private, Resolver, system_lookup};

/// Largest body of a response, in bytes.
pub(crate) const MAX_RESPONSE: usize = 256 << 10;
/// Headers that are about the connection: the transport's to set, and nobody else's.
pub(crate) const RESERVED: [HeaderName; 13] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A request that passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Anything but `CONNECT`.
    pub method: Method,
    /// `http` or `https`, without a user or password, of an origin that the manifest allows.
    pub url: Url,
    /// The sender's headers, and those that the host sets (`[http.headers]`), which the sender must not learn; those about
    /// the connection are the transport's to set.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
}

/// A whole response, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, not decompressed.
    pub body: Bytes,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The name leads to an address that only `[http] private = true` grants.
    #[error("{0}")]
    Private(String),
    /// Time was up.
    #[error("timeout")]
    Timeout,
    /// No connection; nothing was sent.
    #[error("no connection: {0}")]
    Connect(String),
    /// The response is larger than 256 KiB.
    #[error("{0}")]
    TooLarge(String),
    /// Anything else. The server may have seen the request.
    #[error("{0}")]
    Other(String),
}

/// Carries requests. Dropping the future ends the exchange, which is what happens when time is up.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends the request and waits for the whole response. Only with `private` may it go to an address that is not public,
    /// once the name is resolved; an address that stands in the URL was judged before.
    ///
    /// # Errors
    /// [`TransportError`], which the sender is told. It must not name the URL, which may hold a token.
    async fn exchange(&self, request: Request, private: bool) -> Result<Response, TransportError>;
}

/// Real connections. There are two pools, so that a sender which may not reach private addresses cannot find a connection
/// to one that another sender has opened.
#[derive(Debug)]
pub struct Network {
    public: Client,
    private: Client,
}

impl Network {
    /// Makes both pools. A connection may take `connect_timeout` to come about.
    ///
    /// # Errors
    /// A sentence, if the TLS library cannot be set up.
    pub fn new(connect_timeout: Duration) -> Result<Self, String> {
        Self::with_lookup(connect_timeout, &system_lookup())
    }

    /// The same, for names that `lookup` knows.
    pub(crate) fn with_lookup(connect_timeout: Duration, lookup: &Arc<Lookup>) -> Result<Self, String> {
        let client = |resolver| {
            let builder = Client::builder()
                .connect_timeout(connect_timeout)
                // Either could lead to another origin than the one that was checked.
                .redirect(Policy::none())
                .no_proxy()
                .dns_resolver(Arc::new(resolver));
            builder.build().map_err(|error| error.to_string())
        };
        Ok(Self {
            public: client(Resolver::public(Arc::clone(lookup)))?,
            private: client(Resolver::private(Arc::clone(lookup)))?,
        })
    }
}

#[async_trait]
impl Transport for Network {
    async fn exchange(&self, request: Request, private: bool) -> Result<Response, TransportError> {
        let Request { method, url, headers, body } = request;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        let client = if private { &self.private } else { &self.public };
        receive(client.execute(request).await.map_err(explain)?).await
    }
}

/// Takes the whole response, unless it is too large.
async fn receive(mut response: reqwest::Response) -> Result<Response, TransportError> {
    let too_large = || TransportError::TooLarge(format!("the response is larger than {MAX_RESPONSE} bytes"));
    if response.content_length().is_some_and(|length| length > MAX_RESPONSE as u64) {
        return Err(too_large());
    }
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(explain)? {
        if body.len() + chunk.len() > MAX_RESPONSE {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body: body.into() })
}

/// Says what went wrong. URLs are left out: they may hold tokens.
#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn explain(error: reqwest::Error) -> TransportError {
    let causes = || std::iter::successors(error.source(), |&cause| cause.source());
    if let Some(private) = causes().find_map(|cause| cause.downcast_ref::<Private>()) {
        return TransportError::Private(private.to_string());
    }
    // The innermost cause says most: "Connection refused", where the outer ones say "error sending request".
    let why = causes().last().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    if error.is_connect() {
        TransportError::Connect(why)
    } else if error.is_timeout() {
        TransportError::Timeout
    } else {
        TransportError::Other(why)
    }
}
