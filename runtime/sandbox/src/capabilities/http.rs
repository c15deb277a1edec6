//! The http capability: requests to the origins in `[http] allow`, over connections that all senders share.

mod request;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::time::Instant;
use url::Url;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::http;
use crate::counts::DenialCounts;
use crate::egress::{Lookup, Lookups, Private, Resolver, judge_host};
use crate::manifest::{Http as Section, Origin};
use crate::state::State;

use http::Error;

/// Largest body of a request, in bytes.
const MAX_REQUEST: usize = 1 << 20;
/// Largest body of a response, in bytes.
const MAX_RESPONSE: usize = 256 << 10;
/// How long before the end of a send its requests end (a tenth of the send, if that is less), so that the sender can
/// still say what went wrong.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// The connections. There are two pools, so that a sender which may not reach private addresses cannot find a
/// connection to one that another sender has opened.
#[derive(Debug)]
pub(crate) struct Clients {
    public: Client,
    private: Client,
}

impl Clients {
    /// Makes both pools, for names that `lookup` knows.
    pub(crate) fn new(connect_timeout: Duration, lookup: &Arc<Lookup>) -> Result<Self, reqwest::Error> {
        let client = |resolver| {
            Client::builder()
                .connect_timeout(connect_timeout)
                // Either could lead to another origin than the one that was checked.
                .redirect(Policy::none())
                .no_proxy()
                .dns_resolver(Arc::new(resolver))
                .build()
        };
        Ok(Self {
            public: client(Resolver::public(Arc::clone(lookup)))?,
            private: client(Resolver::private(Arc::clone(lookup)))?,
        })
    }
}

/// Where one sender may send requests to.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    client: Client,
    allow: Arc<[Origin]>,
    private: bool,
    lookups: Lookups,
}

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    http::add_to_linker::<State, HasSelf<Host>>(linker, |state| &mut state.http)
}

pub(super) fn configure(clients: &Clients, section: &Section) -> Grant {
    let client = if section.private { &clients.private } else { &clients.public };
    Grant {
        client: client.clone(),
        allow: section.allow.as_slice().into(),
        private: section.private,
        lookups: Lookups::default(),
    }
}

/// The host's side for one send.
pub(crate) struct Host {
    grant: Grant,
    /// When every request must have ended.
    end: Instant,
    denials: Arc<DenialCounts>,
}

pub(super) fn prepare(grant: &Grant, deadline: Instant, denials: &Arc<DenialCounts>) -> Host {
    let left = deadline.saturating_duration_since(Instant::now());
    Host { grant: grant.clone(), end: deadline - LAST_WORDS.min(left / 10), denials: Arc::clone(denials) }
}

impl http::Host for Host {
    async fn send(&mut self, request: http::Request) -> Result<http::Response, Error> {
        let answer = self.exchange(request).await;
        if let Err(Error::Denied(_)) = &answer {
            self.denials.http.fetch_add(1, Relaxed);
        }
        answer
    }
}

impl Host {
    async fn exchange(&self, request: http::Request) -> Result<http::Response, Error> {
        let own_timeout = request.timeout;
        let request = request::check(request)?;
        self.grant.judge(request.url())?;
        let left = self.end.saturating_duration_since(Instant::now());
        let timeout = own_timeout.map_or(left, |millis| left.min(Duration::from_millis(millis.into())));
        let exchange = async { receive(self.grant.client.execute(request).await.map_err(explain)?).await };
        tokio::time::timeout(timeout, self.grant.lookups.scope(exchange)).await.unwrap_or(Err(Error::Timeout))
    }
}

impl Grant {
    /// Is the sender allowed to send requests there?
    fn judge(&self, url: &Url) -> Result<(), Error> {
        if !self.allow.iter().any(|origin| origin.covers(url)) {
            let origin = url.origin().ascii_serialization();
            return Err(Error::Denied(format!("the manifest does not grant it: [http] allow = [{origin:?}]")));
        }
        match url.host() {
            Some(host) if !self.private => judge_host(&host).map_err(|error| denied(&error)),
            _ => Ok(()),
        }
    }
}

fn denied(error: &Private) -> Error {
    Error::Denied(format!("{error}, which the manifest does not grant: [http] private = true"))
}

/// Takes the whole response, unless it is too large.
async fn receive(mut response: Response) -> Result<http::Response, Error> {
    let too_large = || Error::TooLarge(format!("the response is larger than {MAX_RESPONSE} bytes"));
    if response.content_length().is_some_and(|length| length > MAX_RESPONSE as u64) {
        return Err(too_large());
    }
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(explain)? {
        if body.len() + chunk.len() > MAX_RESPONSE {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(http::Response { status, headers, body })
}

/// Says what went wrong, in the words of the contract. URLs are left out: they may hold tokens.
#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn explain(error: reqwest::Error) -> Error {
    let causes = || std::iter::successors(error.source(), |&cause| cause.source());
    if let Some(private) = causes().find_map(|cause| cause.downcast_ref::<Private>()) {
        return denied(private);
    }
    // The innermost cause says most: "Connection refused", where the outer ones say "error sending request".
    let why = causes().last().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    if error.is_connect() {
        Error::Connect(why)
    } else if error.is_timeout() {
        Error::Timeout
    } else {
        Error::Other(why)
    }
}
