//! The rules of [`DeliveryLog`].

use std::collections::BTreeMap;

use super::{Dice, id, ok, sender};
use crate::delivery::{
    Attempt, Delivery, DeliveryEvent, DeliveryFilter, DeliveryLog, DeliveryState, Report, Reported, Retention, SendEnd,
};
use crate::job_name::JobName;
use crate::words::{PusherId, SenderName};

const ALL: DeliveryFilter = DeliveryFilter {
    name: None,
    state: None,
    sender: None,
    pusher: None,
    tag: None,
    pushall: None,
    since: None,
    until: None,
    error: None,
    due_from: None,
};

fn name(who: &str, data: &str) -> JobName {
    JobName::for_push(&id(who), data)
}

fn accepted(over: &str, name: &JobName) -> DeliveryEvent {
    DeliveryEvent::Accepted {
        sender: sender(over),
        name: name.clone(),
        due_at: 2,
        pushall: None,
        tag: None,
        data: None,
    }
}

fn tried(over: &str, name: &JobName, number: u32, reported: Reported) -> DeliveryEvent {
    let end = if reported == Reported::Delivered { SendEnd::Done } else { SendEnd::Temporary };
    let (status, message) = (Some(503), Some("日本".to_owned()));
    let attempt = Attempt { number, at: i64::from(number), took_ms: 1, version: None, end, status, message };
    DeliveryEvent::Attempted(Report { sender: sender(over), name: name.clone(), attempt, reported })
}

fn dead(reason: &str) -> Reported {
    Reported::Dead { reason: reason.into(), data: "data".into() }
}

async fn record<L: DeliveryLog>(log: &L, events: Vec<DeliveryEvent>) {
    for result in log.record(events).await {
        ok(result);
    }
}

/// Everything that a list has, page by page.
async fn all<L: DeliveryLog>(log: &L, filter: &DeliveryFilter, size: usize) -> Vec<Delivery> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = ok(log.list(filter, after, size).await);
        assert!(page.deliveries.len() <= size, "a page is no longer than asked");
        found.extend(page.deliveries);
        match page.next {
            Some(next) => {
                assert!(after.is_none_or(|after| next < after), "a cursor moves on");
                after = Some(next);
            }
            None => return found,
        }
    }
}

/// Without what the log's clock decides.
fn timeless(delivery: Delivery) -> Delivery {
    Delivery { changed_at: 0, accepted_at: delivery.accepted_at.map(|_| 0), ..delivery }
}

fn names(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.name.as_str()).collect()
}

pub(super) async fn a_life_is_what_the_events_make_of_it<L: DeliveryLog>(log: &L) {
    let name = name("日本 x", "data");
    let events = [
        accepted("s", &name),
        tried("s", &name, 1, Reported::Waiting { due_at: 9 }),
        tried("s", &name, 2, dead("no such address")),
        DeliveryEvent::Redriven { sender: sender("s"), name: name.clone() },
        tried("s", &name, 3, Reported::Delivered),
    ];
    let mut expected = None;
    for event in events {
        record(log, vec![event.clone()]).await;
        expected = Delivery::after(expected.as_ref(), &event, 0).or(expected);
        let mut found = ok(log.get(&name).await);
        assert_eq!(found.len(), 1);
        assert!(found[0].changed_at > 0, "it is known when it changed");
        assert_eq!(found.pop().map(timeless), expected, "after {event:?}");
    }
}

pub(super) async fn a_name_has_one_delivery_for_each_sender<L: DeliveryLog>(log: &L) {
    let name = name("a", "data");
    let events = ["s", "t", "s"].map(|over| accepted(over, &name));
    record(log, events.to_vec()).await;
    record(log, vec![tried("t", &name, 1, Reported::Delivered)]).await;
    let mut found: Vec<_> = ok(log.get(&name).await).into_iter().map(|d| (d.sender.to_string(), d.state)).collect();
    found.sort();
    let expected = [("s", DeliveryState::Accepted), ("t", DeliveryState::Delivered)];
    assert_eq!(found, expected.map(|(over, state)| (over.to_owned(), state)));
    assert_eq!(ok(log.get(&self::name("b", "data")).await), []);
}

pub(super) async fn names_that_begin_alike_are_kept_apart<L: DeliveryLog>(log: &L) {
    let names = ["a_1", "a_12", "a_1s"].map(|text| JobName::parse(text).expect("a name"));
    let senders = ["s", "2s", "ss"];
    for name in &names {
        for over in senders {
            record(log, vec![accepted(over, name)]).await;
        }
    }
    for name in &names {
        let found = ok(log.get(name).await);
        assert!(found.len() == senders.len() && found.iter().all(|delivery| delivery.name == *name), "{found:?}");
    }
}

