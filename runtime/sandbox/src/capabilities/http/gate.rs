//! The one way out of the sandbox, for both interfaces that senders make requests with: what may not go out is refused and
//! counted here, and what may is carried within the send's time.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use url::Url;

use super::inject::Injected;
use super::request::{self, Invalid};
use crate::counts::DenialCounts;
use crate::egress::{Lookups, judge_host};
use crate::manifest::{Manifest, Origin};
use crate::transport::{Request, Response, Transport, TransportError};

/// How long before the end of a send its requests end (a tenth of the send, if that is less), so that the sender can
/// still say what went wrong.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Where one sender may send requests to.
pub(crate) struct Grant {
    transport: Arc<dyn Transport>,
    allow: Vec<Origin>,
    private: bool,
    injected: Injected,
    lookups: Lookups,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allow, private, injected, .. } = self;
        let mut shown = f.debug_struct("Grant");
        shown.field("allow", allow).field("private", private).field("injected", injected).finish_non_exhaustive()
    }
}

impl Grant {
    pub(super) fn of(
        transport: &Arc<dyn Transport>,
        manifest: &Manifest,
        dir: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        Ok(Self {
            transport: Arc::clone(transport),
            allow: manifest.http.allow.clone(),
            private: manifest.http.private,
            injected: Injected::of(manifest, dir, env)?,
            lookups: Lookups::default(),
        })
    }

    /// Is the sender allowed to send requests there?
    fn judge(&self, url: &Url) -> Result<(), Problem> {
        if !self.allow.iter().any(|origin| origin.covers(url)) {
            return Err(Problem::NotAllowed(url.origin().ascii_serialization()));
        }
        match url.host() {
            Some(host) if !self.private => {
                judge_host(&host).map_err(|error| TransportError::Private(error.to_string()).into())
            }
            _ => Ok(()),
        }
    }
}

/// Why a request has no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// It is none.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Its origin, which this names, is not among the allowed ones.
    #[error("the manifest does not grant it: [http] allow = [{0:?}]")]
    NotAllowed(String),
    /// The address of its server is not public.
    #[error("{0}, which the manifest does not grant: [http] private = true")]
    Private(String),
    /// It was sent, or was about to be. Never [`TransportError::Private`].
    #[error(transparent)]
    Failed(TransportError),
}

impl From<TransportError> for Problem {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Private(reason) => Self::Private(reason),
            other => Self::Failed(other),
        }
    }
}

/// A request that may go out, with the host's headers on it.
pub(crate) struct Admitted(Request);

impl Admitted {
    /// Gives it a body.
    ///
    /// # Errors
    /// If that is too large.
    pub(crate) fn set_body(&mut self, body: Bytes) -> Result<(), Problem> {
        request::check_body(body.len())?;
        self.0.body = body;
        Ok(())
    }
}

/// The gate as one send finds it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    grant: Arc<Grant>,
    /// When every request must have ended.
    end: Instant,
    pub(super) denials: Arc<DenialCounts>,
    /// The status of the last response; 0: there was none.
    status: Arc<AtomicU16>,
}

impl Gate {
    pub(super) fn new(grant: &Arc<Grant>, deadline: Instant, denials: &Arc<DenialCounts>) -> Self {
        let left = deadline.saturating_duration_since(Instant::now());
        Self {
            grant: Arc::clone(grant),
            end: deadline - LAST_WORDS.min(left / 10),
            denials: Arc::clone(denials),
            status: Arc::default(),
        }
    }

    /// When every request must have ended.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    /// Lets a request out, as yet without a body, or refuses it.
    ///
    /// # Errors
    /// If it is none, or not granted.
    pub(crate) fn admit<'a>(
        &self,
        method: &str,
        url: &str,
        headers: impl ExactSizeIterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<Admitted, Problem> {
        let mut request = request::check(method, url, headers)?;
        self.grant.judge(&request.url).map_err(|problem| self.counted(problem))?;
        self.grant.injected.apply(&mut request);
        Ok(Admitted(request))
    }

    /// Sends a request and waits for the whole response: for `timeout`, and never past the end of the send.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn carry(&self, request: Admitted, timeout: Option<Duration>) -> Result<Response, Problem> {
        let left = self.end.saturating_duration_since(Instant::now());
        let timeout = timeout.map_or(left, |timeout| left.min(timeout));
        let Grant { transport, private, lookups, .. } = &*self.grant;
        let exchange = lookups.scope(transport.exchange(request.0, *private));
        let answer = tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(TransportError::Timeout));
        if let Ok(response) = &answer {
            self.status.store(response.status.as_u16(), Relaxed);
        }
        answer.map_err(|error| self.counted(error.into()))
    }

    /// The status of the last response of this send.
    pub(crate) fn status(&self) -> Option<u16> {
        Some(self.status.load(Relaxed)).filter(|status| *status != 0)
    }

    /// Counts what was denied.
    fn counted(&self, problem: Problem) -> Problem {
        if let Problem::NotAllowed(_) | Problem::Private(_) = problem {
            self.denials.http.fetch_add(1, Relaxed);
        }
        problem
    }
}
