//! Under which hashes the newest jobs are found: the part of the index by name that is in memory.

use periodic::Seq;

use super::frontier::Name;

/// How many bits of a hash say in which bucket its entries are: a few entries in each when memory is full.
const BUCKET_BITS: u32 = 14;

/// The entries, in buckets by the first bits of their hashes. Each job that is put looks for its name here, mostly for
/// nothing: it reads a bucket from one end to the other, where a tree would have to be walked down. The buckets have the
/// order of the hashes, and what is moved is sorted bucket by bucket.
pub(super) struct Names {
    buckets: Vec<Vec<Name>>,
    len: usize,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry that is not there.
    pub(super) fn insert(&mut self, name: Name) {
        self.buckets[bucket(name)].push(name);
        self.len += 1;
    }

    /// Takes an entry out; false: it was not there.
    pub(super) fn remove(&mut self, name: Name) -> bool {
        let bucket = &mut self.buckets[bucket(name)];
        let Some(at) = bucket.iter().position(|there| *there == name) else { return false };
        bucket.swap_remove(at);
        self.len -= 1;
        true
    }

    /// The numbers of the jobs with this hash.
    pub(super) fn with_hash(&self, hash: u64) -> impl Iterator<Item = Seq> {
        self.buckets[bucket((hash, 0))].iter().filter(move |(there, _)| *there == hash).map(|(_, seq)| *seq)
    }

    /// The first `many` entries behind this one that are asked for, in their order.
    pub(super) fn behind(&self, last: Name, many: usize, is_asked_for: impl Fn(Name) -> bool) -> Vec<Name> {
        let mut found = Vec::with_capacity(many);
        for bucket in &self.buckets[bucket(last)..] {
            let first = found.len();
            found.extend(bucket.iter().copied().filter(|name| *name > last && is_asked_for(*name)));
            found[first..].sort_unstable();
            if found.len() >= many {
                found.truncate(many);
                break;
            }
        }
        found
    }
}

impl FromIterator<Name> for Names {
    fn from_iter<I: IntoIterator<Item = Name>>(names: I) -> Self {
        let mut all = Self { buckets: vec![Vec::new(); 1 << BUCKET_BITS], len: 0 };
        names.into_iter().for_each(|name| all.insert(name));
        all
    }
}

fn bucket((hash, _): Name) -> usize {
    (hash >> (u64::BITS - BUCKET_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Hashes of which some are the same and some share a bucket.
    fn hash() -> impl Strategy<Value = u64> {
        prop_oneof![0..4_u64, any::<u64>(), (0..4_u64).prop_map(|n| u64::MAX - n), (0..4_u64).prop_map(|n| n << 50)]
    }

    proptest! {
        #[test]
        fn it_has_what_a_sorted_set_has(
            hashes in prop::collection::vec(hash(), 0..60), gone in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            after in hash(), many in 0..20_usize,
        ) {
            let all: Vec<Name> = hashes.into_iter().zip(1..).collect();
            let (mut names, mut set): (Names, BTreeSet<Name>) = (all.iter().copied().collect(), all.iter().copied().collect());
            for index in gone.iter().filter(|_| !all.is_empty()) {
                let name = *index.get(&all);
                prop_assert_eq!(names.remove(name), set.remove(&name));
            }
            prop_assert_eq!(names.len(), set.len());
            let last = (after, 30);
            let expected: Vec<Name> = set.iter().filter(|name| **name > last && name.1 % 2 == 0).take(many).copied().collect();
            prop_assert_eq!(names.behind(last, many, |(_, seq)| seq % 2 == 0), expected);
            for (hash, _) in all {
                let found: BTreeSet<Seq> = names.with_hash(hash).collect();
                prop_assert_eq!(found, set.iter().filter(|name| name.0 == hash).map(|name| name.1).collect());
            }
        }
    }
}