pub(super) async fn a_list_is_the_latest_first_and_can_be_followed<L: DeliveryLog>(log: &L) {
    let made: Vec<_> = (0..25).map(|n| name(&format!("p{n}"), "data")).collect();
    for (n, name) in made.iter().enumerate() {
        let reported = if n % 2 == 0 { Reported::Delivered } else { dead("x") };
        record(log, vec![tried("s", name, 1, reported)]).await;
    }
    let latest_first: Vec<_> = made.iter().rev().map(JobName::as_str).collect();
    for size in [1, 4, 25, 100] {
        let listed = all(log, &ALL, size).await;
        assert_eq!(names(&listed), latest_first, "in pages of {size}");
        assert!(listed.iter().all(|delivery| delivery.data.is_none()), "a list has no data");
        let times: Vec<_> = listed.iter().map(|delivery| delivery.changed_at).collect();
        assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");
    }
    // One that changes comes to the front; the others stay where they are.
    record(log, vec![DeliveryEvent::Redriven { sender: sender("s"), name: made[1].clone() }]).await;
    let listed = all(log, &ALL, 7).await;
    assert_eq!((listed.len(), listed[0].name.as_str()), (25, made[1].as_str()));
}

pub(super) async fn a_list_has_what_is_asked_for_and_nothing_else<L: DeliveryLog>(log: &L) {
    let made = ["a", "b", "c", "d", "e"].map(|who| name(who, "data"));
    let pushall = JobName::parse("s_1").expect("a name");
    record(log, vec![tried("s", &made[0], 1, Reported::Delivered)]).await;
    record(log, vec![tried("s", &made[1], 1, Reported::Waiting { due_at: 9 })]).await;
    record(log, vec![tried("t", &made[2], 1, dead("no such address"))]).await;
    record(log, vec![accepted("s", &made[3])]).await;
    record(log, vec![DeliveryEvent::Cancelled { sender: sender("s"), name: made[3].clone() }]).await;
    let due_at = 2;
    let of_pushall = DeliveryEvent::Accepted {
        sender: sender("s"),
        name: made[4].clone(),
        due_at,
        pushall: Some(pushall.clone()),
        tag: Some("news".into()),
        data: None,
    };
    record(log, vec![of_pushall]).await;
    let states = [
        DeliveryState::Delivered,
        DeliveryState::Waiting,
        DeliveryState::Dead,
        DeliveryState::Cancelled,
        DeliveryState::Accepted,
    ];
    for (state, name) in states.into_iter().zip(&made) {
        let listed = all(log, &DeliveryFilter { state: Some(state), ..ALL }, 1).await;
        assert_eq!(names(&listed), [name.as_str()], "{state}");
    }
    let one = async |filter: DeliveryFilter| {
        let listed = all(log, &filter, 1).await;
        assert_eq!(listed.len(), 1, "{filter:?}");
        listed[0].name.clone()
    };
    assert_eq!(one(DeliveryFilter { sender: Some(sender("t")), ..ALL }).await, made[2]);
    assert_eq!(one(DeliveryFilter { error: Some("such".into()), ..ALL }).await, made[2]);
    assert_eq!(one(DeliveryFilter { tag: Some("news".into()), ..ALL }).await, made[4]);
    assert_eq!(one(DeliveryFilter { pushall: Some(pushall), ..ALL }).await, made[4]);
    let latest = all(log, &ALL, 10).await[0].changed_at;
    assert_eq!(all(log, &DeliveryFilter { since: Some(latest + 1), ..ALL }, 10).await, []);
    assert_eq!(all(log, &DeliveryFilter { until: Some(latest + 1), ..ALL }, 2).await.len(), 5);
    let (since, until) = (Some(latest + 1), Some(latest));
    assert_eq!(all(log, &DeliveryFilter { since, until, ..ALL }, 2).await, []);
}

pub(super) async fn a_list_of_a_recipient_has_only_its_own<L: DeliveryLog>(log: &L) {
    for (who, count) in [("a", 5), ("a_", 2), ("a_b", 3)] {
        for n in 0..count {
            record(log, vec![tried("s", &name(who, &n.to_string()), 1, dead("x"))]).await;
        }
    }
    for (who, count) in [("a", 5), ("a_", 2), ("a_b", 3), ("b", 0)] {
        let filter = DeliveryFilter { pusher: Some(id(who)), state: Some(DeliveryState::Dead), ..ALL };
        for size in [1, 3, 100] {
            let listed = all(log, &filter, size).await;
            assert!(listed.iter().all(|delivery| delivery.pusher == id(who)), "{listed:?}");
            assert_eq!(listed.len(), count, "{who} in pages of {size}");
            assert!(listed.is_sorted_by(|one, next| one.changed_at >= next.changed_at));
        }
    }
}

