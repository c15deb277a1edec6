//! The log of changes: what is in it, that it stays short, and that it begins anew rather than fill the store.

use pusher_core::{Applied, Change, PusherChange, Storer, Tag};

use super::{change, id, open, put_pusher};
use crate::Store;
use crate::changes::{Changed, LogPart, read_log};

fn tag(who: &str, tag: &str) -> PusherChange {
    PusherChange { id: id(who), change: Change::AddTag(Tag::parse(tag).unwrap()) }
}

fn log_after(store: &Store, seq: u64, enough: usize) -> Option<LogPart> {
    let opened = store.opened();
    let txn = opened.env.read_txn().unwrap();
    read_log(&opened.tables, &txn, seq, enough).unwrap()
}

fn changed(seq: u64, who: &str, is_new: bool) -> Changed {
    Changed { seq, id: id(who), is_new }
}

fn entries(store: &Store) -> Vec<u64> {
    let opened = store.opened();
    let txn = opened.env.read_txn().unwrap();
    opened.tables.changes.iter(&txn).unwrap().map(|entry| entry.unwrap().0).collect()
}

#[tokio::test]
async fn what_changed_is_logged_with_the_commit_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.opened().progress.committed(), 0);
    let first = vec![put_pusher("a", 1), put_pusher("b", 1), tag("a", "t"), tag("a", "t"), tag("nobody", "t")];
    Storer::apply(&store, first).await;
    assert_eq!(store.opened().progress.committed(), 1);
    assert_eq!(change(&store, put_pusher("a", 1)).await.unwrap(), Applied::Unchanged);
    assert_eq!(store.opened().progress.committed(), 1, "nothing changed");
    change(&store, PusherChange { id: id("b"), change: Change::Delete }).await.unwrap();
    let first = [changed(1, "a", true), changed(1, "b", true), changed(1, "a", false)];
    let second = [changed(2, "b", false)];
    let both = [&first[..], &second].concat();
    assert_eq!(log_after(&store, 0, 100), Some(LogPart { changes: both, until: 2 }));
    assert_eq!(log_after(&store, 0, 1), Some(LogPart { changes: first.to_vec(), until: 1 }));
    assert_eq!(log_after(&store, 1, 1), Some(LogPart { changes: second.to_vec(), until: 2 }));
    assert_eq!(log_after(&store, 2, 1), Some(LogPart { changes: vec![], until: 2 }));
    drop(store);
    assert_eq!(open(dir.path()).opened().progress.committed(), 2);
}

#[tokio::test]
async fn thousands_of_changes_share_a_few_entries() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let many: Vec<String> = (0..5000).map(|n| format!("recipient-{n}")).collect();
    Storer::apply(&store, many.iter().map(|who| put_pusher(who, 1)).collect()).await;
    let part = log_after(&store, 0, usize::MAX).unwrap();
    assert!(part.changes.iter().map(|change| change.id.as_str()).eq(many.iter().map(String::as_str)));
    assert!((20..100).contains(&part.until), "{} entries", part.until);
}

#[tokio::test]
async fn entries_that_are_indexed_are_deleted_by_later_commits_but_for_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..200 {
        change(&store, put_pusher(&n.to_string(), 1)).await.unwrap();
    }
    assert_eq!(entries(&store).len(), 200);
    store.opened().progress.set_indexed(150);
    change(&store, put_pusher("x", 1)).await.unwrap();
    assert_eq!(entries(&store)[0], 66, "a commit deletes so many and goes on");
    for n in 0..10 {
        change(&store, tag("x", &n.to_string())).await.unwrap();
    }
    assert_eq!(entries(&store), (151..=211).collect::<Vec<_>>());
    store.opened().progress.set_indexed(u64::MAX);
    change(&store, tag("x", "y")).await.unwrap();
    assert_eq!(entries(&store), [212]);
    drop(store);
    assert_eq!(open(dir.path()).opened().progress.committed(), 212);
}

#[tokio::test]
async fn a_log_that_nobody_follows_begins_anew_and_says_so_to_who_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let long = "x".repeat(200);
    let mut toggles = 0;
    let mut most = 0;
    // 64 MiB of ids, each time the same few.
    Storer::apply(&store, (0..500).map(|n| put_pusher(&format!("{n}{long}"), 0)).collect()).await;
    while log_after(&store, 1, 1).is_some() {
        toggles += 1;
        let all = (0..500).map(|n| put_pusher(&format!("{n}{long}"), toggles));
        Storer::apply(&store, all.collect()).await;
        let opened = store.opened();
        most = most.max(opened.tables.log_bytes(&opened.env.read_txn().unwrap()).unwrap());
    }
    assert!((60 << 20..80 << 20).contains(&most), "{most} bytes at most");
    let committed = store.opened().progress.committed();
    assert!(entries(&store).len() < 1000 && entries(&store).last() == Some(&committed));
    assert_eq!(log_after(&store, committed, 1), Some(LogPart { changes: vec![], until: committed }));
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    change(&store, put_pusher("a", 1)).await.unwrap();
    let opened = store.opened();
    for bytes in [&[0][..], &[0, 1], &[0, 0], &[0, 2, b'a'], &[0, 1, 0xff]] {
        let mut txn = opened.env.write_txn().unwrap();
        opened.tables.changes.put(&mut txn, &1, bytes).unwrap();
        txn.commit().unwrap();
        let txn = opened.env.read_txn().unwrap();
        let error = read_log(&opened.tables, &txn, 0, 1).unwrap_err();
        assert!(error.to_string().contains("change 1 cannot be read"), "{bytes:?}: {error}");
    }
}
