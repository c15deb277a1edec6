//! How a change of a file is seen without reading it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the system says about a file, a symbolic link's target included; a file that changed has another stamp. A write
/// that keeps size and time (a copy that preserves both) still changes the number of the file or the time of its last
/// change, which cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    unix: [u64; 4],
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            unix: {
                use std::os::unix::fs::MetadataExt;
                [
                    metadata.dev(),
                    metadata.ino(),
                    metadata.ctime().cast_unsigned(),
                    metadata.ctime_nsec().cast_unsigned(),
                ]
            },
        })
    }
}

/// The stamps of some files; `None`: it is not there.
pub(crate) type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// Looks at files.
pub(crate) fn look(files: impl IntoIterator<Item = PathBuf>) -> Stamps {
    files.into_iter().map(|file| (Stamp::of(&file), file)).map(|(stamp, file)| (file, stamp)).collect()
}
