//! Searching over real recipients in a real store: every construct of the query language, exactness, that a change is
//! found at once, and what happens when the index is lost, damaged, behind or out of room.

mod costs;
mod documented;
mod exact;
mod finding;
mod following;
mod recovery;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pusher_core::{Change, ContactFields, PusherChange, PusherId, Search, SearchError, SenderName, Storer, Tag};

use super::SearchIndex;
use super::indexer::Settings;
use crate::{Store, StoreOptions};

/// A store and its index in a directory.
struct Place {
    root: Arc<tempfile::TempDir>,
    store: Arc<Store>,
    index: Arc<SearchIndex>,
}

impl Place {
    fn new() -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn at(root: Arc<tempfile::TempDir>) -> Self {
        Self::with(root, settings())
    }

    fn with(root: Arc<tempfile::TempDir>, settings: Settings) -> Self {
        let store = open_store(root.path());
        let index = SearchIndex::open_with(&store, &index_dir(root.path()), settings).unwrap();
        Self { root, store: Arc::new(store), index: Arc::new(index) }
    }

    /// Closes everything, and opens it again after `meanwhile` was done to the directory of the index.
    fn reopened(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let root = Arc::clone(&self.root);
        drop(self);
        meanwhile(&index_dir(root.path()));
        Self::at(root)
    }

    async fn put(&self, who: Who) {
        apply(&self.store, who.changes()).await;
    }

    /// The ids of whom `query` finds, in the order they come.
    async fn find(&self, query: &str) -> Vec<String> {
        find(&self.index, query).await
    }

    /// Why `query` is refused.
    async fn refuse(&self, query: &str) -> String {
        match self.index.search(query, 0, 10).await {
            Err(SearchError::Query(sentence)) => sentence,
            other => panic!("{query}: {other:?}"),
        }
    }
}

/// A busy machine may take its time.
fn settings() -> Settings {
    Settings { patience: Duration::from_secs(60), turn: Duration::from_secs(60), ..Settings::default() }
}

fn open_store(root: &Path) -> Store {
    Store::open(&root.join("data"), StoreOptions { map_size: 1 << 30, ..StoreOptions::default() }).unwrap()
}

fn index_dir(root: &Path) -> PathBuf {
    root.join("index")
}

async fn apply(store: &Store, changes: Vec<PusherChange>) {
    for result in Storer::apply(store, changes).await {
        result.unwrap();
    }
}

async fn find(index: &SearchIndex, query: &str) -> Vec<String> {
    let found = index.search(query, 0, 100).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let ids: Vec<String> = found.pushers.into_iter().map(|pusher| pusher.id.into()).collect();
    assert_eq!(found.total, ids.len() as u64, "{query}: the total is exact");
    ids
}

fn change(id: &str, change: Change) -> PusherChange {
    PusherChange { id: PusherId::parse(id).unwrap(), change }
}

fn tagged(id: &str, tag: &str) -> PusherChange {
    change(id, Change::AddTag(Tag::parse(tag).unwrap()))
}

fn untagged(id: &str, tag: &str) -> PusherChange {
    change(id, Change::RemoveTag(Tag::parse(tag).unwrap()))
}

fn created(id: &str) -> PusherChange {
    change(id, Change::Put(ContactFields::default()))
}

/// Somebody to put into the store.
struct Who {
    id: &'static str,
    contact: ContactFields,
    senders: Vec<&'static str>,
    tags: Vec<&'static str>,
}

fn who(id: &'static str) -> Who {
    Who { id, contact: ContactFields::default(), senders: Vec::new(), tags: Vec::new() }
}

impl Who {
    fn email(mut self, email: &str) -> Self {
        self.contact.email = Some(email.into());
        self
    }

    fn nickname(mut self, nickname: &str) -> Self {
        self.contact.nickname = Some(nickname.into());
        self
    }

    fn phone(mut self, phone: &str) -> Self {
        self.contact.phone_number = Some(phone.into());
        self
    }

    fn created_at(mut self, seconds: i64) -> Self {
        self.contact.created_at = Some(seconds);
        self
    }

    fn senders(mut self, senders: &[&'static str]) -> Self {
        self.senders = senders.to_vec();
        self
    }

    fn tags(mut self, tags: &[&'static str]) -> Self {
        self.tags = tags.to_vec();
        self
    }

    fn changes(self) -> Vec<PusherChange> {
        let mut changes = vec![change(self.id, Change::Put(self.contact))];
        let sender = |name: &&str| change(self.id, Change::AddSender(SenderName::parse(name).unwrap()));
        changes.extend(self.senders.iter().map(sender));
        changes.extend(self.tags.iter().map(|tag| tagged(self.id, tag)));
        changes
    }
}
