//! Sends a call, and again where that is safe and may help.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode, redirect};
use url::Url;

use crate::call::Call;
use crate::credentials::Credentials;
use crate::error::ClientError;

/// The longest wait between two tries that the client chooses itself.
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// The longest wait that a server may ask for. One that asks for more is not asked again: whoever called can wait better
/// than a call can.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How patient a client is, and whom it speaks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Longest time for one try, from the first byte sent to the last received. Default: 35 s, a little more than the
    /// server gives itself.
    pub timeout: Duration,
    /// Longest time to connect. Default: 5 s.
    pub connect_timeout: Duration,
    /// How often a call is tried again after the first try. Default: 3. A 429, a 503 and a connection that cannot be made
    /// are tried again for every call; a connection that breaks, a try that takes too long and a 504 only for calls that
    /// may be done twice, which are all but a push and a pushall without an idempotency key. A push that was answered 503 may have been taken: the second one
    /// is the same job by its name and, as long as that waits or runs, goes out once.
    pub retries: u32,
    /// The wait before the second try; it doubles with each, up to 10 s, and varies by half. A server that names a time
    /// (`Retry-After`, in seconds) is given at least that; one that names more than 60 s is not asked again. Default:
    /// 100 ms.
    pub backoff: Duration,
    /// Whom the requests are from. Default: nobody, for a server without keys.
    pub credentials: Option<Credentials>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(35),
            connect_timeout: Duration::from_secs(5),
            retries: 3,
            backoff: Duration::from_millis(100),
            credentials: None,
        }
    }
}

/// The connections to one server. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
    retries: u32,
    backoff: Duration,
    credentials: Option<Arc<Credentials>>,
}

/// Why a try failed, and when the server would like the next.
struct Failure {
    error: ClientError,
    retry_after: Duration,
}

impl Transport {
    pub(crate) fn new(base: Url, options: Options) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .timeout(options.timeout)
            .connect_timeout(options.connect_timeout)
            // The server sends none, and a proxy is for the one who starts the program to choose, not the environment.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(ClientError::Unreachable)?;
        let credentials = options.credentials.map(Arc::new);
        Ok(Self { http, base, retries: options.retries, backoff: options.backoff, credentials })
    }

    /// The body of the answer, once the server says that the call was done.
    pub(crate) async fn send(&self, call: &Call) -> Result<Bytes, ClientError> {
        self.answer(call, &[StatusCode::OK]).await.map(|(_, body)| body)
    }

    /// The answer, once it is one of these.
    pub(crate) async fn answer(&self, call: &Call, wanted: &[StatusCode]) -> Result<(StatusCode, Bytes), ClientError> {
        let mut tries = 0;
        loop {
            let Failure { error, retry_after } = match self.once(call, wanted).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if tries == self.retries || retry_after > MAX_RETRY_AFTER || !may_repeat(call, &error) {
                return Err(error);
            }
            let wait = self.wait(tries).max(retry_after);
            tries += 1;
            tracing::debug!(tries, wait = wait.as_secs_f32(), error = error.to_string(), "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, call: &Call, wanted: &[StatusCode]) -> Result<(StatusCode, Bytes), Failure> {
        let unreachable = |error: reqwest::Error| Failure::from(ClientError::Unreachable(error.without_url()));
        let response =
            self.http.execute(call.request(&self.base, self.credentials.as_deref())?).await.map_err(unreachable)?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        let body = response.bytes().await.map_err(unreachable)?;
        if wanted.contains(&status) {
            Ok((status, body))
        } else {
            Err(Failure { error: ClientError::from_answer(status, &body), retry_after })
        }
    }

    /// How long to wait after so many tries: twice as long each time, give or take half, so that clients that failed
    /// together do not come back together.
    fn wait(&self, tries: u32) -> Duration {
        let chance = getrandom::u32().map_or(0.5, |n| f64::from(n) / f64::from(u32::MAX));
        let wait = self.backoff.saturating_mul(2_u32.saturating_pow(tries)).min(MAX_BACKOFF);
        wait.mul_f64(0.5 + chance)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { error, retry_after: Duration::ZERO }
    }
}

fn may_repeat(call: &Call, error: &ClientError) -> bool {
    match error {
        ClientError::Unavailable(_) | ClientError::TooBusy(_) => true,
        ClientError::Unreachable(error) => call.is_idempotent() || error.is_connect(),
        ClientError::TooLate(_) => call.is_idempotent(),
        // The same request is still being served, most likely our own whose answer was lost.
        ClientError::Refused { status: 409, .. } => call.has_key(),
        _ => false,
    }
}

fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}
