//! What each change does, and what a batch of them does.

use super::{Dice, apply, apply_one, change, fields, get_one, id, ids, list, ok, page, put, sender, tag};
use crate::change::{Applied, Change, ContactFields, Limit, MAX_SENDERS, MAX_TAGS, PusherFields};
use crate::ports::{Scope, Storer};

pub(super) async fn each_change_does_what_it_says(store: &impl Storer) {
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

pub(super) async fn a_set_creates_and_replaces(store: &impl Storer) {
    let steps = [
        (Change::Set(fields(1, &["mail", "sms", "mail"], &["vip"])), Applied::Created, ["sms", "vip"]),
        (Change::Set(fields(1, &["mail", "sms"], &["vip"])), Applied::Unchanged, ["sms", "vip"]),
        (Change::Set(PusherFields::default()), Applied::Unchanged, ["sms", "vip"]),
        (Change::Set(fields(1, &["mail"], &["vip"])), Applied::Changed, ["", "vip"]),
        (Change::Set(fields(2, &["sms", "mail"], &[])), Applied::Changed, ["sms", ""]),
        (Change::Set(fields(2, &["mail", "sms"], &[])), Applied::Changed, ["sms", ""]),
        (Change::Set(fields(2, &[], &["new", "vip"])), Applied::Changed, ["", "vip"]),
    ];
    let mut model = None;
    for (set, applied, [sms, vip]) in steps {
        model = set.apply(&id("a"), model.as_ref()).0;
        assert_eq!(apply_one(store, "a", set.clone()).await, applied, "{set:?}");
        assert_eq!(get_one(store, "a").await, model, "after {set:?}");
        assert_eq!(list(store, 0, 9).await, model.iter().cloned().collect::<Vec<_>>(), "the list after {set:?}");
        let with_sms = page(store, &Scope::Sender(sender("sms")), None, 9).await;
        let with_vip = page(store, &Scope::Tag(tag("vip")), None, 9).await;
        assert_eq!((with_sms.len(), with_vip.len()), (sms.len() / 3, vip.len() / 3), "after {set:?}");
    }
}

pub(super) async fn what_is_over_a_limit_changes_nothing(store: &impl Storer) {
    let words = |count: usize| (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>();
    let (senders, tags) = (words(MAX_SENDERS), words(MAX_TAGS));
    let (senders, tags): (Vec<&str>, Vec<&str>) =
        (senders.iter().map(String::as_str).collect(), tags.iter().map(String::as_str).collect());
    let too_many = |with: &[&'static str]| [&senders[..], with].concat();
    assert_eq!(apply_one(store, "a", Change::Set(fields(1, &senders, &tags))).await, Applied::Created);
    let full = get_one(store, "a").await;
    for (refused, limit) in [
        (Change::AddSender(sender("more")), Limit::Senders),
        (Change::AddTag(tag("more")), Limit::Tags),
        (Change::Set(fields(2, &too_many(&["more"]), &["more"])), Limit::Senders),
        (Change::Set(fields(2, &["more"], &[&tags[..], &["more"]].concat())), Limit::Tags),
    ] {
        assert_eq!(apply_one(store, "a", refused.clone()).await, Applied::OverLimit(limit), "{refused:?}");
        assert_eq!(get_one(store, "a").await, full, "after {refused:?}");
    }
    let created = apply_one(store, "b", Change::Set(fields(1, &too_many(&["more"]), &[]))).await;
    assert_eq!((created, get_one(store, "b").await), (Applied::OverLimit(Limit::Senders), None));
    assert_eq!(page(store, &Scope::Sender(sender("more")), None, 9).await, [] as [String; 0]);
    assert_eq!(page(store, &Scope::Tag(tag("more")), None, 9).await, [] as [String; 0]);
    assert_eq!(ids(&list(store, 0, 9).await), ["a"]);
    assert_eq!(apply_one(store, "a", Change::AddTag(tag("w0"))).await, Applied::Unchanged, "one that is there");
    assert_eq!(apply_one(store, "a", Change::RemoveTag(tag("w0"))).await, Applied::Changed);
    assert_eq!(apply_one(store, "a", Change::AddTag(tag("more"))).await, Applied::Changed, "there is room again");
}

pub(super) async fn nothing_changes_a_recipient_that_is_not_there(store: &impl Storer) {
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

pub(super) async fn a_batch_is_carried_out_in_order(store: &impl Storer) {
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

/// In no order of ids, and some of them twice.
pub(super) async fn a_large_batch_is_carried_out_whole(store: &impl Storer) {
    let mut dice = Dice(7);
    let mut model = std::collections::BTreeMap::new();
    let mut batch = Vec::new();
    let mut expected = Vec::new();
    for n in 0..3_000 {
        let who = id(&format!("id{}", dice.roll(2_500)));
        let set = Change::Set(fields(dice.roll(50) as i64, &["mail"], &[["x", "y"][n % 2]]));
        let (after, applied) = set.apply(&who, model.get(&who));
        expected.push(applied);
        batch.push(change(who.as_str(), set));
        model.extend(after.map(|after| (who, after)));
    }
    assert_eq!(apply(store, batch).await, expected);
    let mut newest_first: Vec<_> = model.values().cloned().collect();
    newest_first.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    assert!(list(store, 0, 3_000).await == newest_first, "the list is that of the model");
    for word in ["x", "y"] {
        let has: Vec<_> = model.values().filter(|p| p.tags == [tag(word)]).map(|p| p.id.to_string()).collect();
        assert_eq!(page(store, &Scope::Tag(tag(word)), None, 3_000).await, has, "who has {word}");
    }
    let all: Vec<_> = model.keys().cloned().collect();
    let found: Vec<_> = ok(store.get(&all).await).into_iter().flatten().collect();
    assert!(found.iter().eq(model.values()), "the recipients are those of the model");
}

pub(super) async fn results_and_recipients_come_in_the_order_asked_for(store: &impl Storer) {
    let changes = ["c", "a", "b"].map(|id| change(id, put(1)));
    assert_eq!(apply(store, changes.to_vec()).await, [Applied::Created; 3]);
    let asked = ["b", "none", "a", "c", "b"].map(id);
    let found = ok(store.get(&asked).await);
    let found: Vec<Option<&str>> = found.iter().map(|p| p.as_ref().map(|p| p.id.as_str())).collect();
    assert_eq!(found, [Some("b"), None, Some("a"), Some("c"), Some("b")]);
}
