//! The thread that writes reports: whatever has gathered in one go.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::SpoolError;
use super::files::Files;
use crate::reports::ReportError;

/// Reports written in one go, at most.
const GO: usize = 256;

/// A report to be written.
pub(super) struct Entry {
    pub(super) line: Vec<u8>,
    /// It has to be on the disk.
    pub(super) sync: bool,
    pub(super) done: oneshot::Sender<Result<(), ReportError>>,
}

/// Starts it. It ends when nobody can send it anything more.
pub(super) fn start(files: Arc<Files>, inbox: mpsc::Receiver<Entry>) -> Result<(), SpoolError> {
    let begun = thread::Builder::new().name("reports".into()).spawn(move || run(&files, inbox));
    begun.map(drop).map_err(|source| SpoolError::Directory { dir: PathBuf::from("a thread"), source })
}

fn run(files: &Files, mut inbox: mpsc::Receiver<Entry>) {
    let mut entries = Vec::with_capacity(GO);
    let mut lines = Vec::new();
    while let Some(first) = inbox.blocking_recv() {
        entries.push(first);
        while entries.len() < GO
            && let Ok(entry) = inbox.try_recv()
        {
            entries.push(entry);
        }
        lines.clear();
        let mut fitting = Vec::with_capacity(entries.len());
        for entry in entries.drain(..) {
            if files.has_room(lines.len() + entry.line.len()) {
                lines.extend_from_slice(&entry.line);
                fitting.push(entry);
            } else {
                let full = "the spool of reports is full; see to it that the API server can be reached";
                let _gone = entry.done.send(Err(ReportError::Unavailable(full.into())));
            }
        }
        if fitting.is_empty() {
            continue;
        }
        let sync = fitting.iter().any(|entry| entry.sync);
        let written = files.write(&lines, fitting.len(), sync);
        let written =
            written.map_err(|error| ReportError::Unavailable(format!("the spool cannot be written: {error}")));
        for entry in fitting {
            let _gone = entry.done.send(written.clone());
        }
    }
    files.close();
}
