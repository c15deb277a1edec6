//! An entry of the index by name, in memory and as the key that it is on the disk.

use pusher_core::{JobName, SenderName};

use super::super::record::{KEPT, Place};
use crate::keys::KeyedHash;

/// The hashes under which a delivery is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    recipient: u64,
    name: u64,
    sender: u64,
}

/// A place where the record of such a delivery may be. On the disk it is a key without a value: five integers, big-endian,
/// of which the last has one byte, so that the order is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    of: Named,
    number: u64,
    state: u8,
}

impl Named {
    pub(crate) fn of(hash: KeyedHash, name: &JobName, sender: &SenderName) -> Self {
        let (recipient, name) = hashed(hash, name);
        Self { recipient, name, sender: hash.of_text(sender.as_str()) }
    }

    /// The first and the last entry that a recipient can have.
    pub(super) fn all_of(hash: KeyedHash, recipient: &str) -> [Entry; 2] {
        let recipient = hash.of_text(recipient);
        [0, u64::MAX].map(|end| Self { recipient, name: end, sender: end }.end(end))
    }

    /// The same for one name.
    pub(super) fn all_named(hash: KeyedHash, name: &JobName) -> [Entry; 2] {
        let (recipient, name) = hashed(hash, name);
        [0, u64::MAX].map(|end| Self { recipient, name, sender: end }.end(end))
    }

    /// The first and the last entry that it can have.
    pub(super) fn range(self) -> [Entry; 2] {
        [0, u64::MAX].map(|end| self.end(end))
    }

    fn end(self, end: u64) -> Entry {
        Entry { of: self, number: end, state: if end == 0 { 0 } else { u8::MAX } }
    }

    pub(in crate::deliveries) fn at(self, place: Place) -> Entry {
        Entry { of: self, number: place.number, state: place.state_byte() }
    }

    /// What the keys of its entries begin with.
    pub(super) fn bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        for (part, n) in bytes.chunks_exact_mut(8).zip([self.recipient, self.name, self.sender]) {
            part.copy_from_slice(&n.to_be_bytes());
        }
        bytes
    }
}

/// A recipient and a name. The recipient is what stands in the name before the last `_` ([`JobName`]).
fn hashed(hash: KeyedHash, name: &JobName) -> (u64, u64) {
    let name = name.as_str();
    let recipient = name.rsplit_once('_').map_or(name, |(recipient, _)| recipient);
    (hash.of_text(recipient), hash.of_text(name))
}

impl Entry {
    pub(crate) const BYTES: usize = 24 + 8 + 1;

    pub(in crate::deliveries) fn place(self) -> Place {
        Place { state: KEPT[usize::from(self.state)], number: self.number }
    }

    /// As it is stored.
    pub(crate) fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [self.state; Self::BYTES];
        bytes[..24].copy_from_slice(&self.of.bytes());
        bytes[24..32].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// The place in an entry that is stored.
    pub(in crate::deliveries) fn place_in(bytes: &[u8]) -> Option<Place> {
        let (number, &state) =
            bytes.get(24..Self::BYTES)?.split_first_chunk::<8>().and_then(|(n, s)| Some((n, s.first()?)))?;
        Some(Place { state: *KEPT.get(usize::from(state))?, number: u64::from_be_bytes(*number) })
    }
}

#[cfg(test)]
mod tests {
    use pusher_core::DeliveryState;

    use super::*;

    fn entry(recipient: u64, name: u64, sender: u64, number: u64) -> Entry {
        Named { recipient, name, sender }.at(Place { state: DeliveryState::Dead, number })
    }

    #[test]
    fn entries_have_the_order_of_their_keys_and_can_be_read_back() {
        let mut entries = vec![entry(1, 2, 3, 4), entry(1, 2, 3, 256), entry(1, 2, 256, 0), entry(256, 0, 0, 0)];
        entries.push(entry(1, 256, 0, 0));
        entries.sort_unstable();
        let keys: Vec<_> = entries.iter().map(|entry| entry.bytes()).collect();
        assert!(keys.is_sorted());
        for (entry, key) in entries.iter().zip(keys) {
            assert_eq!(Entry::place_in(&key), Some(entry.place()));
            assert!(key.starts_with(&entry.of.bytes()));
        }
    }

    #[test]
    fn the_recipient_is_found_in_the_name() {
        let hash = KeyedHash::new([7; 16]);
        let name = JobName::parse("a_b_0123").unwrap();
        let found = Named::of(hash, &name, &SenderName::parse("sample").unwrap()).range();
        for [first, last] in [Named::all_of(hash, "a_b"), Named::all_named(hash, &name)] {
            assert!(first <= found[0] && found[1] <= last);
        }
        assert!(Named::all_of(hash, "a")[0].of.recipient != found[0].of.recipient);
    }
}
