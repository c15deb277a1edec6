//! A change is found by the next search, whatever else goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pusher_core::{Change, ContactFields, PusherChange, PusherId, Scope, Search, SenderName, Storer, Tag};

use super::{Place, apply, change, created, find, tagged, untagged, who};
use crate::search::SearchStatus;

#[tokio::test]
async fn every_kind_of_change_is_found_by_the_next_search() {
    let place = Place::new();
    place.put(who("a").nickname("first").tags(&["t"]).senders(&["s"])).await;
    assert_eq!(place.find("first").await, ["a"]);
    let renamed = ContactFields { nickname: Some("second".into()), ..ContactFields::default() };
    apply(&place.store, vec![change("a", Change::Update(renamed))]).await;
    assert!(place.find("first").await.is_empty());
    assert_eq!(place.find("+second +tags:t +senders:s").await, ["a"]);
    apply(&place.store, vec![untagged("a", "t")]).await;
    assert!(place.find("tags:t").await.is_empty());
    apply(&place.store, vec![change("a", Change::Delete), created("a"), tagged("a", "u")]).await;
    assert!(place.find("second").await.is_empty(), "made again, it starts anew");
    assert_eq!(place.find("tags:u").await, ["a"]);
    apply(&place.store, vec![change("a", Change::Delete)]).await;
    assert!(place.find(r#"{"match_all":{}}"#).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_written_among_many_is_found_at_once() {
    let place = Place::new();
    let writers: Vec<_> = (0..8)
        .map(|lane| {
            let (store, index) = (Arc::clone(&place.store), Arc::clone(&place.index));
            tokio::spawn(async move {
                for n in 0..25 {
                    let (id, tag) = (format!("w{lane}-{n}"), format!("tag {lane}-{n}"));
                    apply(&store, vec![created(&id), tagged(&id, &tag), tagged(&id, "everybody")]).await;
                    assert_eq!(find(&index, &format!("tags:\"{tag}\"")).await, [id.as_str()]);
                    if n % 3 == 0 {
                        apply(&store, vec![untagged(&id, &tag)]).await;
                        assert!(find(&index, &format!("tags:\"{tag}\"")).await.is_empty());
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(place.index.search("tags:everybody", 0, 0).await.unwrap().total, 200);
}

#[tokio::test]
async fn searching_when_nothing_changed_commits_nothing() {
    let place = Place::new();
    place.put(who("a").tags(&["t"])).await;
    place.find("tags:t").await;
    let meta = || std::fs::metadata(super::index_dir(place.root.path()).join("meta.json")).unwrap().modified().unwrap();
    // A record that was read while the index was built and then found in the log as well leaves a dead copy, and the
    // part of the index that has it is written anew a moment after the search that waited for it.
    let mut before = meta();
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        match meta() {
            now if now == before => break,
            now => before = now,
        }
    }
    for _ in 0..20 {
        place.find("tags:t").await;
    }
    assert_eq!(meta(), before);
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides) as usize
    }
}

#[tokio::test]
async fn a_long_history_of_random_changes_agrees_with_the_store() {
    let mut place = Place::new();
    let mut dice = Dice(2016);
    let ids: Vec<String> = (0..30).map(|n| format!("p{n}")).collect();
    let words = ["x", "xy", "x y", "X", "日本"];
    let mut there: BTreeMap<String, ()> = BTreeMap::new();
    for round in 0..60 {
        for _ in 0..=dice.roll(4) {
            let batch: Vec<PusherChange> = (0..=dice.roll(20))
                .map(|_| {
                    let (id, word) = (&ids[dice.roll(30)], words[dice.roll(5)]);
                    let what = match dice.roll(9) {
                        0..=2 => Change::Put(ContactFields {
                            created_at: Some(dice.roll(5) as i64),
                            ..ContactFields::default()
                        }),
                        3 => Change::AddSender(SenderName::parse(word).unwrap()),
                        4 => Change::RemoveSender(SenderName::parse(word).unwrap()),
                        5 | 6 => Change::AddTag(Tag::parse(word).unwrap()),
                        7 => Change::RemoveTag(Tag::parse(word).unwrap()),
                        _ => Change::Delete,
                    };
                    match &what {
                        Change::Put(_) => _ = there.insert(id.clone(), ()),
                        Change::Delete => _ = there.remove(id),
                        _ => {}
                    }
                    change(id, what)
                })
                .collect();
            Storer::apply(&*place.store, batch).await;
        }
        if round % 20 == 13 {
            place = place.reopened(|_| ());
        }
        for word in words {
            for (field, scope) in [
                ("tags", Scope::Tag(Tag::parse(word).unwrap())),
                ("senders", Scope::Sender(SenderName::parse(word).unwrap())),
            ] {
                let stored: BTreeSet<PusherId> =
                    place.store.page(&scope, None, 100).await.unwrap().into_iter().collect();
                let found = place.find(&format!("{field}:\"{word}\"")).await;
                let found_ids: BTreeSet<PusherId> = found.iter().map(|id| PusherId::parse(id).unwrap()).collect();
                assert_eq!(found.len(), found_ids.len(), "round {round}: {field}:{word} twice");
                assert_eq!(found_ids, stored, "round {round}: {field}:{word}");
            }
        }
        assert_eq!(place.find(r#"{"match_all":{}}"#).await.len(), there.len(), "round {round}");
    }
}

#[tokio::test]
async fn what_was_written_without_an_index_is_found_when_there_is_one() {
    let place = Place::new();
    place.put(who("a").tags(&["t"])).await;
    place.find("tags:t").await;
    let root = Arc::clone(&place.root);
    drop(place);
    let store = super::open_store(root.path());
    apply(
        &store,
        vec![
            tagged("a", "u"),
            created("b"),
            tagged("b", "t"),
            change("a", Change::RemoveTag(Tag::parse("t").unwrap())),
        ],
    )
    .await;
    drop(store);
    let place = Place::at(root);
    assert_eq!(place.find("tags:t").await, ["b"]);
    assert_eq!(place.find("tags:u").await, ["a"]);
}

#[tokio::test]
async fn changes_are_indexed_although_nobody_searches() {
    let place = Place::new();
    place.put(who("a")).await;
    let progress = &place.store.opened().progress;
    let mut indexed = place.index.shared_state();
    let seq = progress.committed();
    indexed
        .wait_for(|state| matches!(state, crate::search::indexer::State::Ready { seq: at, .. } if *at == seq))
        .await
        .unwrap();
    assert_eq!(place.index.status(), SearchStatus::Ready);
}

#[tokio::test]
async fn a_closed_index_refuses_and_the_store_goes_on() {
    let place = Place::new();
    place.index.close().await;
    let refused = place.index.search("x", 0, 10).await.unwrap_err();
    assert_eq!(refused.to_string(), "the store failed: the search index is closed");
    assert!(matches!(place.index.status(), SearchStatus::Failed(_)));
    place.put(who("a")).await;
    let place = place.reopened(|_| ());
    assert_eq!(place.find("a").await, ["a"]);
}
