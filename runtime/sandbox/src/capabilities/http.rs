//! The http capability: requests to the origins in `[http] allow`, over connections that all senders share.

mod gate;
mod inject;
mod request;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::http;
use crate::counts::DenialCounts;
use crate::manifest::Manifest;
use crate::state::State;
use crate::transport::{Response, Transport, TransportError};

pub(crate) use gate::{Admitted, Gate, Grant, Problem};
pub(crate) use request::{Invalid, MAX_HEADER_BYTES, MAX_REQUEST};

use http::Error;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    http::add_to_linker::<State, HasSelf<Host>>(linker, |state| &mut state.http)
}

pub(super) fn configure(
    transport: &Arc<dyn Transport>,
    manifest: &Manifest,
    dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Arc<Grant>, String> {
    Grant::of(transport, manifest, dir, env).map(Arc::new)
}

/// The host's side for one message.
pub(crate) struct Host {
    pub(super) gate: Gate,
}

impl Host {
    /// The status of the last response of this send, whichever interface it was asked through.
    pub(crate) fn status(&self) -> Option<u16> {
        self.gate.status()
    }
}

pub(super) fn prepare(grant: &Arc<Grant>, deadline: Instant, denials: &Arc<DenialCounts>) -> Host {
    Host { gate: Gate::new(grant, deadline, denials) }
}

impl http::Host for Host {
    async fn send(&mut self, request: http::Request) -> Result<http::Response, Error> {
        let http::Request { method, url, headers, body, timeout } = request;
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let mut admitted = self.gate.admit(&method, &url, headers)?;
        admitted.set_body(body.into())?;
        let timeout = timeout.map(|millis| Duration::from_millis(millis.into()));
        Ok(to_guest(self.gate.carry(admitted, timeout).await?))
    }
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
impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let text = problem.to_string();
        match problem {
            Problem::NotAllowed(_) | Problem::Private(_) => Self::Denied(text),
            Problem::Invalid(Invalid::Body) => Self::TooLarge(text),
            Problem::Invalid(_) => Self::Invalid(text),
            Problem::Failed(error) => match error {
                TransportError::Timeout => Self::Timeout,
                TransportError::Connect(reason) => Self::Connect(reason),
                TransportError::TooLarge(reason) => Self::TooLarge(reason),
                TransportError::Private(reason) | TransportError::Other(reason) => Self::Other(reason),
            },
        }
    }
}
