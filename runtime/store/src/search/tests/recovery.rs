//! The index can be lost in every way, and nothing is lost with it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pusher_core::{Change, ContactFields, Search, SearchError, StoreError, Storer};
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, TerminatingWrite, WatchCallback, WatchHandle, WritePtr,
};

use super::{Place, apply, change, created, index_dir, settings, tagged, who};
use crate::search::directory::IndexDirectory;
use crate::search::files::OpenDirectory;
use crate::search::indexer::{Settings, State};
use crate::search::{SearchIndex, SearchStatus};

async fn some_people() -> Place {
    let place = Place::new();
    for n in 0..200 {
        let id = format!("p{n}");
        let name = ContactFields { nickname: Some(format!("Nick {n}")), ..ContactFields::default() };
        apply(&place.store, vec![change(&id, Change::Put(name)), tagged(&id, if n % 2 == 0 { "even" } else { "odd" })])
            .await;
        if n % 50 == 49 {
            // A part of the index for every fifty.
            is_right(&place, n + 1).await;
        }
    }
    place
}

async fn is_right(place: &Place, people: u64) {
    let total = async |query| place.index.search(query, 0, 0).await.unwrap().total;
    assert_eq!(total("nickname:nick").await, people);
    assert_eq!(total("tags:even").await, people.div_ceil(2));
    assert_eq!(place.find("nickname:\"nick 7\"").await, ["p7"]);
    assert_eq!(total(r#"{"min":0}"#).await, people);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| fs::metadata(file).unwrap().len() > 0);
    files
}

#[tokio::test]
async fn an_index_that_is_whole_is_used_as_it_is() {
    let place = some_people().await;
    is_right(&place, 200).await;
    let mut before = Vec::new();
    let place = place.reopened(|dir| before = files(dir));
    is_right(&place, 200).await;
    let after = files(&index_dir(place.root.path()));
    assert!(
        before.iter().filter(|file| file.extension().is_some_and(|e| e == "term")).all(|file| after.contains(file))
    );
}

#[tokio::test]
async fn a_deleted_index_is_built_anew() {
    let place = some_people().await;
    let place = place.reopened(|dir| fs::remove_dir_all(dir).unwrap());
    is_right(&place, 200).await;
    let place = place.reopened(|dir| files(dir).iter().for_each(|file| fs::remove_file(file).unwrap()));
    is_right(&place, 200).await;
}

#[tokio::test]
async fn every_file_can_be_damaged_in_every_way() {
    let mut place = some_people().await;
    let count = files(&index_dir(place.root.path())).len();
    assert!(count > 10, "{count} files");
    for at in 0..count {
        for damage in ["delete", "empty", "cut", "flip", "garbage", "grow"] {
            place = place.reopened(|dir| {
                let all = files(dir);
                let file = &all[at % all.len()];
                let mut bytes = fs::read(file).unwrap();
                match damage {
                    "delete" => return fs::remove_file(file).unwrap(),
                    "empty" => bytes.clear(),
                    "cut" => bytes.truncate(bytes.len() / 2),
                    "flip" => {
                        let middle = bytes.len() / 3;
                        bytes[middle] ^= 0x5a;
                    }
                    "garbage" => bytes.fill(0xa5),
                    _ => bytes.extend([7; 100]),
                }
                fs::write(file, bytes).unwrap();
            });
            is_right(&place, 200).await;
        }
    }
}

#[tokio::test]
async fn the_index_of_another_store_or_version_is_built_anew() {
    let (ours, theirs) = (some_people().await, Place::new());
    theirs.put(who("stranger").tags(&["even"])).await;
    assert_eq!(theirs.find("tags:even").await, ["stranger"]);
    let theirs_dir = index_dir(theirs.root.path());
    theirs.index.close().await;
    let ours = ours.reopened(|dir| {
        fs::remove_dir_all(dir).unwrap();
        fs::create_dir(dir).unwrap();
        for file in files(&theirs_dir) {
            fs::copy(&file, dir.join(file.file_name().unwrap())).unwrap();
        }
    });
    is_right(&ours, 200).await;
    let ours = ours.reopened(|dir| {
        let meta = fs::read_to_string(dir.join("meta.json")).unwrap();
        fs::write(dir.join("meta.json"), meta.replacen("\"payload\": \"1 ", "\"payload\": \"0 ", 1)).unwrap();
    });
    is_right(&ours, 200).await;
}

#[tokio::test]
async fn an_index_that_is_ahead_of_a_restored_store_is_built_anew() {
    let place = some_people().await;
    let root = Arc::clone(&place.root);
    let data = root.path().join("data/data.mdb");
    drop(place);
    let backup = fs::read(&data).unwrap();
    let place = Place::at(Arc::clone(&root));
    apply(&place.store, vec![tagged("p1", "even"), created("later")]).await;
    assert_eq!(place.find("later").await, ["later"]);
    drop(place);
    fs::write(&data, backup).unwrap();
    let place = Place::at(root);
    is_right(&place, 200).await;
    assert!(place.find("later").await.is_empty());
}

#[tokio::test]
async fn an_index_that_missed_more_than_the_log_holds_is_built_anew() {
    let place = some_people().await;
    is_right(&place, 200).await;
    let root = Arc::clone(&place.root);
    drop(place);
    let store = super::open_store(root.path());
    apply(&store, vec![created("p200"), tagged("p200", "even")]).await;
    // What the writer does when the log has grown too long.
    store.forget_log();
    apply(&store, vec![created("p201"), change("p200", Change::Update(nick(200)))]).await;
    apply(&store, vec![change("p201", Change::Update(nick(201))), tagged("p201", "odd")]).await;
    drop(store);
    is_right(&Place::at(root), 202).await;
}

fn nick(n: usize) -> ContactFields {
    ContactFields { nickname: Some(format!("Nick {n}")), ..ContactFields::default() }
}

#[tokio::test]
async fn killed_between_the_commit_of_the_store_and_that_of_the_index_nothing_is_missing() {
    let place = some_people().await;
    is_right(&place, 200).await;
    let (from, to) = (place.root.path().to_owned(), Arc::new(tempfile::tempdir().unwrap()));
    // The index no longer follows, so the store is ahead of it: what a kill leaves behind, copied while both are open.
    place.index.close().await;
    apply(&place.store, vec![change("p200", Change::Put(nick(200))), tagged("p200", "even")]).await;
    apply(&place.store, vec![change("p1", Change::Delete), change("p1", Change::Put(nick(1))), tagged("p1", "odd")])
        .await;
    for part in ["data", "index"] {
        fs::create_dir(to.path().join(part)).unwrap();
        for file in files(&from.join(part)) {
            fs::copy(&file, to.path().join(part).join(file.file_name().unwrap())).unwrap();
        }
    }
    is_right(&Place::at(to), 201).await;
}

#[tokio::test]
async fn a_place_that_cannot_hold_an_index_costs_searches_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let store = super::open_store(root.path());
    let file = root.path().join("taken");
    fs::write(&file, "x").unwrap();
    let index = SearchIndex::open(&store, &file).unwrap();
    let failed = index.search("x", 0, 10).await.unwrap_err();
    assert!(matches!(failed, SearchError::Store(StoreError::Failed(_))), "{failed}");
    assert!(matches!(index.status(), SearchStatus::Failed(_)));
    apply(&store, vec![created("a")]).await;
    assert_eq!(fs::read(&file).unwrap(), b"x");
}

/// The disk is full.
static FULL: AtomicBool = AtomicBool::new(false);

fn full() -> io::Result<()> {
    if FULL.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(28)) } else { Ok(()) }
}

