//! A file that is a table: CSV after RFC 4180, its first line naming the columns.

use std::io::{self, BufRead, ErrorKind, Read};

use csv::{ByteRecord, ReaderBuilder};
use pusher::client::BulkLine;

use super::super::csv::{COLUMNS, items};
use super::lines::{Lines, MAX_RECORD, too_long};
use super::record::{ReadError, Record, Records};

/// Gives the CSV reader one line of the file at a time, so that it is known on which line a record begins (the reader's
/// own count is off where lines end in CR LF, or are blank), and that no record is longer than it may be.
struct Feeder<R> {
    lines: Lines<R>,
    /// How much of the line has been given.
    given: usize,
    /// The first line of the record that is not blank, once it was given.
    begins: Option<u64>,
    /// How much was given since the record began.
    length: usize,
}

impl<R: BufRead> Read for Feeder<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.lines.line().len() {
            self.given = 0;
            if !self.lines.advance()? {
                return Ok(0);
            }
            self.length += self.lines.line().len();
            if self.begins.is_none() && !self.lines.line().trim_ascii().is_empty() {
                self.begins = Some(self.lines.number());
            }
            if self.length > MAX_RECORD {
                return Err(too_long(self.begins.unwrap_or(self.lines.number())));
            }
        }
        let read = (&self.lines.line()[self.given..]).read(into)?;
        self.given += read;
        Ok(read)
    }
}

/// A table that is being read.
struct Table<R> {
    reader: csv::Reader<Feeder<R>>,
    /// Which of [`COLUMNS`] each column of the table is; empty before the head was read.
    head: Vec<usize>,
    row: ByteRecord,
    ended: bool,
}

/// The records of `file`.
pub(crate) fn records<R: BufRead + Send + 'static>(file: R) -> Records {
    let feeder = Feeder { lines: Lines::new(file), given: 0, begins: None, length: 0 };
    // Rows that are too short or too long are told apart below, in words that say which line.
    let reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(feeder);
    let mut table = Table { reader, head: Vec::new(), row: ByteRecord::new(), ended: false };
    Box::new(std::iter::from_fn(move || {
        if table.ended {
            return None;
        }
        let next = table.next().transpose();
        table.ended = !matches!(next, Some(Ok(_)));
        next
    }))
}

impl<R: BufRead> Table<R> {
    fn next(&mut self) -> Result<Option<Record>, ReadError> {
        if self.head.is_empty() {
            if self.advance()?.is_none() {
                return Err(ReadError(format!("the table is empty: its first line names the columns {}", names())));
            }
            self.head = head(&self.row)?;
        }
        Ok(self.advance()?.map(|line| record(line, &self.head, &self.row)))
    }

    /// Goes to the next row; the line it begins on, if there is one.
    fn advance(&mut self) -> Result<Option<u64>, ReadError> {
        let feeder = self.reader.get_mut();
        // A row may begin in the middle of a line: behind a lone CR, which ends a row as well.
        let line = feeder.lines.number();
        (feeder.begins, feeder.length) = (None, 0);
        match self.reader.read_byte_record(&mut self.row) {
            Ok(true) => Ok(Some(self.reader.get_ref().begins.unwrap_or(line))),
            Ok(false) => Ok(None),
            Err(error) => Err(ReadError(match error.into_kind() {
                csv::ErrorKind::Io(error) if error.kind() == ErrorKind::InvalidData => {
                    format!("{error}; is a quotation mark missing?")
                }
                csv::ErrorKind::Io(error) => error.to_string(),
                other => format!("the table cannot be read: {other:?}"),
            })),
        }
    }
}

fn names() -> String {
    COLUMNS.join(", ")
}

/// Which column is which.
fn head(row: &ByteRecord) -> Result<Vec<usize>, ReadError> {
    let mut head = Vec::new();
    for name in row {
        let name = String::from_utf8_lossy(name.trim_ascii());
        let Some(column) = COLUMNS.iter().position(|known| *known == name) else {
            return Err(ReadError(format!("there is no column {name:?}: the columns are {}", names())));
        };
        if head.contains(&column) {
            return Err(ReadError(format!("the column {name:?} is there twice")));
        }
        head.push(column);
    }
    if head.contains(&0) { Ok(head) } else { Err(ReadError("the column \"id\" is missing".to_owned())) }
}

/// The row as a line of JSON. A column that is not there leaves what is there.
fn record(line: u64, head: &[usize], fields: &ByteRecord) -> Record {
    let mut row = BulkLine::default();
    let json = fill(&mut row, head, fields)
        .and_then(|()| serde_json::to_string(&row).map_err(|error| format!("the row has no JSON form: {error}")));
    Record { line, id: Some(row.id).filter(|id| !id.is_empty()).map(ToOwned::to_owned), json }
}

