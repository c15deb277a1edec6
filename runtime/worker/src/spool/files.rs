//! The files of a spool: which is written to, which come next, how large they are together.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pusher_core::Report;
use tokio::sync::Notify;

use super::{SpoolError, SpoolOptions, Waiting};

/// So many workers can share a directory.
const PLACES: u32 = 64;
/// A file takes no more reports once it has so many, or so many bytes: one request is to carry it.
const REPORTS: u64 = 500;
const BYTES: u64 = 1 << 20;
/// What the names of files end in that were put aside.
const REFUSED: &str = "refused";

/// The files of a place.
pub(super) struct Files {
    dir: PathBuf,
    max_bytes: u64,
    state: Mutex<State>,
    changed: Notify,
    _lock: File,
}

struct State {
    /// Files that are whole, oldest first.
    whole: VecDeque<Whole>,
    /// The one that is written to.
    current: Option<Current>,
    last: u64,
    /// In files that are to be sent.
    bytes: u64,
    reports: u64,
    /// In files that were put aside: they take room, too.
    aside_bytes: u64,
    /// Reports that were put aside since the start.
    refused: u64,
    closed: bool,
}

struct Whole {
    path: PathBuf,
    bytes: u64,
    reports: u64,
}

struct Current {
    file: File,
    whole: Whole,
    /// Is its name on the disk? Without that a file is gone after a power cut, whatever of it was synced.
    is_named: bool,
}

impl Files {
    /// Takes a place, with what is left in it.
    pub(super) fn open(options: SpoolOptions) -> Result<Self, SpoolError> {
        let SpoolOptions { dir, max_bytes } = options;
        let unusable = |source| SpoolError::Directory { dir: dir.clone(), source };
        for place in 0..PLACES {
            let place = dir.join(place.to_string());
            create_private(&place).map_err(unusable)?;
            let mut lock = OpenOptions::new();
            let lock = lock.create(true).truncate(false).write(true).open(place.join("lock")).map_err(unusable)?;
            match lock.try_lock() {
                Ok(()) => return Self::in_place(place, max_bytes, lock).map_err(unusable),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
        }
        Err(SpoolError::Taken { dir, places: PLACES })
    }

    fn in_place(dir: PathBuf, max_bytes: u64, lock: File) -> io::Result<Self> {
        let (mut found, mut last, mut aside_bytes) = (Vec::new(), 0, 0);
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let (path, bytes) = (entry.path(), entry.metadata()?.len());
            let number = path.file_stem().and_then(|name| name.to_str()?.parse::<u64>().ok());
            match (number, path.extension().and_then(|ending| ending.to_str())) {
                (Some(number), Some("jsonl")) => {
                    let reports = fs::read(&path)?.iter().filter(|byte| **byte == b'\n').count() as u64;
                    found.push((number, Whole { path, bytes, reports }));
                }
                (Some(number), Some(REFUSED)) => {
                    last = last.max(number);
                    aside_bytes += bytes;
                }
                _ => {}
            }
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        if !found.is_empty() {
            tracing::info!(files = found.len(), dir = %dir.display(), "reports of an earlier worker are told first");
        }
        last = found.last().map_or(0, |(number, _)| *number).max(last);
        let whole: VecDeque<_> = found.into_iter().map(|(_, whole)| whole).collect();
        let bytes = whole.iter().map(|whole| whole.bytes).sum();
        let reports = whole.iter().map(|whole| whole.reports).sum();
        let state = State { whole, current: None, last, bytes, reports, aside_bytes, refused: 0, closed: false };
        Ok(Self { dir, max_bytes, state: Mutex::new(state), changed: Notify::new(), _lock: lock })
    }

    /// Is there room for so many bytes?
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let state = self.state();
        state.bytes + state.aside_bytes + bytes as u64 <= self.max_bytes
    }

    /// What is there.
    pub(super) fn numbers(&self) -> Waiting {
        let state = self.state();
        Waiting { reports: state.reports, bytes: state.bytes, refused: state.refused }
    }

