//! The suite that every [`Storer`] must pass. A backend's tests call [`storer`] with a way to make an empty store; what
//! does not conform panics, and says which rule was broken.
//!
//! Each function below is one rule of the port and gets a store of its own. The last one checks a long history of random
//! changes against a model that is nothing but [`Change::apply`] over a map.

use std::collections::BTreeMap;

use crate::ports::{Scope, StoreError, Storer};
use crate::pusher::{Applied, Change, ContactFields, Pusher, PusherChange};
use crate::words::{MAX_ID_BYTES, MAX_SENDER_BYTES, MAX_TAG_BYTES, PusherId, SenderName, Tag};

/// Runs the suite. `make` gives an empty store each time it is called.
///
/// # Panics
/// If a store breaks a rule of the port.
pub async fn storer<F, S>(make: F)
where
    F: Fn() -> S,
    S: Storer,
{
    each_change_does_what_it_says(&make()).await;
    nothing_changes_a_recipient_that_is_not_there(&make()).await;
    a_batch_is_carried_out_in_order(&make()).await;
    results_and_recipients_come_in_the_order_asked_for(&make()).await;
    an_id_is_any_text(&make()).await;
    the_list_is_newest_first(&make()).await;
    the_list_is_cut_by_from_and_size(&make()).await;
    a_changed_creation_time_moves_a_recipient_in_the_list(&make()).await;
    a_scope_holds_exactly_its_own(&make()).await;
    the_longest_words_are_found(&make()).await;
    pages_follow_each_other(&make()).await;
    pages_see_what_stays_whatever_comes_and_goes(&make()).await;
    a_long_history_agrees_with_the_model(&make()).await;
}

async fn each_change_does_what_it_says(store: &impl Storer) {
    let contact = ContactFields {
        email: Some("a@example.com".into()),
        nickname: Some("A".into()),
        phone_number: Some("1".into()),
        created_at: Some(7),
    };
    let nickname = ContactFields { nickname: Some("B".into()), ..ContactFields::default() };
    let steps = [
        (Change::Put(contact.clone()), Applied::Created),
        (Change::Put(contact.clone()), Applied::Unchanged),
        (Change::AddSender(sender("mail")), Applied::Changed),
        (Change::AddSender(sender("mail")), Applied::Unchanged),
        (Change::AddTag(tag("vip")), Applied::Changed),
        (Change::AddTag(tag("new")), Applied::Changed),
        (Change::Put(nickname.clone()), Applied::Changed),
        (Change::Update(nickname), Applied::Unchanged),
        (Change::Update(contact), Applied::Changed),
        (Change::RemoveTag(tag("vip")), Applied::Changed),
        (Change::RemoveTag(tag("vip")), Applied::Unchanged),
        (Change::RemoveSender(sender("sms")), Applied::Unchanged),
        (Change::RemoveSender(sender("mail")), Applied::Changed),
        (Change::Delete, Applied::Changed),
        (Change::Delete, Applied::Missing),
        (Change::Put(ContactFields::default()), Applied::Created),
    ];
    let mut model = None;
    for (change, applied) in steps {
        model = change.apply(&id("a"), model.as_ref()).0;
        assert_eq!(apply_one(store, "a", change.clone()).await, applied, "{change:?}");
        assert_eq!(get_one(store, "a").await, model, "after {change:?}");
        let listed = list(store, 0, 10).await;
        assert_eq!(listed, model.iter().cloned().collect::<Vec<_>>(), "the list after {change:?}");
        for (scope, has) in [
            (Scope::Sender(sender("mail")), model.as_ref().is_some_and(|p| p.has_sender(&sender("mail")))),
            (Scope::Tag(tag("vip")), model.as_ref().is_some_and(|p| p.tags.contains(&tag("vip")))),
            (Scope::Tag(tag("new")), model.as_ref().is_some_and(|p| p.tags.contains(&tag("new")))),
        ] {
            assert_eq!(page(store, &scope, None, 10).await.len(), usize::from(has), "{scope:?} after {change:?}");
        }
    }
}

