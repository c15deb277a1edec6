//! Which hashes may be in the index by name on the disk.

use heed::RoTxn;

use crate::tables::Tables;

/// How many bits of a hash are told apart: two million bytes.
const BITS: u32 = 24;

/// A bit for each beginning of a hash: not set, no entry on the disk has such a hash. Most names that are looked for are new,
/// and the index on the disk is looked at for few of them then: of a million entries a hash meets one bit in sixteen.
///
/// A bit that was set stays so until the index on the disk is empty, so that nothing has to be undone with a transaction.
pub(super) struct OnDisk {
    bits: Vec<u64>,
    is_any_set: bool,
}

impl OnDisk {
    /// Reads the index: a fifth of a second for ten million entries.
    pub(super) fn load(tables: &Tables, txn: &RoTxn) -> heed::Result<Self> {
        let mut all = Self { bits: vec![0; 1 << (BITS - u64::BITS.ilog2())], is_any_set: false };
        for entry in tables.job_index.iter(txn)? {
            let (hash, _) = entry?;
            all.set(hash);
        }
        Ok(all)
    }

    /// An entry with this hash is about to be there.
    pub(super) fn set(&mut self, hash: u64) {
        let (word, bit) = place(hash);
        self.bits[word] |= bit;
        self.is_any_set = true;
    }

    /// May there be an entry with this hash?
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let (word, bit) = place(hash);
        self.is_any_set && self.bits[word] & bit != 0
    }

    /// Forgets all, if there is no entry now that `txn` begins.
    pub(super) fn begin(&mut self, tables: &Tables, txn: &RoTxn) -> heed::Result<()> {
        if self.is_any_set && tables.job_index.is_empty(txn)? {
            self.bits.fill(0);
            self.is_any_set = false;
        }
        Ok(())
    }
}

/// The word that has the bit of a hash, and the bit in it.
fn place(hash: u64) -> (usize, u64) {
    let beginning = hash >> (u64::BITS - BITS);
    ((beginning / u64::from(u64::BITS)) as usize, 1 << (beginning % u64::from(u64::BITS)))
}
