//! A stand-in for a webhook of the Go program's users: takes a form that is signed as that program signed it (`sender`,
//! `pusher`, `data`; HMAC-MD5 over them and the time), refuses any other with 401, and keeps what it took.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A message as the endpoint took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The channel.
    pub sender: String,
    /// The recipient.
    pub pusher: String,
    /// What was pushed.
    pub data: String,
}

struct Inner {
    secret: String,
    calls: watch::Sender<Vec<Call>>,
    refused: watch::Sender<usize>,
}

/// The stand-in; stops when it is dropped.
pub struct Webhook {
    address: SocketAddr,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Webhook {
    /// Listens on a free port of 127.0.0.1, and wants calls signed with `secret`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(secret: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            secret: secret.to_owned(),
            calls: watch::Sender::default(),
            refused: watch::Sender::new(0),
        });
        let router = Router::new().route("/pushed", post(take)).with_state(inner.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("webhook: {error}");
            }
        });
        Ok(Self { address, inner, server })
    }

    /// Where to call it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/pushed", self.address)
    }

    /// What it took, once that is at least `count` calls.
    pub async fn wait_for(&self, count: usize) -> Vec<Call> {
        let mut calls = self.inner.calls.subscribe();
        // The sending side lives as long as `self`, so this only ends when there are enough.
        let enough = calls.wait_for(|calls| calls.len() >= count).await;
        enough.map(|calls| calls.clone()).unwrap_or_default()
    }

    /// How many calls it refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        *self.inner.refused.borrow()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> StatusCode {
    match call(&headers, &body, &inner.secret) {
        Some(call) => {
            inner.calls.send_modify(|calls| calls.push(call));
            StatusCode::NO_CONTENT
        }
        None => {
            inner.refused.send_modify(|count| *count += 1);
            StatusCode::UNAUTHORIZED
        }
    }
}

/// The call in a request, if it is signed as it should be.
fn call(headers: &HeaderMap, body: &str, secret: &str) -> Option<Call> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let mut fields: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    fields.push(("timestamp".to_owned(), header("x-request-time")?.to_owned()));
    fields.sort();
    let mut mac = Hmac::<Md5>::new_from_slice(secret.as_bytes()).ok()?;
    for (name, value) in &fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let wanted: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    let [(_, data), (_, pusher), (_, sender), _] = <[_; 4]>::try_from(fields).ok()?;
    (header("x-request-signature")? == wanted).then_some(Call { sender, pusher, data })
}