    /// Writes lines, which are so many reports; with `sync` they are on the disk when this returns.
    pub(super) fn write(&self, lines: &[u8], reports: usize, sync: bool) -> io::Result<()> {
        let mut state = self.state();
        if state.current.is_none() {
            state.last += 1;
            let path = self.dir.join(format!("{}.jsonl", state.last));
            let file = OpenOptions::new().create_new(true).append(true).open(&path)?;
            state.current = Some(Current { file, whole: Whole { path, bytes: 0, reports: 0 }, is_named: false });
        }
        let Some(current) = &mut state.current else { return Ok(()) };
        // Not with every new file: most have nothing in them that has to be on the disk.
        if sync && !current.is_named {
            File::open(&self.dir)?.sync_all()?;
            current.is_named = true;
        }
        let before = current.whole.bytes;
        let written = current.file.write_all(lines).and_then(|()| if sync { current.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // Half a line would make the next one unreadable.
            current.file.set_len(before)?;
            return Err(error);
        }
        current.whole.bytes += lines.len() as u64;
        current.whole.reports += reports as u64;
        let is_full = current.whole.reports >= REPORTS || current.whole.bytes >= BYTES;
        state.bytes += lines.len() as u64;
        state.reports += reports as u64;
        if is_full {
            state.seal();
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The file to be sent next. The same one until it is [`sent`](Self::sent) or [`refused`](Self::refused).
    pub(super) fn next(&self) -> Option<PathBuf> {
        let mut state = self.state();
        if state.whole.is_empty() {
            state.seal();
        }
        state.whole.front().map(|whole| whole.path.clone())
    }

    /// Waits until there may be one.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The reports in a file. What is no report, as half a line at its end, is passed over.
    pub(super) async fn read(path: &Path) -> io::Result<Vec<Report>> {
        let bytes = tokio::fs::read(path).await?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// Takes the first file off the list; it is deleted, unless it could not be read.
    pub(super) fn sent(&self, delete: bool) {
        if let Some(whole) = self.state().take()
            && delete
            && let Err(error) = fs::remove_file(&whole.path)
        {
            tracing::warn!(file = %whole.path.display(), %error, "a file of reports that were told stays");
        }
    }

    /// Takes the first file off the list and puts it aside.
    pub(super) fn refused(&self) {
        let mut state = self.state();
        let Some(whole) = state.take() else { return };
        state.aside_bytes += whole.bytes;
        state.refused += whole.reports;
        drop(state);
        if let Err(error) = fs::rename(&whole.path, whole.path.with_extension(REFUSED)) {
            tracing::warn!(file = %whole.path.display(), %error, "a file of refused reports keeps its name");
        }
    }

    /// Nothing more is written.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn seal(&mut self) {
        self.whole.extend(self.current.take().map(|current| current.whole));
    }

    fn take(&mut self) -> Option<Whole> {
        let whole = self.whole.pop_front()?;
        self.bytes -= whole.bytes;
        self.reports -= whole.reports;
        Some(whole)
    }
}

/// Makes a directory that only this user may read, and has its name on the disk.
fn create_private(dir: &Path) -> io::Result<()> {
    let made: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).filter_map(Path::parent).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)?;
    for parent in made {
        // What is in the current directory has no other name for it.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_named(files: &Files) -> Option<bool> {
        files.state().current.as_ref().map(|current| current.is_named)
    }

    #[test]
    fn the_name_of_a_file_is_on_the_disk_before_the_first_line_in_it_that_has_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(SpoolOptions::new(dir.path().join("new/spool"))).unwrap();
        files.write(b"{}\n", 1, false).unwrap();
        assert_eq!(is_named(&files), Some(false));
        files.write(b"{}\n", 1, true).unwrap();
        assert_eq!(is_named(&files), Some(true), "though it was there already");
        files.next();
        files.write(b"{}\n", 1, true).unwrap();
        assert_eq!(is_named(&files), Some(true), "and so is the next one's");
    }
}
