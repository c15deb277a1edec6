//! The list of all recipients, newest first: cut by an offset, or followed from place to place.

use std::collections::BTreeMap;

use super::{Dice, apply, apply_one, behind, change, followed, get_one, id, ids, list, ok, page, put, tag};
use crate::change::{Applied, Change, ContactFields};
use crate::cursor::Cursor;
use crate::ports::{Scope, Storer};
use crate::words::MAX_ID_BYTES;

pub(super) async fn an_id_is_any_text(store: &impl Storer) {
    let longest = "x".repeat(MAX_ID_BYTES);
    let longest_but_one = "x".repeat(MAX_ID_BYTES - 1);
    let mut odd = [
        "a",
        "a/b",
        "a/",
        "/",
        "a_b",
        "a_",
        "_",
        "a\0",
        "\0",
        "a\0b",
        "日本",
        "é",
        "\u{10ffff}",
        " ",
        "a b\n",
        "%00",
        "..",
        "A",
        &longest,
        &longest_but_one,
    ];
    let created = odd.map(|id| change(id, put(1)));
    assert!(apply(store, created.to_vec()).await.iter().all(|a| *a == Applied::Created), "ids are told apart");
    let tagged = odd.map(|id| change(id, Change::AddTag(tag("t"))));
    assert!(apply(store, tagged.to_vec()).await.iter().all(|a| *a == Applied::Changed));
    for id in odd {
        assert_eq!(get_one(store, id).await.map(|p| p.id.as_str().to_owned()), Some(id.to_owned()));
    }
    odd.sort_unstable();
    assert_eq!(page(store, &Scope::Tag(tag("t")), None, 100).await, odd, "ascending byte order");
    odd.reverse();
    assert_eq!(ids(&list(store, 0, 100).await), odd, "equal times: descending byte order");
}

pub(super) async fn the_list_is_newest_first(store: &impl Storer) {
    let made = [
        ("zero", 0),
        ("b", 5),
        ("a", 5),
        ("c", 5),
        ("old", -1),
        ("oldest", i64::MIN),
        ("newest", i64::MAX),
        ("new", 6),
    ];
    apply(store, made.map(|(id, at)| change(id, put(at))).to_vec()).await;
    let expected = ["newest", "new", "c", "b", "a", "zero", "old", "oldest"];
    assert_eq!(ids(&list(store, 0, 100).await), expected);
}

pub(super) async fn the_list_is_cut_by_from_and_size(store: &impl Storer) {
    apply(store, (0..10).map(|n| change(&format!("id{n}"), put(n))).collect()).await;
    let all = ["id9", "id8", "id7", "id6", "id5", "id4", "id3", "id2", "id1", "id0"];
    for from in 0..12 {
        for size in 0..12 {
            let part = ok(store.list(from as u64, size).await);
            assert_eq!(part.total, 10, "the total does not depend on the part");
            let expected: Vec<&str> = all.iter().copied().skip(from).take(size).collect();
            assert_eq!(ids(&part.pushers), expected, "{size} after the first {from}");
        }
    }
    assert_eq!(ids(&list(store, u64::MAX, usize::MAX).await), [] as [&str; 0]);
    assert_eq!(ids(&list(store, 0, usize::MAX).await), all);
}

/// Long enough that no backend keeps it in one piece; few times, so that many recipients share one.
pub(super) async fn a_long_list_is_cut_wherever_asked(store: &impl Storer) {
    let mut dice = Dice(5);
    let mut model: BTreeMap<(i64, String), ()> = BTreeMap::new();
    for round in 0..6 {
        let mut batch = Vec::new();
        for n in 0..200 {
            let (id, created_at) = (format!("id{round}-{n}"), dice.roll(30) as i64 - 10);
            batch.push(change(&id, put(created_at)));
            model.insert((created_at, id), ());
        }
        let gone: Vec<_> = model.keys().filter(|_| dice.roll(4) == 0).cloned().collect();
        for key in gone {
            batch.push(change(&key.1, Change::Delete));
            model.remove(&key);
        }
        apply(store, batch).await;
        let newest_first: Vec<&str> = model.keys().rev().map(|(_, id)| id.as_str()).collect();
        for from in 0..newest_first.len() + 2 {
            let part = ok(store.list(from as u64, 2).await);
            assert_eq!(part.total, newest_first.len() as u64);
            let expected: Vec<&str> = newest_first.iter().copied().skip(from).take(2).collect();
            assert_eq!(ids(&part.pushers), expected, "2 after the first {from} in round {round}");
        }
        assert_eq!(ids(&followed(store, 7).await), newest_first, "followed by 7 in round {round}");
    }
    // Nearly all go, and the few that stay are found.
    let stay: Vec<String> = model.keys().rev().step_by(100).map(|(_, id)| id.clone()).collect();
    let gone = model.keys().filter(|(_, id)| !stay.contains(id)).map(|(_, id)| change(id, Change::Delete)).collect();
    apply(store, gone).await;
    for from in 0..stay.len() {
        assert_eq!(ids(&list(store, from as u64, 2).await), stay[from..stay.len().min(from + 2)]);
    }
}