pub(super) async fn what_ended_can_be_forgotten_and_nothing_else<L: DeliveryLog>(log: &L) {
    let (ended, waits) = (name("a", "data"), name("b", "data"));
    record(log, vec![tried("s", &ended, 1, dead("x")), tried("s", &waits, 1, Reported::Waiting { due_at: 9 })]).await;
    for name in [&ended, &waits, &name("c", "data")] {
        record(log, vec![DeliveryEvent::Deleted { sender: sender("s"), name: name.clone() }]).await;
    }
    assert_eq!(ok(log.get(&ended).await), []);
    assert_eq!(names(&all(log, &ALL, 10).await), [waits.as_str()]);
}

pub(super) async fn the_oldest_are_pruned_first_and_only_what_has_ended<L: DeliveryLog>(log: &L) {
    for n in 0..10 {
        record(log, vec![tried("s", &name(&format!("p{n}"), "data"), 1, Reported::Delivered)]).await;
    }
    let (letter, waits) = (name("dead", "data"), name("waits", "data"));
    record(log, vec![tried("s", &letter, 1, dead("x")), tried("s", &waits, 1, Reported::Waiting { due_at: 9 })]).await;
    let later = i64::MAX;
    let nothing = Retention { delivered_before: 0, dead_before: 0 };
    assert_eq!(ok(log.prune(nothing, 100).await), 0);
    let delivered = Retention { delivered_before: later, dead_before: 0 };
    assert_eq!(ok(log.prune(delivered, 4).await), 4);
    let left = all(log, &DeliveryFilter { state: Some(DeliveryState::Delivered), ..ALL }, 100).await;
    let expected: Vec<_> = (4..10).rev().map(|n| name(&format!("p{n}"), "data")).collect();
    assert_eq!(names(&left), expected.iter().map(JobName::as_str).collect::<Vec<_>>());
    assert_eq!(ok(log.prune(delivered, 100).await), 6);
    assert_eq!(all(log, &ALL, 100).await.len(), 2);
    assert_eq!(ok(log.prune(Retention { delivered_before: later, dead_before: later }, 100).await), 1);
    assert_eq!(names(&all(log, &ALL, 100).await), [waits.as_str()]);
    assert_eq!(ok(log.get(&letter).await), [], "it is not found by its name either");
}

pub(super) async fn a_long_history_of_deliveries_agrees_with_the_model<L: DeliveryLog>(log: &L) {
    type Key = (PusherId, SenderName, JobName);
    let mut dice = Dice(20);
    let mut model: BTreeMap<Key, Delivery> = BTreeMap::new();
    for round in 1..400_u32 {
        let mut events = Vec::new();
        for n in 0..=dice.roll(6) {
            let name = name(["a", "a_", "b"][dice.roll(3)], &dice.roll(4).to_string());
            let over = ["s", "t"][dice.roll(2)];
            let number = round * 8 + u32::try_from(n).expect("few");
            let reported = match dice.roll(4) {
                0 => dead("given up"),
                1 => Reported::Delivered,
                _ => Reported::Waiting { due_at: i64::from(round) },
            };
            events.push(match dice.roll(9) {
                0 | 1 => accepted(over, &name),
                2 => DeliveryEvent::Cancelled { sender: sender(over), name },
                3 => DeliveryEvent::Redriven { sender: sender(over), name },
                4 => DeliveryEvent::Deleted { sender: sender(over), name },
                5 => DeliveryEvent::Ended { sender: sender(over), name },
                _ => tried(over, &name, number, reported),
            });
        }
        for event in &events {
            let (over, name) = event.of();
            let key = (name.pusher().expect("a push"), over.clone(), name.clone());
            match event {
                DeliveryEvent::Deleted { .. } if model.get(&key).is_some_and(|known| known.state.is_final()) => {
                    model.remove(&key);
                }
                event => {
                    if let Some(after) = Delivery::after(model.get(&key), event, 0) {
                        model.insert(key, after);
                    }
                }
            }
        }
        record(log, events).await;
        if round % 20 == 0 {
            let mut found: BTreeMap<Key, Delivery> = BTreeMap::new();
            for listed in all(log, &ALL, 5).await {
                let kept = ok(log.get(&listed.name).await).into_iter().find(|kept| kept.sender == listed.sender);
                let kept = kept.expect("what is listed is found by its name");
                assert_eq!(Delivery { data: None, ..kept.clone() }, listed);
                let key = (kept.pusher.clone(), kept.sender.clone(), kept.name.clone());
                let twice = found.insert(key, timeless(kept));
                assert_eq!(twice, None, "each is listed once");
            }
            assert_eq!(found, model, "in round {round}");
        }
    }
}
