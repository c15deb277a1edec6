//! Which entries of the indexes of jobs are on the disk, and which in memory.

use periodic::Seq;

/// An entry of the index by name: the hash of (func, name), and the number of the job.
pub(crate) type Name = (u64, Seq);

/// The border between disk and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frontier {
    /// The names of jobs up to this number are on the disk.
    names: Seq,
    /// Those up to this number are on their way there, in the order of their hashes…
    moving: Seq,
    /// …and are there up to this one.
    moved: Name,
    /// The due times of jobs up to this number are on the disk.
    dues: Seq,
}

impl Frontier {
    /// Everything up to this number is on the disk.
    pub(crate) fn at(seq: Seq) -> Self {
        Self { names: seq, moving: seq, moved: (0, 0), dues: seq }
    }

    /// As it is stored: five integers, big-endian.
    pub(crate) fn encode(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let (hash, seq) = self.moved;
        for (part, n) in bytes.chunks_exact_mut(8).zip([self.names, self.moving, hash, seq, self.dues]) {
            part.copy_from_slice(&n.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (parts, []) = bytes.as_chunks() else { return None };
        let &[names, moving, hash, seq, dues] = parts else { return None };
        let n = u64::from_be_bytes;
        Some(Self { names: n(names), moving: n(moving), moved: (n(hash), n(seq)), dues: n(dues) })
    }

    /// All jobs with an entry in memory have a higher number.
    pub(super) fn start(&self) -> Seq {
        self.names.min(self.dues)
    }

    pub(crate) fn has_name(&self, name: Name) -> bool {
        let (_, seq) = name;
        seq <= self.names || (seq <= self.moving && name <= self.moved)
    }

    pub(crate) fn has_due_of(&self, seq: Seq) -> bool {
        seq <= self.dues
    }

    pub(super) fn dues(&self) -> Seq {
        self.dues
    }

    pub(super) fn set_dues(&mut self, through: Seq) {
        self.dues = through;
    }

    pub(super) fn is_moving(&self) -> bool {
        self.moving > self.names
    }

    /// Names of jobs up to this number are to be moved from now on.
    pub(super) fn begin_moving(&mut self, last: Seq) {
        (self.moving, self.moved) = (last, (0, 0));
    }

    pub(super) fn is_to_be_moved(&self, (_, seq): Name) -> bool {
        seq <= self.moving
    }

    pub(super) fn moved(&self) -> Name {
        self.moved
    }

    pub(super) fn set_moved(&mut self, name: Name) {
        self.moved = name;
    }

    /// All that were to be moved are.
    pub(super) fn end_moving(&mut self) {
        self.names = self.moving;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frontier_comes_back_as_it_was_stored() {
        let frontier = Frontier { names: 1, moving: 2, moved: (u64::MAX, 3), dues: 4 };
        assert_eq!(Frontier::decode(&frontier.encode()), Some(frontier));
        assert_eq!(Frontier::decode(&frontier.encode()[1..]), None);
    }
}
