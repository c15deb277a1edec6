//! What became of the lines of a file: counted, and those that failed told one by one.

use std::fs::File;
use std::io::{BufWriter, Write, stderr};
use std::path::Path;

use indicatif::ProgressBar;
use pusher::client::BulkReport;
use serde::Serialize;

use super::portion::Source;
use crate::commands::CommandError;
use crate::commands::table::shown;

/// How many records came to what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) created: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    pub(crate) failed: u64,
}

impl Counts {
    pub(crate) fn total(self) -> u64 {
        self.created + self.changed + self.unchanged + self.failed
    }
}

/// Keeps count, tells failures on standard error and, if there is one, writes them to a file.
pub(crate) struct Report {
    /// What the imported file is called.
    name: String,
    counts: Counts,
    errors: Option<ErrorFile>,
    bar: ProgressBar,
}

/// The file that takes the failures.
struct ErrorFile {
    name: String,
    file: BufWriter<File>,
}

/// A line of that file.
#[derive(Serialize)]
struct Wrong<'a> {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    err: &'a str,
}

impl Report {
    /// Nothing has happened yet. The file for failures is created, or emptied, at once.
    ///
    /// # Errors
    /// If that cannot be.
    pub(crate) fn new(name: String, errors: Option<&Path>, bar: ProgressBar) -> Result<Self, CommandError> {
        let errors = errors.map(ErrorFile::create).transpose()?;
        Ok(Self { name, counts: Counts::default(), errors, bar })
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// These were not sent, because they are wrong.
    ///
    /// # Errors
    /// If the file for failures cannot be written.
    pub(crate) fn wrong(&mut self, wrong: &[(Source, String)]) -> Result<(), CommandError> {
        self.counts.failed += wrong.len() as u64;
        self.tell(&wrong.iter().map(|(source, reason)| (source, reason.as_str())).collect::<Vec<_>>())
    }

    /// So many of these are in force; the others are to be sent again, and will be told of then.
    pub(crate) fn begun(&mut self, report: &BulkReport) {
        self.counts.created += report.created;
        self.counts.changed += report.changed;
        self.counts.unchanged += report.unchanged;
    }

    /// These were sent, and this is what the server did with them.
    ///
    /// # Errors
    /// If the file for failures cannot be written.
    pub(crate) fn answered(&mut self, sources: &[Source], report: &BulkReport) -> Result<(), CommandError> {
        self.begun(report);
        self.counts.failed += report.failed;
        let failed = sources.iter().zip(&report.results);
        let failed = failed.filter_map(|(source, result)| Some((source, result.outcome.as_ref().err()?.as_str())));
        self.tell(&failed.collect::<Vec<_>>())
    }

    /// So much of the file is done.
    pub(crate) fn progress(&self, bytes: u64) {
        if self.bar.length().is_some() {
            self.bar.set_position(bytes.max(self.bar.position()));
            self.bar.set_message(format!("{} lines", self.counts.total()));
        } else {
            self.bar.set_position(self.counts.total());
        }
    }

    /// A person should know this.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| drop(writeln!(stderr(), "pusher: {line}")));
    }

    /// No more happens.
    ///
    /// # Errors
    /// If the file for failures cannot be written.
    pub(crate) fn finish(&mut self) -> Result<(), CommandError> {
        self.bar.finish_and_clear();
        self.errors.as_mut().map_or(Ok(()), ErrorFile::flush)
    }

    fn tell(&mut self, failed: &[(&Source, &str)]) -> Result<(), CommandError> {
        if failed.is_empty() {
            return Ok(());
        }
        self.bar.suspend(|| {
            let mut out = stderr().lock();
            for (Source { line, id }, reason) in failed {
                let id = id.as_deref().map(|id| format!("{}: ", shown(id))).unwrap_or_default();
                // A closed standard error is no reason to stop importing.
                drop(writeln!(out, "{}:{line}: {id}{}", self.name, shown(reason)));
            }
        });
        let Some(errors) = &mut self.errors else { return Ok(()) };
        failed.iter().try_for_each(|(source, reason)| errors.write(source, reason))
    }
}

impl ErrorFile {
    fn create(path: &Path) -> Result<Self, CommandError> {
        let name = shown(&path.to_string_lossy());
        match File::create(path) {
            Ok(file) => Ok(Self { name, file: BufWriter::new(file) }),
            Err(error) => Err(CommandError::Failed(format!("--errors: cannot create {name}: {error}"))),
        }
    }

    fn write(&mut self, Source { line, id }: &Source, reason: &str) -> Result<(), CommandError> {
        let text = serde_json::to_string(&Wrong { line: *line, id: id.as_deref(), err: reason });
        let written = text.map_err(Into::into).and_then(|text| writeln!(self.file, "{text}"));
        written.map_err(|error| self.failed(&error))
    }

    fn flush(&mut self) -> Result<(), CommandError> {
        self.file.flush().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> CommandError {
        CommandError::Failed(format!("--errors: cannot write {}: {error}", self.name))
    }
}
