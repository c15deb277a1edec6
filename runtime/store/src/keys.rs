//! How keys are built. LMDB sorts keys byte by byte, so a key is made so that byte order is the order we want: integers
//! big-endian, signed ones with the sign bit flipped, text that something follows behind its length.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The longest key that LMDB takes, as it is built by default.
pub(crate) const MAX_KEY_BYTES: usize = 511;

/// The longest func, and the longest name in it (PROTOCOL §3).
pub(crate) const MAX_JOB_TEXT_BYTES: usize = 255;

/// A key under construction, on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    bytes: [u8; MAX_KEY_BYTES],
    len: usize,
}

impl Key {
    fn new() -> Self {
        Self { bytes: [0; MAX_KEY_BYTES], len: 0 }
    }

    /// A copy of a key, or of a part of one, that LMDB gave.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut key = Self::new();
        key.push(bytes);
        key
    }

    /// `createdAt ‖ id`, for the list by age.
    pub(crate) fn created(created_at: i64, id: &str) -> Self {
        let mut key = Self::new();
        key.push(&ordered(created_at));
        key.push(id.as_bytes());
        key
    }

    /// `word ‖ id`, for the indexes by sender and by tag; with an empty id the prefix of all of them. The length before
    /// the word keeps `x` from matching `xy`.
    pub(crate) fn scoped(word: &str, id: &str) -> Self {
        let mut key = Self::prefix(word.as_bytes());
        key.push(id.as_bytes());
        key
    }

    /// The prefix that all due jobs of a func share.
    pub(crate) fn due_of(func: &[u8]) -> Self {
        Self::prefix(func)
    }

    /// `func ‖ sched_at ‖ seq`, for the jobs that are due next.
    pub(crate) fn due(func: &[u8], sched_at: i64, seq: u64) -> Self {
        let mut key = Self::prefix(func);
        key.push(&ordered(sched_at));
        key.push(&seq.to_be_bytes());
        key
    }

    /// Where the jobs of a func are counted. Periodic takes any func, also an empty one.
    pub(crate) fn jobs_of(func: &[u8]) -> Self {
        let mut key = Self::new();
        key.push(JOBS_OF_FUNC);
        key.push(func);
        key
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Every word that comes here is at most 255 bytes long: the types of pusher-core and the check of
    /// [`MAX_JOB_TEXT_BYTES`] see to that.
    fn prefix(word: &[u8]) -> Self {
        debug_assert!(word.len() <= MAX_JOB_TEXT_BYTES);
        let mut key = Self::new();
        key.push(&[word.len() as u8]);
        key.push(word);
        key
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

/// What the keys begin with under which the jobs of a func are counted.
pub(crate) const JOBS_OF_FUNC: &[u8] = b":";

/// The key under which the last job number is kept.
pub(crate) const LAST_SEQ: &[u8] = b"#";

/// The key under which the last number of the delivery log is kept.
pub(crate) const LAST_NUMBER: &[u8] = b"@";

/// The key under which the last number of a pushall is kept.
pub(crate) const LAST_PUSHALL: &[u8] = b"&";

/// The key under which the number is kept up to which deliveries are in the index by name on the disk.
pub(crate) const INDEXED_NUMBER: &[u8] = b"%";

/// The func in a key that [`Key::jobs_of`] made.
pub(crate) fn func_of(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(JOBS_OF_FUNC)
}

/// The id in a key that [`Key::created`] made.
pub(crate) fn id_of_created(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.get(8..)?).ok()
}

/// The time and number in a due key, after its prefix.
pub(crate) fn due_position(rest: &[u8]) -> Option<(i64, u64)> {
    let (sched_at, seq) = rest.split_first_chunk::<8>()?;
    Some((from_ordered(*sched_at), u64::from_be_bytes(seq.try_into().ok()?)))
}

fn ordered(n: i64) -> [u8; 8] {
    (n ^ i64::MIN).to_be_bytes()
}

fn from_ordered(bytes: [u8; 8]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}

/// The keyed hash under which an index keeps the identity of a job or of a delivery. The key is random for every database,
/// so nobody can aim for collisions; those that happen are told apart by reading what is found.
#[derive(Clone, Copy)]
pub(crate) struct KeyedHash {
    key: [u8; 16],
    mask: u64,
}

impl KeyedHash {
    /// The hash in earnest.
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { key, mask: u64::MAX }
    }

    /// A hash with two values, so that nearly everything collides.
    #[cfg(test)]
    pub(crate) fn colliding(key: [u8; 16]) -> Self {
        Self { key, mask: 1 }
    }

    pub(crate) fn of(&self, func: &[u8], name: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&[func.len() as u8]);
        hasher.write(func);
        hasher.write(name);
        hasher.finish() & self.mask
    }

    /// The hash of a text by itself.
    pub(crate) fn of_text(&self, text: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(text.as_bytes());
        hasher.finish() & self.mask
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn due_keys_sort_by_time_then_number_and_can_be_read_back(
            a in any::<(i64, u64)>(), b in any::<(i64, u64)>(), func in prop::collection::vec(any::<u8>(), 0..=255),
        ) {
            let (left, right) = (Key::due(&func, a.0, a.1), Key::due(&func, b.0, b.1));
            prop_assert_eq!(left.as_bytes().cmp(right.as_bytes()), a.cmp(&b));
            let prefix = Key::due_of(&func);
            let rest = left.as_bytes().strip_prefix(prefix.as_bytes()).unwrap();
            prop_assert_eq!(due_position(rest), Some(a));
        }

        #[test]
        fn no_word_is_the_prefix_of_another(a in "[ab]{1,4}", b in "[ab]{1,4}", id in "[ab]{1,4}") {
            let prefix = Key::scoped(&a, "");
            prop_assert_eq!(Key::scoped(&b, &id).as_bytes().starts_with(prefix.as_bytes()), a == b);
        }
    }

    #[test]
    fn the_longest_words_fit_a_key() {
        use pusher_core::{MAX_ID_BYTES, MAX_SENDER_BYTES};
        let key = Key::scoped(&"s".repeat(MAX_SENDER_BYTES), &"i".repeat(MAX_ID_BYTES));
        assert!(key.as_bytes().len() <= MAX_KEY_BYTES);
        assert!(Key::due(&[b'f'; MAX_JOB_TEXT_BYTES], 0, 0).as_bytes().len() <= MAX_KEY_BYTES);
    }
}
