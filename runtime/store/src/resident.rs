//! Giving mapped pages back, so that the process does not seem as large as its store.
//!
//! LMDB reads through a map of the whole file. Each page that was ever touched stays in the map and counts as memory of
//! this process, though it is the system's cache of the file and costs nothing while there is room. Who watches the
//! process, or kills the largest when memory runs out, goes by that count. So when it has grown, all of the map is let
//! go; what is needed again comes back from the system's cache a few pages at a time.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// So many bytes of files may be mapped in; the program itself is among them.
const MAPPED_BYTES: u64 = 96 << 20;
/// How often the writer looks, at most.
const INTERVAL: Duration = Duration::from_millis(250);

/// The map of a store.
pub(crate) struct Resident {
    map: Vec<Range<usize>>,
    looked: Instant,
}

impl Resident {
    /// Finds where the store in `dir` is mapped. Where that cannot be found out, nothing is ever given back.
    pub(crate) fn of(dir: &Path) -> Self {
        let map = fs::canonicalize(dir.join("data.mdb")).ok().and_then(|file| {
            let maps = fs::read_to_string("/proc/self/maps").ok()?;
            Some(maps.lines().filter_map(|line| range_of(line, &file)).collect())
        });
        Self { map: map.unwrap_or_default(), looked: Instant::now() }
    }

    /// Gives the pages back if there are many, and it is time to look.
    pub(crate) fn keep_small(&mut self) {
        if !self.map.is_empty() && self.looked.elapsed() >= INTERVAL {
            self.looked = Instant::now();
            if mapped_bytes().is_some_and(|mapped| mapped > MAPPED_BYTES) {
                self.give_back();
            }
        }
    }

    fn give_back(&self) {
        #[cfg(target_os = "linux")]
        for Range { start, end } in self.map.iter().cloned() {
            let (start, len) = (std::ptr::without_provenance_mut(start), end - start);
            // SAFETY: the range is LMDB's map of its file: shared, never written through (`WRITEMAP` is not set) and
            // mapped as long as the environment is open, which the writer outlives not. Letting go of its pages changes
            // no byte that anybody sees: the next access maps them in again from the file.
            #[expect(unsafe_code, reason = "giving back pages of LMDB's map; see SAFETY")]
            let given = unsafe { rustix::mm::madvise(start, len, rustix::mm::Advice::LinuxDontNeed) };
            if let Err(error) = given {
                tracing::debug!(%error, "mapped pages of the store cannot be given back");
            }
        }
    }
}

/// The addresses of a line of `/proc/self/maps` (proc_pid_maps(5)) that is about this file, read-only and shared.
fn range_of(line: &str, file: &Path) -> Option<Range<usize>> {
    let mut fields = line.splitn(6, ' ');
    let (addresses, rights) = (fields.next()?, fields.next()?);
    let path = fields.nth(3)?.trim_start();
    if rights != "r--s" || Path::new(path) != file {
        return None;
    }
    let (start, end) = addresses.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

/// How much of files is mapped in, by `/proc/self/statm` (proc_pid_statm(5)).
fn mapped_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(2)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use periodic::{Job, JobKey, JobOp, JobStore};

    use super::*;
    use crate::{Store, StoreOptions};

    const MIB: usize = 1 << 20;

    #[test]
    fn only_the_store_s_own_map_is_taken() {
        let file = Path::new("/a dir/data.mdb");
        let range = |line| range_of(line, file);
        assert_eq!(range("7f00-7fa0 r--s 00000000 fd:00 12   /a dir/data.mdb"), Some(0x7f00..0x7fa0));
        assert_eq!(range("7f00-7fa0 rw-s 00000000 fd:00 12   /a dir/data.mdb"), None, "it is written through");
        assert_eq!(range("7f00-7fa0 r--p 00000000 fd:00 12   /a dir/data.mdb"), None, "it is private");
        assert_eq!(range("7f00-7fa0 r--s 00000000 fd:00 12   /another/data.mdb"), None);
        assert_eq!(range("7f00-7fa0 r--s 00000000 00:00 0"), None);
    }

    /// How much of the file is mapped in, by `/proc/self/smaps`.
    fn mapped_of(file: &Path) -> usize {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let from = smaps.lines().skip_while(|line| range_of(line, file).is_none());
        let rss = from.skip(1).find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    #[tokio::test]
    async fn pages_that_were_read_are_given_back_with_the_next_writes_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let file = fs::canonicalize(dir.path().join("data.mdb")).unwrap();
        let large = |n: u8| Job {
            key: JobKey { func: "f".into(), name: vec![n].into() },
            workload: vec![n; MIB].into(),
            sched_at: 0,
            count: 0,
            timeout: 0,
        };
        for n in 0..128 {
            assert!(store.apply(vec![JobOp::Put(large(n))]).await[0].is_ok());
        }
        let seqs: Vec<_> = (1..=128).collect();
        assert_eq!(store.load(&seqs).await.unwrap().len(), 128);
        assert!(mapped_of(&file) > 100 * MIB, "reading has mapped {} bytes", mapped_of(&file));
        std::thread::sleep(2 * INTERVAL);
        assert!(store.apply(vec![JobOp::Put(large(200))]).await[0].is_ok());
        // The one answer comes before the writer has looked.
        assert!(store.apply(vec![JobOp::Put(large(201))]).await[0].is_ok());
        assert!(mapped_of(&file) < 16 * MIB, "{} bytes are still mapped", mapped_of(&file));
        let read = store.load(&seqs).await.unwrap();
        assert!(read.into_iter().zip(0..).all(|(job, n)| job == Some(large(n))));
    }
}
