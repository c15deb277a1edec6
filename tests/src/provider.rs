//! A stand-in for the mail provider: takes SendGrid's v3 `mail/send` as SendGrid documents it (wrong key: 401, wrong
//! body: 400, right: 202 with an empty body), keeps what it took, and can be told to fail, to refuse or to hold on.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// A mail, as the provider took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The recipient's address.
    pub to: String,
    /// The sender's address.
    pub from: String,
    /// The subject.
    pub subject: String,
    /// The text, as HTML.
    pub html: String,
}

impl fmt::Display for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  From: {}\n  To: {}\n  Subject: {}\n\n  {}", self.from, self.to, self.subject, self.html)
    }
}

/// What to do with the next request instead of taking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// Answer this status.
    Status(u16),
    /// Answer 429 with `Retry-After` of so many seconds.
    Limit(u32),
    /// Wait until [`Provider::release`], then take it.
    Hold,
}

struct Inner {
    key: String,
    mails: watch::Sender<Vec<Mail>>,
    tricks: Mutex<VecDeque<Trick>>,
    seen: watch::Sender<usize>,
    released: Notify,
}

/// The stand-in; stops when it is dropped.
pub struct Provider {
    address: SocketAddr,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Provider {
    /// Listens on `address` (port 0: any free one) and wants `key` as the bearer token.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub async fn start(address: &str, key: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            key: key.to_owned(),
            mails: watch::Sender::default(),
            tricks: Mutex::default(),
            seen: watch::Sender::new(0),
            released: Notify::new(),
        });
        let router = Router::new().route("/v3/mail/send", post(take)).with_state(inner.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("provider: {error}");
            }
        });
        Ok(Self { address, inner, server })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it took so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.inner.mails.borrow().clone()
    }

    /// What it took, once that is at least `count` mails.
    pub async fn wait_for(&self, count: usize) -> Vec<Mail> {
        let mut mails = self.inner.mails.subscribe();
        // The sending side lives as long as `self`, so this only ends when there are enough.
        let enough = mails.wait_for(|mails| mails.len() >= count).await;
        enough.map(|mails| mails.clone()).unwrap_or_default()
    }

    /// How many requests it has seen, taken or not.
    #[must_use]
    pub fn requests(&self) -> usize {
        *self.inner.seen.borrow()
    }

    /// Waits until it has seen `count` requests.
    pub async fn seen(&self, count: usize) {
        let mut seen = self.inner.seen.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        drop(seen.wait_for(|n| *n >= count).await);
    }

    /// Plays tricks on the next requests, one each.
    pub fn play(&self, tricks: impl IntoIterator<Item = Trick>) {
        lock(&self.inner.tricks).extend(tricks);
    }

    /// Lets go of all requests that are held.
    pub fn release(&self) {
        self.inner.released.notify_waiters();
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

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Response {
    let trick = lock(&inner.tricks).pop_front();
    let released = inner.released.notified();
    inner.seen.send_modify(|n| *n += 1);
    match trick {
        Some(Trick::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return problem(status, "the provider has a bad day", "");
        }
        Some(Trick::Limit(seconds)) => {
            let reply = problem(StatusCode::TOO_MANY_REQUESTS, "too many requests", "");
            return ([("retry-after", seconds.to_string())], reply).into_response();
        }
        Some(Trick::Hold) => released.await,
        None => {}
    }
    let bearer = headers.get("authorization").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
    if bearer != Some(inner.key.as_str()) {
        return problem(
            StatusCode::UNAUTHORIZED,
            "The provided authorization grant is invalid, expired, or revoked",
            "",
        );
    }
    let json =
        headers.get("content-type").and_then(|v| v.to_str().ok()).is_some_and(|v| v.starts_with("application/json"));
    if !json {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type should be application/json.", "");
    }
    match mail(&body) {
        Ok(mail) => {
            inner.mails.send_modify(|mails| mails.push(mail));
            StatusCode::ACCEPTED.into_response()
        }
        Err((field, message)) => problem(StatusCode::BAD_REQUEST, message, field),
    }
}

/// The mail in a request, or the field that is wrong and why.
fn mail(body: &str) -> Result<Mail, (&'static str, &'static str)> {
    let body: Value = serde_json::from_str(body).map_err(|_| ("", "Bad Request"))?;
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let people = body["personalizations"].as_array().filter(|list| !list.is_empty());
    let people = people.ok_or(("personalizations", "The personalizations field is required."))?;
    let to = text(&people[0]["to"][0]["email"]).filter(|to| to.contains('@'));
    let to = to.ok_or(("personalizations.0.to.0.email", "Does not contain a valid address."))?;
    let from = text(&body["from"]["email"]).filter(|from| from.contains('@'));
    let from = from.ok_or(("from.email", "The from email does not contain a valid address."))?;
    let subject = text(&body["subject"]).or_else(|| text(&people[0]["subject"]));
    let subject = subject.ok_or(("subject", "The subject is required."))?;
    let content = &body["content"][0];
    if content["type"] != "text/html" {
        return Err(("content.0.type", "The content type is required."));
    }
    let html = text(&content["value"]).ok_or(("content.0.value", "The content value must be a string."))?;
    Ok(Mail { to, from, subject, html })
}

fn problem(status: StatusCode, message: &str, field: &str) -> Response {
    let field = if field.is_empty() { Value::Null } else { field.into() };
    let body = json!({"errors": [{"message": message, "field": field, "help": null}]});
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}
