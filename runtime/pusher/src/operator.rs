//! The operator listener: is the process alive, is it ready for its work, and what it does, in numbers. A port of its own,
//! because browsers refuse to open port 6000 and because it need not be reachable from where the API is.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::metrics::{self, Source};

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

async fn readyz(State(ready): State<Arc<dyn Ready>>) -> (StatusCode, String) {
    match ready.ready().await {
        Ok(None) => (StatusCode::OK, "ready\n".into()),
        Ok(Some(but)) => (StatusCode::OK, format!("ready, but {but}\n")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}
