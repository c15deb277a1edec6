//! The file in portions, each of them one request: read, sorted part by part ([`Window`]) and cut by a thread of its own,
//! because a file and standard input can only be waited for.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pusher::client::Batch;
use tokio::sync::mpsc;

use super::lines::MAX_RECORD;
use super::record::{ReadError, Record, Records};
use super::window::Window;

/// The most bytes in a request, unless a single record is longer. 8 MiB, half of what the server takes: requests in
/// flight and those being made are all in memory.
const MAX_BYTES: usize = 8 * 1024 * 1024;

const _: () = assert!(MAX_RECORD <= MAX_BYTES);

/// What is sent at once, and what is known about it.
#[derive(Default)]
pub(crate) struct Portion {
    /// The records.
    pub(crate) batch: Batch,
    /// For each record in the batch the line it begins on, and its id.
    pub(crate) sources: Vec<Source>,
    /// Those that need not be sent, because they are wrong.
    pub(crate) wrong: Vec<(Source, String)>,
    /// Whom the batch is about, by hash.
    pub(crate) ids: HashSet<u64>,
    /// The last line of the file that is done, with all before it, when this portion is and all before it: portions are
    /// made of a sorted part of the file, so that is known only of the last portion of a part.
    pub(crate) through: u64,
    /// How much of the file is done then, roughly.
    pub(crate) bytes: u64,
}

/// Where a record comes from.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The line it begins on.
    pub(crate) line: u64,
    /// Its id, as far as it can be told here.
    pub(crate) id: Option<String>,
}

/// Cuts `records` into portions of at most `lines` records. `read` counts the bytes of the file as they are read. The
/// thread ends when there is no more, after an error, or when nobody takes what it cuts.
///
/// # Errors
/// If the thread cannot be started.
pub(crate) fn cut(
    records: Records,
    lines: usize,
    read: Arc<AtomicU64>,
) -> std::io::Result<mpsc::Receiver<Result<Portion, ReadError>>> {
    let (send, receive) = mpsc::channel(1);
    let hasher = RandomState::new();
    let mut cutter = Cutter { send, lines, read, hasher, through: 0, bytes: 0 };
    // Not one of the runtime's threads: it may wait for standard input for ever, and the process must not wait for it.
    std::thread::Builder::new().name("import".to_owned()).spawn(move || {
        let mut window = Window::new(lines);
        for record in records {
            match record {
                Ok(record) => {
                    if window.add(record) && !cutter.cut(&mut window) {
                        return;
                    }
                }
                Err(error) => {
                    // What was read before the error is good.
                    if cutter.cut(&mut window) {
                        cutter.send(Err(error));
                    }
                    return;
                }
            }
        }
        cutter.cut(&mut window);
    })?;
    Ok(receive)
}

/// Makes portions of windows.
struct Cutter {
    send: mpsc::Sender<Result<Portion, ReadError>>,
    /// Most records in a portion.
    lines: usize,
    /// How many bytes of the file have been read.
    read: Arc<AtomicU64>,
    hasher: RandomState,
    /// The last line of the windows before.
    through: u64,
    /// How many bytes had been read then.
    bytes: u64,
}

impl Cutter {
    /// Hands on what is in the window, in portions. `false`: nobody takes them any more.
    fn cut(&mut self, window: &mut Window) -> bool {
        let Some((records, through)) = window.take() else { return true };
        let (all, read) = (records.len() as u64, self.read.load(Ordering::Relaxed));
        let mut portion = Portion::default();
        for (record, number) in records.into_iter().zip(0..) {
            if portion.is_full(&record, self.lines) {
                portion.through = self.through;
                portion.bytes = self.bytes + (read - self.bytes) * number / all;
                if !self.send(Ok(std::mem::take(&mut portion))) {
                    return false;
                }
            }
            portion.add(record, &self.hasher);
        }
        (portion.through, portion.bytes) = (through, read);
        (self.through, self.bytes) = (through, read);
        self.send(Ok(portion))
    }