fn fill<'a>(row: &mut BulkLine<'a>, head: &[usize], fields: &'a ByteRecord) -> Result<(), String> {
    if fields.len() != head.len() {
        return Err(format!("the row has {} fields, and the head has {}", fields.len(), head.len()));
    }
    for (field, &column) in fields.iter().zip(head) {
        let Ok(cell) = std::str::from_utf8(field) else {
            return Err(format!("{} is not UTF-8 text", COLUMNS[column]));
        };
        match COLUMNS[column] {
            "id" => row.id = cell,
            "email" => row.email = Some(cell),
            "nickname" => row.nickname = Some(cell),
            "phoneNumber" => row.phone_number = Some(cell),
            "senders" => row.senders = Some(items(cell)),
            "tags" => row.tags = Some(items(cell)),
            _ if cell.is_empty() => row.created_at = Some(0),
            name => {
                let seconds = cell.parse().map_err(|_| format!("{name} {cell:?} is not a number of Unix seconds"))?;
                row.created_at = Some(seconds);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(table: &str) -> Vec<Record> {
        records(io::Cursor::new(table.to_owned())).map(Result::unwrap).collect()
    }

    fn lines(table: &str) -> Vec<u64> {
        read(table).iter().map(|record| record.line).collect()
    }

    fn fails(table: impl Into<Vec<u8>>) -> String {
        let mut all = records(io::Cursor::new(table.into()));
        let error = all.find_map(Result::err).unwrap().to_string();
        assert_eq!(all.next(), None, "nothing comes after an error");
        error
    }

    #[test]
    fn a_row_says_what_its_columns_say_and_no_more() {
        let all = "id,email,nickname,phoneNumber,senders,tags,createdAt\na/b,a@b.c,\"L \"\"u\"\"\n, x\",1,s;t,,7\n";
        let json = r#"{"id":"a/b","email":"a@b.c","nickname":"L \"u\"\n, x","phoneNumber":"1","senders":["s","t"],"tags":[],"createdAt":7}"#;
        assert_eq!(read(all), [Record { line: 2, id: Some("a/b".into()), json: Ok(json.into()) }]);
        let some = read("tags, id\nvip,日本\n");
        assert_eq!(some[0].json.as_deref(), Ok(r#"{"id":"日本","tags":["vip"]}"#));
        assert_eq!(read("id,createdAt\nx,\n")[0].json.as_deref(), Ok(r#"{"id":"x","createdAt":0}"#));
    }

    #[test]
    fn a_row_is_found_on_the_line_it_begins_on() {
        assert_eq!(lines("id\na\nb\nc"), [2, 3, 4]);
        assert_eq!(lines("id\r\na\r\nb\r\nc\r\n"), [2, 3, 4]);
        assert_eq!(lines("\n\nid\n\n\na\n\nb\n"), [6, 8]);
        assert_eq!(lines("id\r\n\r\n\"a\r\n\r\nb\"\r\nc\r\n"), [3, 6]);
        assert_eq!(lines("id\ra\rb\n"), [1, 1]);
        assert_eq!(lines("\u{feff}id\na\n"), [2]);
    }

    #[test]
    fn a_row_that_is_wrong_does_not_stop_the_others() {
        let table = b"id,createdAt\na,yesterday\nb\nc,1,2\n\xff,1\nd,-1\n".to_vec();
        let records: Vec<_> = records(io::Cursor::new(table)).map(Result::unwrap).collect();
        let reasons: Vec<_> = records.iter().map(|r| (r.line, r.json.clone().err().unwrap_or_default())).collect();
        assert_eq!(
            reasons,
            [
                (2, "createdAt \"yesterday\" is not a number of Unix seconds".into()),
                (3, "the row has 1 fields, and the head has 2".into()),
                (4, "the row has 3 fields, and the head has 2".into()),
                (5, "id is not UTF-8 text".into()),
                (6, String::new())
            ]
        );
        assert_eq!(records[0].id.as_deref(), Some("a"));
    }

    #[test]
    fn a_head_that_is_wrong_is_refused_in_words() {
        for (table, said) in [
            ("", "first line names the columns id, email"),
            ("id,mail\n", "no column \"mail\""),
            ("id;email\n", "no column \"id;email\""),
            ("id,id\n", "\"id\" is there twice"),
            ("email\nx\n", "\"id\" is missing"),
        ] {
            let error = fails(table);
            assert!(error.contains(said), "{table:?}: {error}");
        }
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_does_not_swallow_the_file() {
        let mut table = "id\n\"a\n".to_owned();
        while table.len() < 2 * MAX_RECORD {
            table.push_str(&"row\n".repeat(1000));
        }
        let error = fails(table);
        assert!(error.contains("line 2") && error.contains("quotation mark"), "{error}");
    }
}
