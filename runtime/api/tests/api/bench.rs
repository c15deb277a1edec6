//! A router over a real service, with a store and a queue in memory that can be told to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, Request};
use pusher_api::Options;
use pusher_core::{
    Applied, Cursor, DeliveryLog, JobKey, NewJob, Prefix, Pusher, PusherChange, PusherId, PusherList, Queue,
    QueueError, Scope, Service, StoreError, Storer,
};
use tower::ServiceExt;

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A router, and a look behind it.
pub(crate) struct Bench {
    pub(crate) router: Router,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) queue: Arc<MemoryQueue>,
}

/// What a test looks at in an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: impl axum::http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE).unwrap_or_default()
    }

    pub(crate) fn allow(&self) -> Option<&str> {
        self.header(ALLOW)
    }

    pub(crate) fn retry_after(&self) -> Option<&str> {
        self.header(RETRY_AFTER)
    }

    /// The sentence of an `{"err": …}`, if it is one.
    pub(crate) fn sentence(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        Some(body.get("err")?.as_str()?.to_owned())
    }
}

/// What `router` answers.
pub(crate) async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(body.into()).unwrap() }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_options(Options::default())
    }

    pub(crate) fn with_options(options: impl Into<Options>) -> Self {
        let (store, queue) = (Arc::new(MemoryStore::default()), Arc::new(MemoryQueue::default()));
        let service = Service::new(store.clone(), queue.clone(), Prefix::default());
        Self { router: pusher_api::router(service, options), store, queue }
    }

    /// One that keeps deliveries in `log`.
    pub(crate) fn with_log(log: Arc<dyn DeliveryLog>, options: impl Into<Options>) -> Self {
        let (store, queue) = (Arc::new(MemoryStore::default()), Arc::new(MemoryQueue::default()));
        let service = Service::new(store.clone(), queue.clone(), Prefix::default()).with_deliveries(log);
        Self { router: pusher_api::router(service, options), store, queue }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.router, request).await
    }

    /// POSTs `body`; an empty content type is none.
    pub(crate) async fn post(&self, target: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::post(target);
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// POSTs `body` as JSON.
    pub(crate) async fn post_json(&self, target: &str, body: &serde_json::Value) -> Answer {
        self.post(target, "application/json", body.to_string()).await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target).body(Body::empty()).unwrap()).await
    }

    /// Creates lupino, with the sender `sample` on.
    pub(crate) async fn with_lupino(self) -> Self {
        assert_eq!(self.post("/pusher/pushers/", FORM, "pusher=lupino").await.status, 200);
        assert_eq!(self.post("/pusher/sample/add", FORM, "pusher=lupino").await.status, 200);
        self
    }

    /// All that is stored and submitted.
    pub(crate) fn state(&self) -> (BTreeMap<PusherId, Pusher>, Vec<NewJob>) {
        (self.store.pushers.lock().unwrap().clone(), self.queue.jobs.lock().unwrap().clone())
    }
}

#[derive(Default)]
pub(crate) struct MemoryStore {
    pub(crate) pushers: Mutex<BTreeMap<PusherId, Pusher>>,
    /// Answer every call with this.
    pub(crate) failure: Mutex<Option<StoreError>>,
    /// So many more changes fit in; after that it is full.
    pub(crate) room: Mutex<Option<usize>>,
    /// Take this long for every call.
    pub(crate) delay: Mutex<Duration>,
}

impl MemoryStore {
    async fn ready(&self) -> Result<(), StoreError> {
        let delay = *self.delay.lock().unwrap();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.failure.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Storer for MemoryStore {
    async fn apply(&self, changes: Vec<PusherChange>) -> Vec<Result<Applied, StoreError>> {
        if let Err(error) = self.ready().await {
            return changes.iter().map(|_| Err(error.clone())).collect();
        }
        let mut pushers = self.pushers.lock().unwrap();
        let mut room = self.room.lock().unwrap();
        let apply = |PusherChange { id, change }| {
            match &mut *room {
                Some(0) => return Err(StoreError::Full("no page left".into())),
                Some(room) => *room -= 1,
                None => {}
            }
            let (after, applied) = change.apply(&id, pushers.get(&id));
            match after {
                Some(after) => pushers.insert(id, after),
                None => pushers.remove(&id),
            };
            Ok(applied)
        };
        changes.into_iter().map(apply).collect()
    }

    async fn get(&self, ids: &[PusherId]) -> Result<Vec<Option<Pusher>>, StoreError> {
        self.ready().await?;
        let pushers = self.pushers.lock().unwrap();
        Ok(ids.iter().map(|id| pushers.get(id).cloned()).collect())
    }

    async fn list(&self, from: u64, size: usize) -> Result<PusherList, StoreError> {
        self.ready().await?;
        let mut all: Vec<Pusher> = self.pushers.lock().unwrap().values().cloned().collect();
        all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        let total = all.len() as u64;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(PusherList { total, pushers: all.into_iter().skip(from).take(size).collect() })
    }

    async fn list_after(&self, after: Option<&Cursor>, size: usize) -> Result<PusherList, StoreError> {
        let PusherList { total, pushers } = self.list(0, usize::MAX).await?;
        let place = |p: &Pusher| (p.created_at, p.id.clone());
        let is_behind = |p: &Pusher| after.is_none_or(|after| place(p) < (after.created_at, after.id.clone()));
        Ok(PusherList { total, pushers: pushers.into_iter().filter(is_behind).take(size).collect() })
    }

    async fn page(&self, scope: &Scope, after: Option<&PusherId>, size: usize) -> Result<Vec<PusherId>, StoreError> {
        let pushers = self.pushers.lock().unwrap();
        let is_in = |pusher: &&Pusher| match scope {
            Scope::Sender(sender) => pusher.senders.contains(sender),
            Scope::Tag(tag) => pusher.tags.contains(tag),
        };
        let all = pushers.values().filter(is_in).filter(|pusher| after.is_none_or(|after| pusher.id > *after));
        Ok(all.map(|pusher| pusher.id.clone()).take(size).collect())
    }
}

#[derive(Default)]
pub(crate) struct MemoryQueue {
    pub(crate) jobs: Mutex<Vec<NewJob>>,
    /// Answer every call with this.
    pub(crate) failure: Mutex<Option<QueueError>>,
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn submit(&self, jobs: Vec<NewJob>) -> Vec<Result<(), QueueError>> {
        if let Some(error) = self.failure.lock().unwrap().clone() {
            return jobs.iter().map(|_| Err(error.clone())).collect();
        }
        let mut waiting = self.jobs.lock().unwrap();
        let submit = |job: NewJob| {
            waiting.retain(|other| other.key != job.key);
            waiting.push(job);
            Ok(())
        };
        jobs.into_iter().map(submit).collect()
    }

    async fn remove(&self, keys: Vec<JobKey>) -> Vec<Result<(), QueueError>> {
        if let Some(error) = self.failure.lock().unwrap().clone() {
            return keys.iter().map(|_| Err(error.clone())).collect();
        }
        let mut waiting = self.jobs.lock().unwrap();
        waiting.retain(|job| !keys.contains(&job.key));
        keys.iter().map(|_| Ok(())).collect()
    }
}
