//! A long history of random changes, checked against a model.

use std::collections::BTreeMap;

use super::{Dice, apply, behind, fields, followed, id, ids, list, pages, put, sender, tag};
use crate::change::{Change, ContactFields, PusherChange, PusherFields};
use crate::cursor::Cursor;
use crate::ports::{Scope, Storer};
use crate::pusher::Pusher;
use crate::words::PusherId;

/// Few ids and few words, so that changes meet each other; several changes to a batch.
pub(super) async fn a_long_history_agrees_with_the_model(store: &impl Storer) {
    let mut model: BTreeMap<PusherId, Pusher> = BTreeMap::new();
    let mut dice = Dice(2016);
    let words = ["x", "xy", "y"];
    for round in 0..200 {
        let mut batch = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..=dice.roll(8) {
            let id = id(["a", "b", "ab", "a/b", "日本"][dice.roll(5)]);
            let word = words[dice.roll(3)];
            let change = match dice.roll(12) {
                0..=2 => put(dice.roll(5) as i64 - 2),
                10 => Change::Set(fields(dice.roll(5) as i64 - 2, &words[..dice.roll(4)], &words[dice.roll(4)..])),
                11 => Change::Set(PusherFields { tags: Some(vec![tag(word)]), ..PusherFields::default() }),
                3 => Change::Update(ContactFields { email: Some(word.into()), ..ContactFields::default() }),
                4 | 5 => Change::AddSender(sender(word)),
                6 => Change::RemoveSender(sender(word)),
                7 => Change::AddTag(tag(word)),
                8 => Change::RemoveTag(tag(word)),
                _ => Change::Delete,
            };
            let (after, applied) = change.apply(&id, model.get(&id));
            match after {
                Some(after) => model.insert(id.clone(), after),
                None => model.remove(&id),
            };
            batch.push(PusherChange { id, change });
            expected.push(applied);
        }
        assert_eq!(apply(store, batch.clone()).await, expected, "round {round}: {batch:?}");

        let mut newest_first: Vec<Pusher> = model.values().cloned().collect();
        newest_first.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        assert_eq!(list(store, 0, 100).await, newest_first, "round {round}: {batch:?}");
        assert_eq!(followed(store, 1 + round % 3).await, newest_first, "round {round}: {batch:?}");
        let cursor = Cursor { created_at: dice.roll(5) as i64 - 2, id: id(["a", "b", "c"][dice.roll(3)]) };
        let is_behind = |p: &&Pusher| (p.created_at, &p.id) < (cursor.created_at, &cursor.id);
        let rest: Vec<Pusher> = newest_first.iter().filter(is_behind).cloned().collect();
        assert_eq!(behind(store, Some(&cursor), 9).await, ids(&rest), "round {round}: behind {cursor:?}");
        for word in words {
            let of = |has: &dyn Fn(&Pusher) -> bool| -> Vec<String> {
                model.values().filter(|p| has(p)).map(|p| p.id.as_str().to_owned()).collect()
            };
            let (by_sender, by_tag) = (Scope::Sender(sender(word)), Scope::Tag(tag(word)));
            let with_sender = of(&|p| p.has_sender(&sender(word)));
            assert_eq!(pages(store, &by_sender, 2).await, with_sender, "round {round}: {by_sender:?}");
            for who in ["a", "日本", "c"].map(id) {
                let has = model.get(&who).map(|pusher| pusher.has_sender(&sender(word)));
                let answer = store.has_sender(&who, &sender(word)).await;
                assert_eq!(answer.expect("a read"), has, "round {round}: {who} and {word}");
            }
            assert_eq!(
                pages(store, &by_tag, 2).await,
                of(&|p| p.tags.contains(&tag(word))),
                "round {round}: {by_tag:?}"
            );
        }
    }
}
