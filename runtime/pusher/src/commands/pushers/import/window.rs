//! A part of the file that is sorted by id before it is cut into requests.
//!
//! The database keeps recipients in the order of their ids. A request whose lines lie all over it changes nearly as many
//! pages as it has lines, and each is written anew; lines that lie side by side share pages. So even a part of a large
//! file, sorted, is imported several times as fast as the same lines in no order.

use super::record::Record;

/// A window holds so many requests' lines.
const REQUESTS: usize = 30;
/// Nor does it take another record when it holds so many bytes, all of which are in memory. 128 MiB.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// The part of the file that is being read.
pub(crate) struct Window {
    records: Vec<Record>,
    bytes: usize,
    most: usize,
}

impl Window {
    /// For requests of at most `lines` records.
    pub(crate) fn new(lines: usize) -> Self {
        Self { records: Vec::new(), bytes: 0, most: lines.saturating_mul(REQUESTS) }
    }

    /// Adds the next record; is it full now?
    pub(crate) fn add(&mut self, record: Record) -> bool {
        let length = record.json.as_ref().map_or_else(String::len, String::len);
        self.bytes += length + record.id.as_ref().map_or(0, String::len);
        self.records.push(record);
        self.records.len() >= self.most || self.bytes >= MAX_BYTES
    }

    /// Takes the records out, by id, and the line that the last one in the file begins on. Two about one recipient keep
    /// their order, so that the later one comes later. First come those that are wrong, as they came.
    pub(crate) fn take(&mut self) -> Option<(Vec<Record>, u64)> {
        let mut records = std::mem::take(&mut self.records);
        self.bytes = 0;
        let through = records.last()?.line;
        records.sort_by(|one, other| place(one).cmp(&place(other)));
        Some((records, through))
    }
}

/// What a window is sorted by. `None`: it is wrong.
fn place(record: &Record) -> Option<Option<&str>> {
    record.json.is_ok().then_some(record.id.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(line: u64, id: Option<&str>, json: Result<&str, &str>) -> Record {
        Record { line, id: id.map(Into::into), json: json.map(Into::into).map_err(Into::into) }
    }

    fn taken(window: &mut Window) -> (Vec<u64>, u64) {
        let (records, through) = window.take().unwrap();
        (records.iter().map(|record| record.line).collect(), through)
    }

    #[test]
    fn records_come_by_id_and_those_of_one_id_as_they_came() {
        let mut window = Window::new(1);
        for (line, id) in [(1, "b"), (3, "a"), (4, "b"), (6, "a"), (7, "B")] {
            assert!(!window.add(record(line, Some(id), Ok("{}"))));
        }
        assert_eq!(taken(&mut window), (vec![7, 3, 6, 1, 4], 7));
        assert_eq!(window.take(), None);
    }

    #[test]
    fn what_is_wrong_comes_first_in_its_own_order() {
        let mut window = Window::new(1);
        window.add(record(1, Some("b"), Ok("{}")));
        window.add(record(2, Some("z"), Err("why")));
        window.add(record(3, None, Ok("{}")));
        window.add(record(4, Some("a"), Err("why")));
        assert_eq!(taken(&mut window), (vec![2, 4, 3, 1], 4));
    }

    #[test]
    fn a_window_has_a_limit_of_lines_and_one_of_bytes() {
        let mut window = Window::new(2);
        let full: Vec<_> = (1..=60).filter(|line| window.add(record(*line, None, Ok("{}")))).collect();
        assert_eq!(full, [60]);
        window.take();
        let long = "x".repeat(MAX_BYTES / 4);
        let full: Vec<_> = (1..=4).filter(|line| window.add(record(*line, Some("a"), Ok(&long)))).collect();
        assert_eq!(full, [4]);
    }
}