pub(super) async fn a_changed_creation_time_moves_a_recipient_in_the_list(store: &impl Storer) {
    apply(store, vec![change("a", put(1)), change("b", put(2))]).await;
    assert_eq!(ids(&list(store, 0, 9).await), ["b", "a"]);
    let later = ContactFields { created_at: Some(3), ..ContactFields::default() };
    assert_eq!(apply_one(store, "a", Change::Update(later)).await, Applied::Changed);
    assert_eq!(ids(&list(store, 0, 9).await), ["a", "b"], "and is in it once");
    apply_one(store, "a", Change::Delete).await;
    assert_eq!(ids(&list(store, 0, 9).await), ["b"], "and leaves it");
}

pub(super) async fn the_list_goes_on_behind_a_cursor(store: &impl Storer) {
    let made = [("a", 3), ("b", 2), ("c", 2), ("d", 2), ("e", 1), ("f", -1), ("g", i64::MIN), ("h", i64::MAX)];
    apply(store, made.map(|(id, at)| change(id, put(at))).to_vec()).await;
    let all = ["h", "a", "d", "c", "b", "e", "f", "g"];
    for size in 1..10 {
        assert_eq!(ids(&followed(store, size).await), all, "by {size}");
    }
    let cursor = |created_at, who: &str| Cursor { created_at, id: id(who) };
    for (created_at, who, next) in
        [(2, "zz", 2), (2, "cc", 3), (2, "c", 4), (1, "f", 5), (0, "a", 6), (-1, "a", 7), (i64::MIN, "a", 8)]
    {
        let found = behind(store, Some(&cursor(created_at, who)), 9).await;
        assert_eq!(found, all[next..], "behind {who} at {created_at}, who need not be there");
    }
    assert_eq!(behind(store, None, 0).await, [] as [String; 0]);
    assert_eq!(behind(store, Some(&cursor(2, "d")), 2).await, ["c", "b"]);
    assert_eq!(behind(store, None, usize::MAX).await, all);
    let part = ok(store.list_after(Some(&cursor(2, "d")), 1).await);
    assert_eq!(part.total, 8, "the total does not depend on the part");
}

/// The list is followed while others are created, deleted and moved all over it, the one it was cut at among them.
pub(super) async fn following_the_list_sees_what_stays_exactly_once(store: &impl Storer) {
    let mut dice = Dice(11);
    for size in [1, 3, 10] {
        let stays = |n: usize| format!("stays {n}");
        let comes_and_goes = |n: usize| format!("comes and goes {n}");
        let begin = (0..40).flat_map(|n| {
            let at = (n % 13) as i64;
            [change(&stays(n), put(at)), change(&comes_and_goes(n), put(at))]
        });
        apply(store, begin.collect()).await;
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut after: Option<Cursor> = None;
        loop {
            let part = ok(store.list_after(after.as_ref(), size).await);
            let Some(last) = part.pushers.last() else { break };
            after = Some(Cursor::behind(last));
            let cut_at = last.id.clone();
            for pusher in &part.pushers {
                *seen.entry(pusher.id.to_string()).or_default() += 1;
            }
            if cut_at.as_str().starts_with("comes") {
                apply_one(store, cut_at.as_str(), Change::Delete).await;
            }
            for _ in 0..5 {
                let who = comes_and_goes(dice.roll(40));
                let what = if dice.roll(2) == 0 { Change::Delete } else { put(dice.roll(15) as i64 - 1) };
                apply_one(store, &who, what).await;
            }
            let tagged = change(&stays(dice.roll(40)), Change::AddTag(tag(&format!("t{}", dice.roll(9)))));
            apply(store, vec![tagged]).await;
            assert!(seen.len() <= 80 && seen.values().sum::<usize>() < 10_000, "the list comes to an end");
        }
        for n in 0..40 {
            assert_eq!(seen.get(&stays(n)), Some(&1), "{} in parts of {size}", stays(n));
        }
    }
}