    fn send(&self, portion: Result<Portion, ReadError>) -> bool {
        self.send.blocking_send(portion).is_ok()
    }
}

impl Portion {
    /// Is there no room for `record`?
    fn is_full(&self, record: &Record, lines: usize) -> bool {
        let length = record.json.as_ref().map_or(0, String::len) + 1;
        self.batch.lines() == lines
            || self.wrong.len() == lines
            || (!self.batch.is_empty() && self.batch.bytes() + length > MAX_BYTES)
    }

    fn add(&mut self, Record { line, id, json }: Record, hasher: &RandomState) {
        let hash = id.as_deref().map(|id| hasher.hash_one(id));
        let source = Source { line, id };
        match json.and_then(|json| self.batch.add_line(&json).map_err(|error| error.to_string())) {
            Ok(()) => {
                self.ids.extend(hash);
                self.sources.push(source);
            }
            Err(reason) => self.wrong.push((source, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portions(records: Vec<Result<Record, ReadError>>, lines: usize) -> Vec<Result<Portion, ReadError>> {
        let mut cut = cut(Box::new(records.into_iter()), lines, Arc::default()).unwrap();
        std::iter::from_fn(|| cut.blocking_recv()).collect()
    }

    fn record(line: u64, json: &str) -> Result<Record, ReadError> {
        Ok(Record { line, id: Some(format!("id {line}")), json: Ok(json.to_owned()) })
    }

    fn shape(portions: &[Result<Portion, ReadError>]) -> Vec<(usize, u64)> {
        portions.iter().map(|p| p.as_ref().map_or((0, 0), |p| (p.batch.lines(), p.through))).collect()
    }

    #[test]
    fn portions_have_a_limit_of_lines_and_one_of_bytes() {
        let five: Vec<_> = (1..=5).map(|line| record(line, "{}")).collect();
        assert_eq!(shape(&portions(five, 2)), [(2, 0), (2, 0), (1, 5)]);
        let long = "x".repeat(MAX_BYTES / 2);
        let long: Vec<_> = (1..=3).map(|line| record(line, &long)).collect();
        assert_eq!(shape(&portions(long, 10_000)), [(1, 0), (1, 0), (1, 3)]);
    }

    #[test]
    fn only_the_end_of_a_sorted_part_says_that_everything_before_it_is_done() {
        let backwards = (1..=72)
            .map(|line| Ok(Record { line, id: Some(format!("id {:02}", 99 - line)), json: Ok("{}".to_owned()) }));
        let all = portions(backwards.collect(), 1);
        let lines: Vec<_> = all.iter().map(|portion| portion.as_ref().unwrap().sources[0].line).collect();
        let sorted: Vec<_> = (1..=30).rev().chain((31..=60).rev()).chain((61..=72).rev()).collect();
        assert_eq!(lines, sorted);
        let through: Vec<_> = all.iter().map(|portion| portion.as_ref().unwrap().through).collect();
        let expected = [vec![0; 29], vec![30; 30], vec![60; 12], vec![72]].concat();
        assert_eq!(through, expected);
    }

    #[test]
    fn what_came_before_an_error_is_kept() {
        let error = ReadError("gone".into());
        let all = portions(vec![record(1, "{}"), Err(error.clone())], 10);
        assert_eq!(shape(&all), [(1, 1), (0, 0)]);
        assert_eq!(all[1].as_ref().err(), Some(&error));
    }

    #[test]
    fn what_is_wrong_is_not_sent() {
        let wrong = Record { line: 2, id: None, json: Err("why".into()) };
        let all = portions(vec![record(1, "{}"), Ok(wrong)], 10);
        let portion = all[0].as_ref().unwrap();
        assert_eq!((portion.batch.lines(), portion.sources[0].line, portion.ids.len()), (1, 1, 1));
        assert_eq!((portion.wrong[0].0.line, portion.wrong[0].1.as_str(), portion.through), (2, "why", 2));
    }
}
