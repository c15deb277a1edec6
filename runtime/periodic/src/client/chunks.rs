//! What a job's worker says while it works, from the driver to whoever listens.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use tokio::sync::{mpsc, oneshot};

use super::{Client, ClientError};

/// Chunks that may wait to be taken.
const MAX_CHUNKS: usize = 1024;

type End = Result<(), ClientError>;

/// The two ends of a new stream, in which at most `max_bytes` wait, or one chunk.
pub(super) fn chunks(client: Client, max_bytes: usize) -> (Outlet, Chunks) {
    let (send, receive) = mpsc::channel(MAX_CHUNKS);
    let (end, ended) = oneshot::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let outlet = Outlet { chunks: send, waiting: Arc::clone(&waiting), max_bytes, end };
    (outlet, Chunks { chunks: receive, waiting, end: Some(ended), _client: client })
}

/// The driver's end.
#[derive(Debug)]
pub(super) struct Outlet {
    chunks: mpsc::Sender<Bytes>,
    /// Bytes sent and not taken.
    waiting: Arc<AtomicUsize>,
    max_bytes: usize,
    end: oneshot::Sender<End>,
}

impl Outlet {
    /// Passes a chunk on. An error is how the stream must end: nobody listens, or not fast enough.
    pub(super) fn push(&self, chunk: Bytes) -> Result<(), ClientError> {
        let (size, waiting) = (chunk.len(), self.waiting.load(Ordering::Relaxed));
        if waiting > 0 && waiting + size > self.max_bytes {
            return Err(ClientError::TooSlow);
        }
        self.waiting.fetch_add(size, Ordering::Relaxed);
        self.chunks.try_send(chunk).map_err(|_| ClientError::TooSlow)
    }

    /// Does somebody listen?
    pub(super) fn is_heard(&self) -> bool {
        !self.chunks.is_closed()
    }

    /// Ends the stream, after what was passed on.
    pub(super) fn close(self, end: End) {
        // Whoever listened may have stopped.
        let _listener_gone = self.end.send(end);
    }
}

/// What a job's worker says while it works: see [`Client::recv_data`]. A [`Stream`] that ends when the job has ended,
/// however that went, or with one error. Dropping it stops listening. It keeps its client's connection open.
#[derive(Debug)]
pub struct Chunks {
    chunks: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    /// `None`: the end has been told.
    end: Option<oneshot::Receiver<End>>,
    _client: Client,
}

impl Chunks {
    /// The next chunk; `None` when the job has ended. Cancelling it loses nothing.
    ///
    /// # Errors
    /// Once, and last: [`ClientError::Lost`], [`ClientError::TooSlow`], [`ClientError::TooLarge`] or
    /// [`ClientError::Closed`].
    pub async fn next(&mut self) -> Option<Result<Bytes, ClientError>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ClientError>>> {
        if let Some(chunk) = ready!(self.chunks.poll_recv(cx)) {
            self.waiting.fetch_sub(chunk.len(), Ordering::Relaxed);
            return Poll::Ready(Some(Ok(chunk)));
        }
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        // A driver that is gone without a word has lost its runtime, and so the connection.
        let end = ready!(end.poll_unpin(cx)).unwrap_or(Err(ClientError::Lost));
        self.end = None;
        Poll::Ready(end.err().map(Err))
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, ClientError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}
