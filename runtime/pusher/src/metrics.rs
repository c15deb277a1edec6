//! `/metrics`: what the process does, in numbers, in Prometheus' text format.
//!
//! Nothing is counted here. Each crate counts what it does in plain numbers of its own, which an embedder may read as
//! well; when somebody asks, [`Source`]s read them onto a [`Page`]. Labels are names that the operator or the code chose
//! (senders, routes, outcomes), never what a client or a sender can make up, so that the number of series is bounded.

mod page;
pub(crate) mod periodicd;
pub(crate) mod process;
pub(crate) mod senders;
pub(crate) mod server;
pub(crate) mod spool;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::get;

pub use page::{CONTENT_TYPE as TEXT, Labels, Page};

/// Something that can be shown in numbers.
#[async_trait]
pub trait Source: Send + Sync {
    /// Puts on the page what the numbers are now.
    async fn show(&self, page: &mut Page);
}

/// `/metrics`, which shows these.
pub fn router(sources: Vec<Arc<dyn Source>>) -> Router {
    Router::new().route("/metrics", get(show)).with_state(Arc::from(sources))
}

async fn show(State(sources): State<Arc<[Arc<dyn Source>]>>) -> (StatusCode, [(HeaderName, &'static str); 1], String) {
    let mut page = Page::default();
    for source in sources.iter() {
        source.show(&mut page).await;
    }
    match page.text() {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, TEXT)], text),
        Err(error) => {
            let sentence = format!("the metrics cannot be written: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain; charset=utf-8")], sentence)
        }
    }
}
