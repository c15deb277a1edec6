//! A file of JSON lines. They are sent as they stand: the server knows what a record may hold, and says what is wrong.

use std::io::BufRead;

use serde::Deserialize;

use super::lines::Lines;
use super::record::{ReadError, Record, Records};

/// The records of `file`. Blank lines are passed over.
pub(crate) fn records<R: BufRead + Send + 'static>(file: R) -> Records {
    let mut lines = Lines::new(file);
    Box::new(std::iter::from_fn(move || {
        loop {
            match lines.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(ReadError(error.to_string()))),
            }
            let text = lines.line().trim_ascii();
            if !text.is_empty() {
                return Some(Ok(record(lines.number(), text)));
            }
        }
    }))
}

fn record(line: u64, text: &[u8]) -> Record {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return Record { line, id: None, json: Err("the line is not UTF-8 text".to_owned()) };
    };
    let id = serde_json::from_str::<Named>(text).ok().map(|named| named.id);
    Record { line, id, json: Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_as_they_stand_under_their_own_numbers() {
        let file = b"{\"id\":\"a\"}\r\n\n  \n {\"x\": 1} \n\xff\nlast" as &[u8];
        let records: Vec<_> = records(file).map(Result::unwrap).collect();
        let sent = |line, id: Option<&str>, json: &str| Record { line, id: id.map(Into::into), json: Ok(json.into()) };
        assert_eq!(records[0], sent(1, Some("a"), "{\"id\":\"a\"}"));
        assert_eq!(records[1], sent(4, None, "{\"x\": 1}"));
        assert_eq!((records[2].line, records[2].json.is_err()), (5, true));
        assert_eq!(records[3], sent(6, None, "last"));
        assert_eq!(records.len(), 4);
    }
}