async fn nothing_changes_a_recipient_that_is_not_there(store: &impl Storer) {
    for change in [
        Change::Update(ContactFields::default()),
        Change::AddSender(sender("mail")),
        Change::RemoveSender(sender("mail")),
        Change::AddTag(tag("vip")),
        Change::RemoveTag(tag("vip")),
        Change::Delete,
    ] {
        assert_eq!(apply_one(store, "a", change.clone()).await, Applied::Missing, "{change:?}");
    }
    assert_eq!(get_one(store, "a").await, None);
    let listed = ok(store.list(0, 10).await);
    assert_eq!((listed.total, listed.pushers.len()), (0, 0));
    assert_eq!(page(store, &Scope::Tag(tag("vip")), None, 10).await, [] as [String; 0]);
    assert!(store.apply(Vec::new()).await.is_empty(), "no change has no result");
    assert!(ok(store.get(&[]).await).is_empty(), "no id has no recipient");
}

async fn a_batch_is_carried_out_in_order(store: &impl Storer) {
    let changes = vec![
        change("a", Change::AddTag(tag("too early"))),
        change("a", put(1)),
        change("b", put(2)),
        change("a", Change::AddTag(tag("x"))),
        change("a", Change::Delete),
        change("a", Change::AddTag(tag("too late"))),
        change("a", put(3)),
        change("b", Change::AddTag(tag("x"))),
        change("a", Change::AddSender(sender("mail"))),
    ];
    let applied = apply(store, changes).await;
    use Applied::{Changed, Created, Missing};
    assert_eq!(applied, [Missing, Created, Created, Changed, Changed, Missing, Created, Changed, Changed]);
    let a = get_one(store, "a").await.map(|p| (p.created_at, p.tags, p.senders));
    assert_eq!(a, Some((3, vec![], vec![sender("mail")])), "what the last changes of the batch left");
    assert_eq!(page(store, &Scope::Tag(tag("x")), None, 10).await, ["b"]);
    assert_eq!(ids(&list(store, 0, 10).await), ["a", "b"]);
}

async fn results_and_recipients_come_in_the_order_asked_for(store: &impl Storer) {
    let changes = ["c", "a", "b"].map(|id| change(id, put(1)));
    assert_eq!(apply(store, changes.to_vec()).await, [Applied::Created; 3]);
    let asked = ["b", "none", "a", "c", "b"].map(id);
    let found = ok(store.get(&asked).await);
    let found: Vec<Option<&str>> = found.iter().map(|p| p.as_ref().map(|p| p.id.as_str())).collect();
    assert_eq!(found, [Some("b"), None, Some("a"), Some("c"), Some("b")]);
}

