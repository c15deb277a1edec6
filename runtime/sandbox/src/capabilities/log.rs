//! The log capability: what a sender writes to stdout and stderr becomes log events, one for each line, with the sender
//! and the job on them, and without the sender's secrets. Writing is never an error to the guest: what is over
//! `[limits] log` is dropped, with a note.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use pusher_core::{JobName, Message, SenderName};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::manifest::Limits;
use crate::redact::Redactor;

/// How many bytes a guest may write at a time.
const CHUNK: usize = 16 << 10;
/// The longest line, in bytes; a longer one becomes several events.
const MAX_LINE: usize = 4 << 10;

/// What one sender may write for one message, and what is taken out of it.
#[derive(Debug)]
pub(crate) struct Grant {
    bytes: usize,
    redactor: Arc<Redactor>,
}

pub(super) fn configure(limits: &Limits, redactor: &Arc<Redactor>) -> Grant {
    Grant { bytes: usize::try_from(limits.log.0).unwrap_or(usize::MAX), redactor: Arc::clone(redactor) }
}

/// Both streams of one instance. Where they end is the message's that is being sent: a guest may hold on to a stream from
/// its first message to its last.
pub(crate) struct Log {
    lines: Arc<Mutex<Lines>>,
    pub(super) stdout: LogStream,
    pub(super) stderr: LogStream,
}

pub(super) fn prepare(grant: &Grant, message: &Message) -> Log {
    let lines = Arc::new(Mutex::new(Lines {
        sender: message.sender.clone(),
        job: message.id.clone(),
        redactor: Arc::clone(&grant.redactor),
        left: grant.bytes,
        cut: false,
    }));
    Log {
        stdout: LogStream::new("stdout", Arc::clone(&lines)),
        stderr: LogStream::new("stderr", Arc::clone(&lines)),
        lines,
    }
}

/// Has the streams end in another message of the same sender.
pub(super) fn renew(grant: &Grant, log: &Log, message: &Message) {
    let mut lines = log.lines.lock().unwrap_or_else(PoisonError::into_inner);
    lines.job = message.id.clone();
    lines.left = grant.bytes;
    lines.cut = false;
}

impl Log {
    /// Tells what was begun and not ended, so that it is not taken for the next message's.
    pub(crate) fn end_lines(&self) {
        self.stdout.stream.end_line();
        self.stderr.stream.end_line();
    }
}

/// Where both streams of an instance end.
struct Lines {
    sender: SenderName,
    job: JobName,
    redactor: Arc<Redactor>,
    /// Bytes that may still be written.
    left: usize,
    /// Has it been said that more was written?
    cut: bool,
}

impl Lines {
    /// As much of `bytes` as may still be written.
    fn admit<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (admitted, dropped) = bytes.split_at(bytes.len().min(self.left));
        self.left -= admitted.len();
        if !dropped.is_empty() && !self.cut {
            self.cut = true;
            tracing::warn!(sender = %self.sender, job = %self.job, "the sender writes more than its [limits] log; the rest is dropped");
        }
        admitted
    }

    fn tell(&self, stream: &str, line: &[u8]) {
        let line = printable(&self.redactor.redact(String::from_utf8_lossy(line).into_owned()));
        if !line.is_empty() {
            tracing::info!(sender = %self.sender, job = %self.job, stream, line, "sender log");
        }
    }
}

/// A line as text that can do nothing to a terminal.
fn printable(line: &str) -> String {
    line.trim_end().chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// One of the two streams. The handles that a guest takes on it share its unfinished line.
#[derive(Clone)]
pub(crate) struct LogStream {
    stream: Arc<Stream>,
}

struct Stream {
    name: &'static str,
    lines: Arc<Mutex<Lines>>,
    unfinished: Mutex<Vec<u8>>,
}

impl LogStream {
    fn new(name: &'static str, lines: Arc<Mutex<Lines>>) -> Self {
        Self { stream: Arc::new(Stream { name, lines, unfinished: Mutex::default() }) }
    }

    /// Another stream of the same send, for what the host has to say to the sender's author.
    pub(super) fn beside(&self, name: &'static str) -> Self {
        Self::new(name, Arc::clone(&self.stream.lines))
    }

    /// Writes one line.
    pub(super) fn line(&self, line: &str) {
        self.stream.write(format!("{line}\n").as_bytes());
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end_line();
    }
}

impl Stream {
    fn end_line(&self) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        if !unfinished.is_empty() {
            lines.tell(self.name, &unfinished);
            unfinished.clear();
        }
    }

    fn write(&self, bytes: &[u8]) {
        // A poisoned lock would mean that telling a line panicked; the lines that are left are still good.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        for part in lines.admit(bytes).split_inclusive(|byte| *byte == b'\n') {
            unfinished.extend_from_slice(part);
            if part.ends_with(b"\n") {
                lines.tell(self.name, &unfinished);
                unfinished.clear();
            } else if unfinished.len() >= MAX_LINE {
                // A secret that lies across the cut would be in neither half; so its beginning waits for the rest.
                let told = unfinished.len() - lines.redactor.begun(&unfinished);
                lines.tell(self.name, &unfinished[..told]);
                unfinished.drain(..told);
            }
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.stream.write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(CHUNK)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_line_can_do_nothing_to_a_terminal() {
        assert_eq!(printable("plain\ttext\r\n"), "plain\ttext");
        assert_eq!(printable("\x1b[2Jgone"), "\u{fffd}[2Jgone");
        assert_eq!(printable("a\rb\u{fffd}"), "a\u{fffd}b\u{fffd}");
    }
}
