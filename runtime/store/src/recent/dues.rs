//! When the newest jobs are due: the part of the index by due time that is in memory.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use periodic::Seq;

/// When a job is due, in unix seconds, and its number.
pub(super) type Due = (i64, Seq);

/// What an entry will take on the disk beside its func: length, time, number, and what LMDB adds.
const ENTRY_BYTES: u64 = 1 + 8 + 8 + 10;

/// The entries, by func.
#[derive(Default)]
pub(super) struct Dues {
    funcs: HashMap<Arc<[u8]>, FuncDues>,
    len: usize,
    bytes: u64,
}

struct FuncDues {
    func: Arc<[u8]>,
    dues: BTreeSet<Due>,
}

impl Dues {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How much room the entries will take on the disk.
    pub(super) fn bytes_to_come(&self) -> u64 {
        self.bytes
    }

    /// Adds an entry that is not there. Its func, as it is kept.
    pub(super) fn insert(&mut self, func: &[u8], due: Due) -> Arc<[u8]> {
        self.len += 1;
        self.bytes += entry_bytes(func);
        if let Some(kept) = self.funcs.get_mut(func) {
            kept.dues.insert(due);
            return Arc::clone(&kept.func);
        }
        let func: Arc<[u8]> = func.into();
        let new = FuncDues { func: Arc::clone(&func), dues: BTreeSet::from([due]) };
        self.funcs.insert(Arc::clone(&func), new);
        func
    }

    /// Takes an entry out; its func, or `None` if it was not there.
    pub(super) fn remove(&mut self, func: &[u8], due: Due) -> Option<Arc<[u8]>> {
        let kept = self.funcs.get_mut(func)?;
        if !kept.dues.remove(&due) {
            return None;
        }
        self.len -= 1;
        self.bytes -= entry_bytes(func);
        let is_last = kept.dues.is_empty();
        let name = Arc::clone(&kept.func);
        if is_last {
            self.funcs.remove(func);
        }
        Some(name)
    }

    /// The entries of a func behind `after`, in order.
    pub(super) fn of(&self, func: &[u8], after: Option<Due>) -> impl Iterator<Item = Due> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.funcs.get(func).into_iter().flat_map(move |kept| kept.dues.range((start, Bound::Unbounded))).copied()
    }
}

fn entry_bytes(func: &[u8]) -> u64 {
    // Its page may be half full.
    2 * (ENTRY_BYTES + func.len() as u64)
}