async fn an_id_is_any_text(store: &impl Storer) {
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

async fn the_list_is_newest_first(store: &impl Storer) {
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

async fn the_list_is_cut_by_from_and_size(store: &impl Storer) {
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

async fn a_changed_creation_time_moves_a_recipient_in_the_list(store: &impl Storer) {
    apply(store, vec![change("a", put(1)), change("b", put(2))]).await;
    assert_eq!(ids(&list(store, 0, 9).await), ["b", "a"]);
    let later = ContactFields { created_at: Some(3), ..ContactFields::default() };
    assert_eq!(apply_one(store, "a", Change::Update(later)).await, Applied::Changed);
    assert_eq!(ids(&list(store, 0, 9).await), ["a", "b"], "and is in it once");
    apply_one(store, "a", Change::Delete).await;
    assert_eq!(ids(&list(store, 0, 9).await), ["b"], "and leaves it");
}

async fn a_scope_holds_exactly_its_own(store: &impl Storer) {
    let words = ["x", "xy", "xyz", "y", "X", "x\0", "x/", "é"];
    for word in words {
        let holder = format!("has {word}");
        apply(
            store,
            vec![
                change(&holder, put(1)),
                change(&holder, Change::AddSender(sender(word))),
                change(&format!("tagged {word}"), put(1)),
                change(&format!("tagged {word}"), Change::AddTag(tag(word))),
            ],
        )
        .await;
    }
    for word in words {
        assert_eq!(
            page(store, &Scope::Sender(sender(word)), None, 9).await,
            [format!("has {word}")],
            "sender {word:?}"
        );
        assert_eq!(page(store, &Scope::Tag(tag(word)), None, 9).await, [format!("tagged {word}")], "tag {word:?}");
    }
    // An id that is what another word and id would make together.
    apply(store, vec![change("y", put(1)), change("y", Change::AddSender(sender("x")))]).await;
    assert_eq!(page(store, &Scope::Sender(sender("x")), None, 9).await, ["has x", "y"]);
    assert_eq!(page(store, &Scope::Sender(sender("xy")), None, 9).await, ["has xy"]);

    apply(store, vec![change("has x", Change::Delete), change("y", Change::RemoveSender(sender("x")))]).await;
    assert_eq!(page(store, &Scope::Sender(sender("x")), None, 9).await, [] as [String; 0], "after the last one went");
    assert_eq!(page(store, &Scope::Sender(sender("xy")), None, 9).await, ["has xy"], "the others stay");
    apply_one(store, "has x", put(1)).await;
    assert_eq!(
        page(store, &Scope::Sender(sender("x")), None, 9).await,
        [] as [String; 0],
        "made again, it starts anew"
    );
}

async fn the_longest_words_are_found(store: &impl Storer) {
    let (name, label) = (sender(&"s".repeat(MAX_SENDER_BYTES)), tag(&"t".repeat(MAX_TAG_BYTES)));
    let longest = "i".repeat(MAX_ID_BYTES);
    apply(
        store,
        vec![
            change(&longest, put(1)),
            change(&longest, Change::AddSender(name.clone())),
            change(&longest, Change::AddTag(label.clone())),
        ],
    )
    .await;
    assert_eq!(page(store, &Scope::Sender(name), None, 9).await, [longest.as_str()]);
    assert_eq!(page(store, &Scope::Tag(label), None, 9).await, [longest.as_str()]);
}

async fn pages_follow_each_other(store: &impl Storer) {
    for n in 0..10 {
        let id = format!("id{n}");
        apply(
            store,
            vec![
                change(&id, put(-n)),
                change(&id, Change::AddSender(sender("mail"))),
                change(&id, Change::AddTag(tag(if n % 2 == 0 { "even" } else { "odd" }))),
            ],
        )
        .await;
    }
    let (mail, even) = (Scope::Sender(sender("mail")), Scope::Tag(tag("even")));
    for size in 1..12 {
        let all: Vec<String> = (0..10).map(|n| format!("id{n}")).collect();
        assert_eq!(pages(store, &mail, size).await, all, "pages of {size}");
        assert_eq!(pages(store, &even, size).await, ["id0", "id2", "id4", "id6", "id8"], "pages of {size}");
    }
    assert_eq!(page(store, &even, Some("id1"), 1).await, ["id2"], "a cursor need not be in the scope");
    assert_eq!(page(store, &even, Some("zzz"), 9).await, [] as [String; 0], "nor be anybody's id");
    assert_eq!(page(store, &mail, None, 0).await, [] as [String; 0]);
    assert_eq!(page(store, &Scope::Sender(sender("nobody's")), None, 9).await, [] as [String; 0]);
}

async fn pages_see_what_stays_whatever_comes_and_goes(store: &impl Storer) {
    let scope = Scope::Tag(tag("t"));
    let tagged = |id: &str| vec![change(id, put(1)), change(id, Change::AddTag(tag("t")))];
    for id in ["b", "d", "f", "h", "j"] {
        apply(store, tagged(id)).await;
    }
    assert_eq!(page(store, &scope, None, 2).await, ["b", "d"]);
    // The cursor itself goes, one behind it comes, one before it comes, one ahead goes, one ahead comes.
    apply(store, vec![change("d", Change::Delete), change("f", Change::RemoveTag(tag("t")))]).await;
    for id in ["a", "c", "g"] {
        apply(store, tagged(id)).await;
    }
    assert_eq!(page(store, &scope, Some("d"), 2).await, ["g", "h"]);
    assert_eq!(page(store, &scope, Some("h"), 2).await, ["j"]);
}

/// Few ids and few words, so that changes meet each other; several changes to a batch.
async fn a_long_history_agrees_with_the_model(store: &impl Storer) {
    let mut model: BTreeMap<PusherId, Pusher> = BTreeMap::new();
    let mut dice = Dice(2016);
    let words = ["x", "xy", "y"];
    for round in 0..200 {
        let mut batch = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..=dice.roll(8) {
            let id = id(["a", "b", "ab", "a/b", "日本"][dice.roll(5)]);
            let word = words[dice.roll(3)];
            let change = match dice.roll(10) {
                0..=2 => put(dice.roll(5) as i64 - 2),
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
        for word in words {
            let of = |has: &dyn Fn(&Pusher) -> bool| -> Vec<String> {
                model.values().filter(|p| has(p)).map(|p| p.id.as_str().to_owned()).collect()
            };
            let (by_sender, by_tag) = (Scope::Sender(sender(word)), Scope::Tag(tag(word)));
            let with_sender = of(&|p| p.has_sender(&sender(word)));
            assert_eq!(pages(store, &by_sender, 2).await, with_sender, "round {round}: {by_sender:?}");
            assert_eq!(
                pages(store, &by_tag, 2).await,
                of(&|p| p.tags.contains(&tag(word))),
                "round {round}: {by_tag:?}"
            );
        }
    }
}

/// Numbers that look random and are the same every time (a linear congruential generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides) as usize
    }
}

fn id(text: &str) -> PusherId {
    PusherId::parse(text).expect("the suite's ids are ids")
}

fn sender(text: &str) -> SenderName {
    SenderName::parse(text).expect("the suite's senders are senders")
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("the suite's tags are tags")
}

fn change(who: &str, change: Change) -> PusherChange {
    PusherChange { id: id(who), change }
}

fn put(created_at: i64) -> Change {
    Change::Put(ContactFields { created_at: Some(created_at), ..ContactFields::default() })
}

fn ok<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|e| panic!("the store refused what it must do: {e}"))
}

async fn apply(store: &impl Storer, changes: Vec<PusherChange>) -> Vec<Applied> {
    store.apply(changes).await.into_iter().map(ok).collect()
}

async fn apply_one(store: &impl Storer, who: &str, what: Change) -> Applied {
    let applied = apply(store, vec![change(who, what)]).await;
    assert_eq!(applied.len(), 1, "one result for one change");
    applied[0]
}

async fn get_one(store: &impl Storer, who: &str) -> Option<Pusher> {
    let mut found = ok(store.get(&[id(who)]).await);
    assert_eq!(found.len(), 1, "one answer for one id");
    found.remove(0)
}

async fn list(store: &impl Storer, from: u64, size: usize) -> Vec<Pusher> {
    ok(store.list(from, size).await).pushers
}

async fn page(store: &impl Storer, scope: &Scope, after: Option<&str>, size: usize) -> Vec<String> {
    let page = ok(store.page(scope, after.map(id).as_ref(), size).await);
    page.into_iter().map(String::from).collect()
}

/// All pages of a scope, one after the other.
async fn pages(store: &impl Storer, scope: &Scope, size: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let next = page(store, scope, all.last().map(String::as_str), size).await;
        if next.is_empty() {
            return all;
        }
        assert!(next.len() <= size, "a page of {size} has {} ids", next.len());
        all.extend(next);
    }
}

fn ids(pushers: &[Pusher]) -> Vec<&str> {
    pushers.iter().map(|p| p.id.as_str()).collect()
}
