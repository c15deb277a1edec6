//! A provider with bad days: slow, refusing, out of order, and closing connections in the middle of its answer. It keeps
//! what it took, which is what it answered 200 to the end.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::soak::Random;

/// A message, by whom it is for and what it says.
pub(super) type Sent = (String, String);

/// What it does instead of answering 200, of a thousand requests each.
const MOODS: [(Mood, usize); 5] =
    [(Mood::Error, 40), (Mood::Limit, 30), (Mood::Close, 25), (Mood::Slow, 30), (Mood::Refuse, 10)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mood {
    /// 500.
    Error,
    /// 429, with `Retry-After`.
    Limit,
    /// The connection ends before the answer does.
    Close,
    /// 200, after a while.
    Slow,
    /// 410: it will never be taken.
    Refuse,
}

#[derive(Default)]
struct Record {
    taken: HashMap<Sent, usize>,
    refused: HashSet<Sent>,
    moods: HashMap<Mood, usize>,
}

struct Inner {
    record: Mutex<Record>,
    /// `None`: it behaves.
    random: Mutex<Option<Random>>,
}

/// The provider; stops when it is dropped.
pub(super) struct Provider {
    address: SocketAddr,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Provider {
    pub(super) async fn start(seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner { record: Mutex::default(), random: Mutex::new(Some(Random::new(seed))) });
        let router = Router::new().route("/pushed", post(take)).with_state(inner.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("provider: {error}");
            }
        });
        Ok(Self { address, inner, server })
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// No more bad days.
    pub(super) fn behave(&self) {
        *lock(&self.inner.random) = None;
    }

    /// What it took, and how often.
    pub(super) fn taken(&self) -> HashMap<Sent, usize> {
        lock(&self.inner.record).taken.clone()
    }

    /// What it will never take.
    pub(super) fn refused(&self) -> HashSet<Sent> {
        lock(&self.inner.record).refused.clone()
    }

    /// How often it was in each of its moods.
    pub(super) fn moods(&self) -> Vec<(Mood, usize)> {
        let record = lock(&self.inner.record);
        MOODS.map(|(mood, _)| (mood, record.moods.get(&mood).copied().unwrap_or_default())).into()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What it is in the mood for, and for how long it thinks.
fn mood(random: &mut Random) -> (Option<Mood>, Duration) {
    let mut at = random.below(1000);
    let time = random.millis(100, 800);
    for (mood, share) in MOODS {
        match at.checked_sub(share) {
            None => return (Some(mood), time),
            Some(rest) => at = rest,
        }
    }
    (None, time)
}

async fn take(State(inner): State<Arc<Inner>>, body: String) -> Response {
    let mut fields: HashMap<_, _> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let (Some(pusher), Some(data)) = (fields.remove("pusher"), fields.remove("data")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let sent = (pusher, data);
    let (mood, time) = lock(&inner.random).as_mut().map_or((None, Duration::ZERO), mood);
    if mood == Some(Mood::Slow) {
        sleep(time).await;
    }
    let mut record = lock(&inner.record);
    if let Some(mood) = mood {
        *record.moods.entry(mood).or_default() += 1;
    }
    match mood {
        Some(Mood::Error) => (StatusCode::INTERNAL_SERVER_ERROR, "a bad day").into_response(),
        Some(Mood::Limit) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "").into_response(),
        Some(Mood::Close) => {
            let parts = [Ok(Bytes::from_static(b"tak")), Err(io::Error::other("closed"))];
            let body = Body::from_stream(futures_util::stream::iter(parts));
            ([("content-length", "100")], body).into_response()
        }
        Some(Mood::Refuse) => {
            record.refused.insert(sent);
            StatusCode::GONE.into_response()
        }
        Some(Mood::Slow) | None => {
            *record.taken.entry(sent).or_default() += 1;
            StatusCode::OK.into_response()
        }
    }
}
