//! A file as the lines it is made of, one at a time and none longer than a limit, so that no file is ever whole in
//! memory, whatever it is.

use std::io::{self, BufRead, ErrorKind, Read};

/// The longest line, and the longest record of several lines. 8 MiB: what one request carries at most.
pub(crate) const MAX_RECORD: usize = 8 * 1024 * 1024;

/// The lines of a file, each with its end; a byte order mark at the beginning is passed over.
pub(crate) struct Lines<R> {
    file: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(file: R) -> Self {
        Self { file, line: Vec::new(), number: 0 }
    }

    /// Goes to the next line; is there one?
    ///
    /// # Errors
    /// If the file cannot be read, or the line is longer than [`MAX_RECORD`].
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        (&mut self.file).take(MAX_RECORD as u64 + 1).read_until(b'\n', &mut self.line)?;
        if self.line.len() > MAX_RECORD {
            return Err(too_long(self.number + 1));
        }
        if self.line.is_empty() {
            return Ok(false);
        }
        self.number += 1;
        if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        Ok(true)
    }

    /// The line, as it is in the file.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Which line it is, counted from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// What begins at `line` is longer than a record may be.
pub(crate) fn too_long(line: u64) -> io::Error {
    let said = format!("what begins on line {line} is longer than {} MiB", MAX_RECORD >> 20);
    io::Error::new(ErrorKind::InvalidData, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Lines::new(file);
        std::iter::from_fn(|| lines.advance().unwrap().then(|| (lines.number(), lines.line().to_vec()))).collect()
    }

    #[test]
    fn lines_are_counted_and_the_last_need_not_end() {
        assert_eq!(lines(b"a\n\nb"), [(1, b"a\n".to_vec()), (2, b"\n".to_vec()), (3, b"b".to_vec())]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_file() {
        assert_eq!(lines("\u{feff}a\n\u{feff}b".as_bytes()), [(1, b"a\n".to_vec()), (2, "\u{feff}b".into())]);
    }

    #[test]
    fn a_line_that_never_ends_is_not_read_to_its_end() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        let mut lines = Lines::new(endless);
        let error = lines.advance().unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("8 MiB"), "{error}");
    }
}
