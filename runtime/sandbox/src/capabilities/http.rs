//! The http capability: requests to the origins in `[http] allow`, over connections that all senders share.

mod request;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::http;
use crate::counts::DenialCounts;
use crate::egress::{Lookups, judge_host};
use crate::manifest::{Http as Section, Origin};
use crate::state::State;
use crate::transport::{Response, Transport, TransportError};

use http::Error;

/// Largest body of a request, in bytes.
const MAX_REQUEST: usize = 1 << 20;
/// How long before the end of a send its requests end (a tenth of the send, if that is less), so that the sender can
/// still say what went wrong.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Where one sender may send requests to.
#[derive(Clone)]
pub(crate) struct Grant {
    transport: Arc<dyn Transport>,
    allow: Arc<[Origin]>,
    private: bool,
    lookups: Lookups,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("allow", &self.allow).field("private", &self.private).finish_non_exhaustive()
    }
}

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    http::add_to_linker::<State, HasSelf<Host>>(linker, |state| &mut state.http)
}

pub(super) fn configure(transport: &Arc<dyn Transport>, section: &Section) -> Grant {
    Grant {
        transport: Arc::clone(transport),
        allow: section.allow.as_slice().into(),
        private: section.private,
        lookups: Lookups::default(),
    }
}

/// The host's side for one message.
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
        self.grant.judge(&request.url)?;
        let left = self.end.saturating_duration_since(Instant::now());
        let timeout = own_timeout.map_or(left, |millis| left.min(Duration::from_millis(millis.into())));
        let exchange = self.grant.lookups.scope(self.grant.transport.exchange(request, self.grant.private));
        let answer = tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(TransportError::Timeout));
        answer.map(to_guest).map_err(explain)
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

fn denied(reason: &dyn fmt::Display) -> Error {
    Error::Denied(format!("{reason}, which the manifest does not grant: [http] private = true"))
}

fn to_guest(response: Response) -> http::Response {
    let headers = response
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    http::Response { status: response.status.as_u16(), headers, body: response.body.into() }
}

/// What went wrong, in the words of the contract.
fn explain(error: TransportError) -> Error {
    match error {
        TransportError::Private(reason) => denied(&reason),
        TransportError::Timeout => Error::Timeout,
        TransportError::Connect(reason) => Error::Connect(reason),
        TransportError::TooLarge(reason) => Error::TooLarge(reason),
        TransportError::Other(reason) => Error::Other(reason),
    }
}
