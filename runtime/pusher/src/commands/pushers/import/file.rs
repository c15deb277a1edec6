//! The file that is imported: opened, its format known, and its bytes counted as they are read.

use std::fs::File;
use std::io::{self, BufReader, Read, stdin};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::record::Records;
use super::{jsonl, table};
use crate::cli::pushers::Format;
use crate::commands::CommandError;
use crate::commands::table::shown;

/// How much is read at once. 256 KiB.
const BUFFER: usize = 256 * 1024;

/// A file to import.
pub(crate) struct Input {
    /// What it is called where something is said about it.
    pub(crate) name: String,
    /// Its records.
    pub(crate) records: Records,
    /// How many bytes of it have been read.
    pub(crate) read: Arc<AtomicU64>,
    /// How long it is, if that can be known.
    pub(crate) length: Option<u64>,
}

impl Input {
    /// Opens the file; `-` is standard input.
    ///
    /// # Errors
    /// [`CommandError::Usage`] if it is not said what the file is, [`CommandError::Failed`] if it cannot be opened.
    pub(crate) fn open(path: &Path, format: Option<Format>) -> Result<Self, CommandError> {
        let piped = path.as_os_str() == "-";
        let name = if piped { "standard input".to_owned() } else { shown(&path.to_string_lossy()) };
        let Some(format) = format.or_else(|| by_name(path)) else {
            let said = format!("what {name} is cannot be told from its name: give --format csv or --format jsonl");
            return Err(CommandError::Usage(said));
        };
        let read = Arc::new(AtomicU64::new(0));
        if piped {
            let records = records(format, Counted { inner: stdin(), read: Arc::clone(&read) });
            return Ok(Self { name, records, read, length: None });
        }
        let failed = |error: io::Error| CommandError::Failed(format!("cannot open {name}: {error}"));
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(CommandError::Failed(format!("cannot import {name}: it is a directory")));
        }
        let length = Some(about.len()).filter(|_| about.is_file());
        let records = records(format, Counted { inner: file, read: Arc::clone(&read) });
        Ok(Self { name, records, read, length })
    }
}

fn by_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

fn records<R: Read + Send + 'static>(format: Format, file: Counted<R>) -> Records {
    let file = BufReader::with_capacity(BUFFER, file);
    match format {
        Format::Csv => table::records(file),
        Format::Jsonl => jsonl::records(file),
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_a_file_is() {
        for (name, format) in [
            ("people.csv", Some(Format::Csv)),
            ("a/b/PEOPLE.CSV", Some(Format::Csv)),
            ("people.jsonl", Some(Format::Jsonl)),
            ("people.ndjson", Some(Format::Jsonl)),
            ("people.json", None),
            ("csv", None),
            ("-", None),
        ] {
            assert_eq!(by_name(Path::new(name)), format, "{name}");
        }
    }
}
