//! Reports on their way to an API server elsewhere: on the disk first, then there, many in one request.
//!
//! A report is taken when it is written to a file (a dead letter: when it is on the disk), so a worker that is killed, or
//! cannot reach the API server, loses none. A worker goes on delivering meanwhile, until the spool is full. What is left
//! of a worker that ended badly is told by the next one that uses its place.
//!
//! ```text
//! DIR/0/lock        taken by the worker whose place it is; another worker takes DIR/1, and so on
//! DIR/0/17.jsonl    reports, a line each; a file is one request, and is deleted when that is answered
//! DIR/0/9.refused   one that was refused for good, put aside for somebody to look at
//! ```

mod files;
mod write;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pusher_core::{JobName, Report, Reported, SenderName};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::files::Files;
use self::write::Entry;
use crate::reports::{ReportError, Reports};

/// Reports that may wait to be written; whoever comes then waits for a place.
const QUEUE: usize = 1024;
/// How long to wait after a request that was not answered; twice as long after each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Takes reports to whoever keeps them.
#[async_trait]
pub trait ReportSink: Send + Sync {
    /// Takes some reports, in order. When this returns `Ok`, they are kept. What was told before may be told again.
    async fn send(&self, reports: Vec<Report>) -> Result<(), ReportError>;

    /// When a delivery was tried first since it was pushed or redriven, in Unix milliseconds, if that is known.
    async fn first_attempt(&self, sender: &SenderName, name: &JobName) -> Option<i64>;
}

/// Where reports wait, and how many.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    /// The directory; it is made if it is not there, readable by this user only.
    pub dir: PathBuf,
    /// How much may wait, in bytes, with what was put aside. Then no further report is taken: what is delivered meanwhile is missing in the log,
    /// and what is given up waits in the queue. Default: 64 MiB, some hundred thousand reports.
    pub max_bytes: u64,
}

impl SpoolOptions {
    /// A spool in this directory, with defaults for the rest.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), max_bytes: 64 << 20 }
    }
}

/// Why there is no spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The directory cannot be used.
    #[error("reports cannot be kept in {dir}: {source}; name another directory with --spool")]
    Directory {
        /// Which.
        dir: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// There are more workers than there are places.
    #[error("all {places} places in {dir} are taken by other workers; name another directory with --spool")]
    Taken {
        /// Which directory.
        dir: PathBuf,
        /// How many places it has.
        places: u32,
    },
}

/// What waits in a spool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many reports.
    pub reports: u64,
    /// In how many bytes.
    pub bytes: u64,
    /// How many were refused for good since the worker started, and put aside.
    pub refused: u64,
}

/// What a spool holds, to be read while it is used. Cheap to clone.
#[derive(Clone)]
pub struct SpoolUse(Arc<Files>);

impl SpoolUse {
    /// What waits now.
    #[must_use]
    pub fn read(&self) -> Waiting {
        self.0.numbers()
    }
}

/// Reports on their way. See the module's description.
pub struct Spool {
    files: Arc<Files>,
    queue: mpsc::Sender<Entry>,
    sink: Arc<dyn ReportSink>,
    stop: CancellationToken,
    sending: AbortOnDropHandle<()>,
}

impl Spool {
    /// Opens a place in the directory and begins to tell `sink` what is left there.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub fn open(options: SpoolOptions, sink: Arc<dyn ReportSink>) -> Result<Self, SpoolError> {
        let files = Arc::new(Files::open(options)?);
        let (queue, inbox) = mpsc::channel(QUEUE);
        write::start(Arc::clone(&files), inbox)?;
        let stop = CancellationToken::new();
        let sending =
            AbortOnDropHandle::new(tokio::spawn(send_all(Arc::clone(&files), Arc::clone(&sink), stop.clone())));
        Ok(Self { files, queue, sink, stop, sending })
    }

    /// What it holds, for whoever watches it.
    #[must_use]
    pub fn usage(&self) -> SpoolUse {
        SpoolUse(Arc::clone(&self.files))
    }

    /// Tells what is there, for `limit` at most. What is left is told by the next worker.
    pub async fn close(self, limit: Duration) {
        let Self { queue, stop, sending, .. } = self;
        drop(queue);
        stop.cancel();
        if tokio::time::timeout(limit, sending).await.is_err() {
            tracing::warn!(?limit, "some reports are not told yet; they wait in the spool");
        }
    }
}

#[async_trait]
impl Reports for Spool {
    async fn report(&self, report: Report) -> Result<(), ReportError> {
        let mut line = serde_json::to_vec(&report).map_err(|error| ReportError::Refused(error.to_string()))?;
        line.push(b'\n');
        let sync = matches!(report.reported, Reported::Dead { .. });
        let (done, written) = oneshot::channel();
        let stopped = || ReportError::Unavailable("the spool is closed".into());
        self.queue.send(Entry { line, sync, done }).await.map_err(|_| stopped())?;
        written.await.map_err(|_| stopped())?
    }

    async fn first_attempt(&self, sender: &SenderName, name: &JobName) -> Option<i64> {
        self.sink.first_attempt(sender, name).await
    }
}

/// Sends file after file, until it is told to stop and there is none left, or nobody answers any more.
async fn send_all(files: Arc<Files>, sink: Arc<dyn ReportSink>, stop: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    loop {
        let Some(path) = files.next() else {
            if stop.is_cancelled() && files.is_closed() {
                return;
            }
            tokio::select! {
                () = files.changed() => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
            continue;
        };
        let reports = match Files::read(&path).await {
            Ok(reports) => reports,
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "reports cannot be read; the file stays");
                files.sent(false);
                continue;
            }
        };
        let (count, sent) = (reports.len(), sink.send(reports).await);
        match sent {
            Ok(()) => {
                if pause > FIRST_PAUSE {
                    tracing::info!("reports are told again");
                }
                pause = FIRST_PAUSE;
                files.sent(true);
            }
            Err(ReportError::Refused(reason)) => {
                tracing::error!(file = %path.display(), count, reason, "reports were refused; the file stays, renamed");
                files.refused();
            }
            Err(ReportError::Unavailable(reason)) => {
                if pause == FIRST_PAUSE {
                    tracing::warn!(reason, "reports cannot be told; they wait in the spool");
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    // One last try, soon.
                    () = stop.cancelled(), if !stop.is_cancelled() => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests;
