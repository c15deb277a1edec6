//! The operator listener: is the process alive, is it ready for its work, and what it does, in numbers. A port of its own,
//! because browsers refuse to open port 6000 and because it need not be reachable from where the API is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Connections;
use crate::http;
use crate::metrics::{self, Source};
use crate::serve::drain;

/// Says whether the process can do its work.
#[async_trait]
pub trait Ready: Send + Sync {
    /// `Ok` if it can, with a sentence about what does not work beside its work (searching), if anything; a sentence that
    /// says what is missing if not.
    async fn ready(&self) -> Result<Option<String>, String>;
}

/// `/livez` (200 while the process runs), `/readyz` (200, or 503 with the reason), and `/metrics` of these sources.
pub fn router(ready: Arc<dyn Ready>, sources: Vec<Arc<dyn Source>>) -> Router {
    let probes = Router::new().route("/livez", get(async || "alive\n")).route("/readyz", get(readyz));
    probes.with_state(ready).merge(metrics::router(sources))
}

/// How long the operator listener may take to end.
const DRAIN: Duration = Duration::from_secs(1);

/// The operator listener, while it is served.
pub(crate) struct Operator {
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Operator {
    /// Serves it, and says where.
    pub(crate) fn start(listener: TcpListener, router: Router, connections: Connections, say: &impl Fn(&str)) -> Self {
        say(&format!("operator: {}", http::url(&listener)));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(http::serve(listener, router, connections, stop.clone()));
        Self { stop, serving }
    }

    /// Ends it. Last, so that operators see the others end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        drain("the operator listener", DRAIN, self.serving).await;
    }
}

async fn readyz(State(ready): State<Arc<dyn Ready>>) -> (StatusCode, String) {
    match ready.ready().await {
        Ok(None) => (StatusCode::OK, "ready\n".into()),
        Ok(Some(but)) => (StatusCode::OK, format!("ready, but {but}\n")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}
