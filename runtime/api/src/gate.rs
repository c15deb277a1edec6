//! The gate before all routes: it lets so many requests in at once, and none once it is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Lets so many requests in at once. Clones are the same gate: give one to [`router`](crate::router) through
/// [`Options`](crate::Options), keep one, and [close](Self::close) it when the server stops.
#[derive(Debug, Clone)]
pub struct Gate {
    permits: Arc<Semaphore>,
    width: u32,
    closed: Arc<AtomicBool>,
}

impl Gate {
    /// A gate for `concurrent` requests at once; for one more the answer is 429 with `Retry-After`.
    #[must_use]
    pub fn new(concurrent: usize) -> Self {
        let width = u32::try_from(concurrent.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(width as usize));
        Self { permits, width, closed: Arc::default() }
    }

    /// From now on every request is answered 503 with `Retry-After` and told to leave its connection. Ends when those
    /// that were being served have been answered. The gate stays closed also if this is not waited for.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Ok(all) = self.permits.acquire_many(self.width).await {
            all.forget();
        }
    }

    /// The right to be served, for as long as it is kept.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let entered = Arc::clone(&self.permits).try_acquire_owned();
        // Looked at after the permit is taken, so that whoever closes waits for this request or turns it away.
        if self.closed.load(Ordering::SeqCst) {
            return Err(ApiError::Stopping);
        }
        entered.map_err(|_| ApiError::too_busy())
    }
}
