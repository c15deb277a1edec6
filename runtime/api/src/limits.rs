//! What one request, and all requests together, may take.

use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use tower::{Layer, Service};

use crate::deadline::{Bounded, Deadlines, TooLate};
use crate::error::ApiError;
use crate::gate::Gate;

/// Longest target (path and query, as sent) in bytes; a longer one is answered 414. 8 KiB is what proxies let through.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// How much of a body that is too long is read and thrown away before the 413, so that a client that writes all before
/// it reads gets to see it. 16 MiB: any honest mistake; beyond that the connection is cut.
const DRAIN: usize = 16 * 1024 * 1024;

/// What one request, and all requests together, may take. The bodies being read take at most `body` × `concurrent` +
/// `bulk_body` × `bulk_concurrent` bytes of memory.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest body in bytes; a longer one is answered 413. Default: 2 MiB.
    pub body: usize,
    /// Longest time from the request's head to its answer, the reading of its body included; after that it is answered
    /// 504, and whether it was done is not known. Default: 30 s.
    pub timeout: Duration,
    /// Most requests served at once; one more is answered 429 with `Retry-After`. Default: 1024, because pushes that
    /// wait together share a commit.
    pub concurrent: usize,
    /// Longest body of a bulk request in bytes; a longer one is answered 413. None of its lines may be longer than
    /// `body`. Default: 16 MiB.
    pub bulk_body: usize,
    /// Most lines in a bulk request, not counting empty ones; more are answered 413. Default: 10,000, which keep the
    /// store's writer from others for about a tenth of a second.
    pub bulk_lines: usize,
    /// Most bulk requests served at once; one more is answered 429 with `Retry-After`. Default: 8, because they are
    /// carried out one after another.
    pub bulk_concurrent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 2 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            concurrent: 1024,
            bulk_body: 16 * 1024 * 1024,
            bulk_lines: 10_000,
            bulk_concurrent: 8,
        }
    }
}

impl Limits {
    /// What a bulk request may take.
    pub(crate) fn of_bulk(&self) -> Self {
        Self { body: self.bulk_body, concurrent: self.bulk_concurrent, ..self.clone() }
    }
}

/// Puts the limits before each route. A [`Layer`] written out, because middleware made from a function costs as much as
/// all else that is done for a small request.
#[derive(Clone)]
pub(crate) struct Guard {
    gate: Gate,
    body: usize,
    deadlines: Deadlines,
}

impl Guard {
    pub(crate) fn new(gate: Gate, limits: &Limits) -> Self {
        Self { gate, body: limits.body, deadlines: Deadlines::new(limits.timeout) }
    }

    /// Serves `request` by `inner`, if there is room for it, and not for longer than the time it has.
    fn serve<S>(&self, inner: &mut S, request: Request) -> Guarding<S::Future>
    where
        S: Service<Request, Response = Response, Error = Infallible>,
        S::Future: Unpin,
    {
        let permit = match self.gate.enter() {
            Ok(permit) => permit,
            Err(refusal) => return Guarding::refused(refusal),
        };
        if target_length(request.uri()) > MAX_TARGET_BYTES {
            return Guarding::refused(ApiError::target_too_long(MAX_TARGET_BYTES));
        }
        let (timeout, limit) = (self.deadlines.limit(), self.body);
        if declared_length(request.headers()).is_some_and(|length| length > limit) {
            return Guarding::Refused(Box::pin(async move {
                let _permit = permit;
                if !request.headers().contains_key(EXPECT) {
                    _ = tokio::time::timeout(timeout, drain(&mut request.into_body())).await;
                }
                ApiError::too_large(limit).into_response()
            }));
        }
        Guarding::Served { served: self.deadlines.bound(inner.call(request)), _permit: permit }
    }
}

/// A request that is being served, or was refused.
pub(crate) enum Guarding<F> {
    Refused(Pin<Box<dyn Future<Output = Response> + Send>>),
    Served { served: Bounded<F>, _permit: OwnedSemaphorePermit },
}

impl<F> Guarding<F> {
    fn refused(refusal: ApiError) -> Self {
        Self::Refused(Box::pin(ready(refusal.into_response())))
    }
}

impl<F> Future for Guarding<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Refused(refusal) => refusal.as_mut().poll(cx).map(Ok),
            Self::Served { served, .. } => {
                let limit = served.limit();
                Pin::new(served)
                    .poll(cx)
                    .map(|answer| answer.unwrap_or_else(|TooLate| Ok(ApiError::too_late(limit).into_response())))
            }
        }
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

/// A route behind its [`Guard`].
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Guarding<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.guard.serve(&mut self.inner, request)
    }
}

fn target_length(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |target| target.as_str().len())
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body, if it is not longer than `limit` bytes. One that came in one piece is not copied.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut chunks = Chunks::new(body, limit);
    let first = chunks.next().await?.unwrap_or_default();
    let Some(second) = chunks.next().await? else { return Ok(first) };
    let expected = usize::try_from(chunks.body.size_hint().lower()).unwrap_or(limit);
    let mut whole = BytesMut::with_capacity((first.len() + second.len()).saturating_add(expected).min(limit));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = chunks.next().await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// A body that is read piece by piece, as long as it keeps within its limit.
pub(crate) struct Chunks {
    body: Body,
    limit: usize,
    left: usize,
}

impl Chunks {
    pub(crate) fn new(body: Body, limit: usize) -> Self {
        Self { body, limit, left: limit }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let Some(chunk) = next_chunk(&mut self.body).await? else { return Ok(None) };
        match self.left.checked_sub(chunk.len()) {
            Some(left) => {
                self.left = left;
                Ok(Some(chunk))
            }
            None => {
                drain(&mut self.body).await;
                Err(ApiError::too_large(self.limit))
            }
        }
    }

    /// Throws the rest away, so that the client gets to see its refusal.
    pub(crate) async fn drain(mut self) {
        drain(&mut self.body).await;
    }
}

async fn drain(body: &mut Body) {
    let mut left = DRAIN;
    while let Ok(Some(chunk)) = next_chunk(body).await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    loop {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            None => return Ok(None),
            Some(Err(error)) => return Err(ApiError::bad_request(format!("the body could not be read: {error}"))),
            // Trailers are not data: they are passed over.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