/// A directory on a disk that fills up.
#[derive(Clone, Debug)]
struct Disk(IndexDirectory);

struct DiskFile(Box<dyn TerminatingWrite + Send + Sync>);

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        full()?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        full()?;
        self.0.flush()
    }
}

impl TerminatingWrite for DiskFile {
    fn terminate_ref(&mut self, token: AntiCallToken) -> io::Result<()> {
        full()?;
        self.0.terminate_ref(token)
    }
}

impl Directory for Disk {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.0.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.0.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = self.0.open_write(path)?.into_inner().map_err(|_| ()).expect("nothing was written yet");
        Ok(io::BufWriter::new(Box::new(DiskFile(file))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.0.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        full()?;
        self.0.atomic_write(path, data)
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.0.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.watch(callback)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }
}

#[tokio::test]
async fn a_full_disk_costs_searches_until_there_is_room_again_and_nothing_else() {
    let directory: OpenDirectory = |dir| Ok(Box::new(Disk(IndexDirectory::open(dir)?)));
    let root = Arc::new(tempfile::tempdir().unwrap());
    let place = Place::with(root, Settings { directory, ..settings() });
    place.put(who("a").tags(&["t"])).await;
    assert_eq!(place.find("tags:t").await, ["a"]);

    FULL.store(true, Ordering::SeqCst);
    place.put(who("b").tags(&["t"])).await;
    let failed = place.index.search("tags:t", 0, 10).await.unwrap_err();
    let room = "there is no room for the search index; make room on its disk";
    assert!(matches!(&failed, SearchError::Store(StoreError::Full(reason)) if reason == room), "{failed:?}");
    assert!(matches!(place.index.status(), SearchStatus::Failed(_)));
    place.put(who("c").tags(&["t"])).await;
    assert_eq!(place.store.list(0, 10).await.unwrap().total, 3, "the store goes on");

    FULL.store(false, Ordering::SeqCst);
    let mut state = place.index.shared_state();
    state.wait_for(|state| matches!(state, State::Ready { .. })).await.unwrap();
    assert_eq!(place.find("tags:t").await, ["a", "b", "c"]);
}
