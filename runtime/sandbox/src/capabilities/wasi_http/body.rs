//! The bodies that the host holds for a send, and how many bytes of them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::capabilities::http::MAX_REQUEST;

/// How long a guest may pause while it writes a body that nobody wants, before it is told so.
const PAUSE: Duration = Duration::from_secs(1);

/// How much is held.
#[derive(Debug)]
pub(super) struct Holding {
    most: usize,
    bytes: AtomicUsize,
}

impl Holding {
    pub(super) fn up_to(most: usize) -> Arc<Self> {
        Arc::new(Self { most, bytes: AtomicUsize::new(0) })
    }

    /// A part of it that is empty yet.
    pub(super) fn none(self: &Arc<Self>) -> Held {
        Held { all: Arc::clone(self), bytes: 0 }
    }
}

/// A part of what is held, for as long as this lives.
#[derive(Debug)]
pub(super) struct Held {
    all: Arc<Holding>,
    bytes: usize,
}

impl Held {
    /// Takes so many bytes more, if there is room for them.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let room = |held: usize| held.checked_add(bytes).filter(|held| *held <= self.all.most);
        let fits = self.all.bytes.fetch_update(Relaxed, Relaxed, room).is_ok();
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// A response's body of bytes that were taken.
    pub(super) fn body(self, bytes: Bytes) -> impl Body<Data = Bytes, Error = Error> {
        HeldBody { bytes, _held: self }.map_err(|never: Infallible| match never {})
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

/// A body that is there, and is held until the guest drops it or has read it.
struct HeldBody {
    bytes: Bytes,
    _held: Held,
}

impl Body for HeldBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }
}

/// Takes a request's body while the guest writes it, up to its end or the limit.
pub(super) async fn collect(body: &mut WasiBody, held: &mut Held) -> Result<Bytes, Error> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers have no place in what the transport sends.
        let piece = frame?.into_data().map_err(|_| Error::HttpRequestTrailerSectionSize(Some(0)))?;
        if collected.len() + piece.len() > MAX_REQUEST {
            return Err(Error::HttpRequestBodySize(Some(MAX_REQUEST as u64)));
        }
        if !held.take(piece.len()) {
            return Err(Error::HttpRequestBodySize(None));
        }
        collected.extend_from_slice(&piece);
    }
    Ok(collected.freeze())
}

/// Takes what the guest still writes into the body of a request that will not be sent, and keeps nothing of it. Without
/// that its writing would fail before it is told why, on which the engine that JavaScript runs in crashes.
pub(super) async fn discard(mut body: WasiBody) {
    while let Ok(Some(Ok(_))) = timeout(PAUSE, body.frame()).await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_comes_back() {
        let holding = Holding::up_to(10);
        let (mut first, mut second) = (holding.none(), holding.none());
        assert!(first.take(6) && second.take(4) && !second.take(1) && !first.take(usize::MAX));
        drop(first);
        assert!(second.take(6));
        drop(second);
        assert_eq!(holding.bytes.load(Relaxed), 0);
    }
}
