//! What tells one version of a file from another.

use std::path::Path;
use std::time::SystemTime;

/// When it was written, and how long it is.
pub(crate) type Stamp = (SystemTime, u64);

/// The file's stamp now; `None` if it cannot be told, as when there is no file. Take it before the file is read: what is
/// written in between is then seen as a change.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}
