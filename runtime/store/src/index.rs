//! What a batch does to the indexes of recipients: gathered while its changes are carried out, written in key order just
//! before the commit. Neighbours in an index share pages, so writing them together costs less than writing them as they
//! come; and an entry that came and went within the batch costs nothing.

use heed::RwTxn;
use pusher_core::Pusher;

use crate::keys::Key;
use crate::tables::{Index, Tables};

/// The entries that come and go.
#[derive(Default)]
pub(crate) struct IndexChanges {
    by_created: Gathered,
    by_sender: Gathered,
    by_tag: Gathered,
}

impl IndexChanges {
    /// Takes note of what leads from a recipient as it was to it as it is.
    pub(crate) fn gather(&mut self, id: &str, before: Option<&Pusher>, after: Option<&Pusher>) {
        let (old, new) = (before.map(|p| p.created_at), after.map(|p| p.created_at));
        if old != new {
            old.into_iter().for_each(|old| self.by_created.add(&Key::created(old, id), -1));
            new.into_iter().for_each(|new| self.by_created.add(&Key::created(new, id), 1));
        }
        let (old, new) = (before.map_or(&[][..], |p| &p.senders), after.map_or(&[][..], |p| &p.senders));
        self.by_sender.add_words(id, old, new, |sender| sender.as_str());
        let (old, new) = (before.map_or(&[][..], |p| &p.tags), after.map_or(&[][..], |p| &p.tags));
        self.by_tag.add_words(id, old, new, |tag| tag.as_str());
    }

    /// Writes it all.
    pub(crate) fn write(&mut self, tables: &Tables, txn: &mut RwTxn) -> heed::Result<()> {
        self.by_created.write(&tables.by_created, txn)?;
        self.by_sender.write(&tables.by_sender, txn)?;
        self.by_tag.write(&tables.by_tag, txn)?;
        tables.count(txn, self.by_created.net())
    }
}

/// The changes to one index.
#[derive(Default)]
struct Gathered {
    /// All keys, one behind the other.
    bytes: Vec<u8>,
    changes: Vec<KeyChange>,
}

struct KeyChange {
    at: usize,
    len: usize,
    /// 1: it comes; -1: it goes. Of all changes to a key in a batch the sum counts.
    by: i64,
}

impl Gathered {
    fn add(&mut self, key: &Key, by: i64) {
        let key = key.as_bytes();
        self.changes.push(KeyChange { at: self.bytes.len(), len: key.len(), by });
        self.bytes.extend_from_slice(key);
    }

    /// `id` goes under the words that went and comes under those that came.
    fn add_words<W: PartialEq>(&mut self, id: &str, before: &[W], after: &[W], text: fn(&W) -> &str) {
        for gone in before.iter().filter(|word| !after.contains(word)) {
            self.add(&Key::scoped(text(gone), id), -1);
        }
        for new in after.iter().filter(|word| !before.contains(word)) {
            self.add(&Key::scoped(text(new), id), 1);
        }
    }

    fn write(&mut self, index: &Index, txn: &mut RwTxn) -> heed::Result<()> {
        let Self { bytes, changes } = self;
        changes.sort_unstable_by(|a, b| a.key(bytes).cmp(b.key(bytes)));
        changes.dedup_by(|next, kept| {
            let same = next.key(bytes) == kept.key(bytes);
            kept.by += if same { next.by } else { 0 };
            same
        });
        for change in changes.iter() {
            match change.by {
                1.. => index.put(txn, change.key(bytes), &())?,
                0 => {}
                _ => _ = index.delete(txn, change.key(bytes))?,
            }
        }
        Ok(())
    }

    /// What was written, in ascending order.
    fn net(&self) -> impl Iterator<Item = (&[u8], i64)> {
        self.changes.iter().map(|change| (change.key(&self.bytes), change.by))
    }
}

impl KeyChange {
    fn key<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.at..self.at + self.len]
    }
}
