//! Where a command's words go: sentences and tables for people, the API's JSON for programs.

use std::io::{BufWriter, Stdout, Write, stdout};

use pusher::core::gojson;
use serde::Serialize;

use super::CommandError;

/// Standard output, and who reads it.
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    json: bool,
}

/// What the API answers when there is nothing to tell but that it was done.
#[derive(Serialize)]
struct Done {
    result: &'static str,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { out: BufWriter::new(stdout()), json }
    }

    /// Is a program reading?
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line, for whoever reads.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), CommandError> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// An object of the API's, on one line.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), CommandError> {
        let text = gojson::to_string(object).map_err(|error| CommandError::Failed(error.to_string()))?;
        self.line(&text)
    }

    /// What was done: `sentence` for people, `object` for programs.
    pub(crate) fn answer(&mut self, object: &impl Serialize, sentence: &str) -> Result<(), CommandError> {
        if self.json { self.object(object) } else { self.line(sentence) }
    }

    /// Something was done, and there is nothing more to tell about it.
    pub(crate) fn done(&mut self, sentence: &str) -> Result<(), CommandError> {
        self.answer(&Done { result: "OK" }, sentence)
    }

    /// Everything goes out.
    pub(crate) fn flush(&mut self) -> Result<(), CommandError> {
        Ok(self.out.flush()?)
    }
}

/// As a writer, for those who bring their own form.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
