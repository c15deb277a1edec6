//! What a Periodic server alone does, and its store.

use std::sync::Arc;

use async_trait::async_trait;
use periodic::Handle;
use pusher_store::Store;

use super::server::{Jobs, show_store};
use super::{Page, Source};

/// What `pusher periodicd` has.
pub(crate) struct Periodicd {
    jobs: Jobs,
    /// The database, unless jobs are in memory.
    store: Option<Arc<Store>>,
}

impl Periodicd {
    /// Of the server behind `handle`. Funcs of pusher's senders are known by the default prefix.
    pub(crate) fn new(handle: Handle, store: Option<Arc<Store>>) -> Self {
        Self { jobs: Jobs::new(handle), store }
    }
}

#[async_trait]
impl Source for Periodicd {
    async fn show(&self, page: &mut Page) {
        if let Some(store) = &self.store {
            show_store(store, page);
        }
        self.jobs.show(page).await;
    }
}
