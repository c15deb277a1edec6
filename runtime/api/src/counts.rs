//! What was asked and how it was answered, counted for whoever watches: by route, method and class of status, which are
//! few, and never by anything that a client can choose.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use pusher_core::{Distribution, Histogram};
use tower::{Layer, Service};

use crate::openapi;

/// How long answers take, in microseconds.
const TIME_BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 30_000_000,
];
/// Statuses from 100 to 599 by their first digit.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// What is said of requests that are none of the API's operations.
const OTHER: &str = "other";

/// Counts the API's requests. Clones count together: give one to [`router`](crate::router) through
/// [`Options`](crate::Options), keep one and [read](Self::read) it. A request counts when it is answered; one whose client
/// is gone before that does not.
#[derive(Debug, Clone)]
pub struct RequestCounts(Arc<Inner>);

/// The requests of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationCounts {
    /// The path of its route, as in `/pusher/{sender}/push`; `other` for what is no operation of the API.
    pub route: String,
    /// Its method; `other` for what is no operation.
    pub method: String,
    /// For each class of statuses (`2xx`), how many requests were answered so.
    pub answers: [(&'static str, u64); CLASSES.len()],
    /// How long the answers took, in microseconds: from the request's head until the answer began, refusals included.
    pub times: Distribution,
}

#[derive(Debug)]
struct Inner {
    /// Where each route's operations are counted.
    by_route: HashMap<String, Vec<(Method, usize)>>,
    /// The last one counts what is none of the others.
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    route: String,
    method: String,
    answers: [AtomicU64; CLASSES.len()],
    times: Histogram,
}

impl Operation {
    fn new(route: &str, method: &str) -> Self {
        let times = Histogram::new(&TIME_BOUNDS);
        Self { route: route.to_owned(), method: method.to_owned(), answers: Default::default(), times }
    }

    fn count(&self, status: StatusCode, begun: Instant) {
        if let Some(count) = self.answers.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            count.fetch_add(1, Relaxed);
        }
        self.times.count_time(begun.elapsed());
    }
}

impl Default for RequestCounts {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestCounts {
    /// Nothing counted yet; every operation of the API is there.
    #[must_use]
    pub fn new() -> Self {
        let (mut by_route, mut operations) = (HashMap::new(), Vec::new());
        for (route, item) in openapi().paths.paths {
            let of_route: &mut Vec<_> = by_route.entry(route.clone()).or_default();
            for (method, operation) in [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ] {
                if operation.is_some() {
                    operations.push(Operation::new(&route, method.as_str()));
                    of_route.push((method, operations.len() - 1));
                }
            }
        }
        operations.push(Operation::new(OTHER, OTHER));
        Self(Arc::new(Inner { by_route, operations }))
    }

    /// Every operation, those without requests too, by route.
    #[must_use]
    pub fn read(&self) -> Vec<OperationCounts> {
        let read = |operation: &Operation| OperationCounts {
            route: operation.route.clone(),
            method: operation.method.clone(),
            answers: std::array::from_fn(|n| (CLASSES[n], operation.answers[n].load(Relaxed))),
            times: operation.times.read(),
        };
        self.0.operations.iter().map(read).collect()
    }
}

impl Inner {
    /// Which operation a request is.
    fn operation(&self, request: &Request) -> usize {
        let route = request.extensions().get::<MatchedPath>().and_then(|path| self.route(path.as_str()));
        let methods = route.into_iter().flatten();
        let found = methods.into_iter().find(|(method, _)| method == request.method());
        found.map_or(self.operations.len() - 1, |(_, operation)| *operation)
    }

    /// A route, which may stand behind something that the server around the API put before it.
    fn route(&self, path: &str) -> Option<&Vec<(Method, usize)>> {
        let nested = || self.by_route.iter().find(|(route, _)| path.ends_with(route.as_str())).map(|(_, found)| found);
        self.by_route.get(path).or_else(nested)
    }
}

/// Counts what passes through it, if it has something to count with. A [`Layer`] written out, as
/// [`Guard`](crate::limits::Guard) is and for the same reason.
#[derive(Clone)]
pub(crate) struct Counter(pub(crate) Option<RequestCounts>);

impl<S> Layer<S> for Counter {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { counts: self.0.clone(), inner }
    }
}

/// What is behind a [`Counter`].
#[derive(Clone)]
pub(crate) struct Counted<S> {
    counts: Option<RequestCounts>,
    inner: S,
}

impl<S> Service<Request> for Counted<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let counts = self.counts.clone().map(|counts| Pending {
            operation: counts.0.operation(&request),
            counts,
            begun: Instant::now(),
        });
        Answering { counts, answer: self.inner.call(request) }
    }
}

/// A request that is being answered.
pub(crate) struct Answering<F> {
    counts: Option<Pending>,
    answer: F,
}

struct Pending {
    counts: RequestCounts,
    operation: usize,
    begun: Instant,
}

impl<F> Future for Answering<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = std::task::ready!(Pin::new(&mut self.answer).poll(cx));
        if let (Some(pending), Ok(response)) = (self.counts.take(), &answered) {
            pending.counts.0.operations[pending.operation].count(response.status(), pending.begun);
        }
        Poll::Ready(answered)
    }
}
