//! The rules of [`DeliveryLog`] about notes: pushalls, and requests that are not done twice.

use super::{id, ok, sender};
use crate::delivery::{
    Attempt, DeliveryEvent, DeliveryLog, Note, Once, Page, PushAll, PushAllCounts, PushAllState, Report, Reported,
    Retention, SendEnd,
};
use crate::job_name::JobName;
use crate::ports::StoreError;

fn pushall(text: &str) -> JobName {
    JobName::for_pushall(&sender("s"), text)
}

fn accepted(name: &JobName, tag: &str, due_at: i64) -> Note {
    Note::PushAll { name: name.clone(), sender: sender("s"), tag: tag.into(), due_at }
}

fn page(name: &JobName, behind: Option<&str>, through: &str, done: bool) -> Note {
    Note::Page(Page {
        name: name.clone(),
        sender: sender("s"),
        tag: "vip".into(),
        behind: behind.map(id),
        through: Some(id(through)),
        pushed: 10,
        recipients: None,
        done,
    })
}

async fn note<L: DeliveryLog>(log: &L, notes: &[Note]) -> Result<(), StoreError> {
    log.note(notes.to_vec(), Vec::new()).await
}

async fn get<L: DeliveryLog>(log: &L, name: &JobName) -> PushAll {
    ok(log.pushall(name).await).expect("it is known")
}

pub(super) async fn a_pushall_is_known_and_goes_forward<L: DeliveryLog>(log: &L) {
    let name = pushall("x");
    assert_eq!(ok(log.pushall(&name).await), None);
    ok(note(log, &[accepted(&name, "vip", 7)]).await);
    let new = get(log, &name).await;
    assert!(new.accepted_at > 0);
    assert_eq!((new.state, new.due_at, new.tag.as_str(), new.after), (PushAllState::Accepted, 7, "vip", None));
    ok(note(log, &[page(&name, None, "k", false)]).await);
    ok(note(log, &[accepted(&name, "vip", 9)]).await);
    let running = get(log, &name).await;
    assert_eq!((running.state, running.due_at, running.after), (PushAllState::Running, 9, Some(id("k"))));
    for wrong in [page(&name, None, "z", true), page(&name, Some("j"), "z", true)] {
        assert!(matches!(note(log, &[wrong]).await, Err(StoreError::Refused(_))), "a page begins where it has come to");
    }
    ok(note(log, &[page(&name, Some("k"), "z", true)]).await);
    let done = get(log, &name).await;
    assert_eq!((done.state, done.counts.submitted), (PushAllState::Done, 20));
    assert!(matches!(note(log, &[page(&name, Some("z"), "zz", true)]).await, Err(StoreError::Refused(_))));
    // Accepted again it is another one.
    ok(note(log, &[accepted(&name, "vip", 0)]).await);
    let again = get(log, &name).await;
    assert_eq!((again.state, again.after, again.counts), (PushAllState::Accepted, None, PushAllCounts::default()));
    assert!(again.accepted_at >= new.accepted_at);
}

pub(super) async fn a_cancelled_pushall_takes_no_page<L: DeliveryLog>(log: &L) {
    let name = pushall("x");
    let cancel = Note::CancelPushAll { name: name.clone() };
    ok(note(log, std::slice::from_ref(&cancel)).await);
    assert_eq!(ok(log.pushall(&name).await), None, "what is not known is not made by that");
    ok(note(log, &[page(&name, None, "k", false)]).await);
    ok(note(log, std::slice::from_ref(&cancel)).await);
    assert!(matches!(note(log, &[page(&name, Some("k"), "z", true)]).await, Err(StoreError::Refused(_))));
    assert_eq!(get(log, &name).await.state, PushAllState::Cancelled);
}

pub(super) async fn messages_of_a_pushall_are_counted_with_it<L: DeliveryLog>(log: &L) {
    let name = pushall("x");
    ok(note(log, &[page(&name, None, "k", true)]).await);
    let message = |who: &str| JobName::for_push(&id(who), "data");
    let event = |who: &str| DeliveryEvent::Accepted {
        sender: sender("s"),
        name: message(who),
        due_at: 0,
        pushall: Some(name.clone()),
        tag: Some("vip".into()),
        data: Some("data".into()),
    };
    let tried = |who: &str, at: i64, reported| {
        let (number, took_ms, version, end, status) = (1, 1, None, SendEnd::Temporary, None);
        let attempt = Attempt { number, at, took_ms, version, end, status, message: None };
        DeliveryEvent::Attempted(Report { sender: sender("s"), name: message(who), attempt, reported })
    };
    let dead = || Reported::Dead { reason: "no".into(), data: "data".into() };
    let record = async |events: Vec<DeliveryEvent>| {
        for result in log.record(events).await {
            ok(result);
        }
    };
    record(["a", "b", "c", "d"].map(event).into()).await;
    record(vec![tried("a", 1, Reported::Delivered), tried("a", 1, Reported::Delivered), tried("b", 1, dead())]).await;
    record(vec![tried("c", 1, Reported::Waiting { due_at: 5 })]).await;
    record(vec![DeliveryEvent::Cancelled { sender: sender("s"), name: message("d") }]).await;
    let counts = async || get(log, &name).await.counts;
    let expected = PushAllCounts { submitted: 10, merged: 0, delivered: 1, dead: 1, cancelled: 1 };
    assert_eq!((counts().await, counts().await.waiting()), (expected, 7));
    record(vec![DeliveryEvent::Redriven { sender: sender("s"), name: message("b") }]).await;
    assert_eq!(counts().await, PushAllCounts { dead: 0, ..expected });
    record(vec![tried("b", 2, Reported::Delivered)]).await;
    assert_eq!(counts().await, PushAllCounts { dead: 0, delivered: 2, ..expected });
    // Another pushall with the same message for one that waits takes it over.
    let other = pushall("y");
    ok(note(log, &[page(&other, None, "k", true)]).await);
    let DeliveryEvent::Accepted { sender, name: message, due_at, tag, data, .. } = event("c") else { unreachable!() };
    record(vec![DeliveryEvent::Accepted { sender, name: message, due_at, pushall: Some(other), tag, data }]).await;
    assert_eq!(counts().await, PushAllCounts { dead: 0, delivered: 2, merged: 1, ..expected });
}

pub(super) async fn pushalls_are_listed_the_latest_first<L: DeliveryLog>(log: &L) {
    for n in 0..7 {
        ok(note(log, &[accepted(&pushall(&n.to_string()), "", 0)]).await);
    }
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = ok(log.pushalls(after, 3).await);
        assert!(page.pushalls.len() <= 3);
        names.extend(page.pushalls.into_iter().map(|found| found.name));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(names, (0..7).rev().map(|n| pushall(&n.to_string())).collect::<Vec<_>>());
}

pub(super) async fn a_request_is_remembered_by_its_key<L: DeliveryLog>(log: &L) {
    let once = |key, request| Note::Once(Once { key: [key; 32], request: [request; 32] });
    assert_eq!(ok(log.asked(&[1; 32]).await), None);
    ok(note(log, &[once(1, 5)]).await);
    assert_eq!(ok(log.asked(&[1; 32]).await), Some([5; 32]));
    assert_eq!(ok(log.asked(&[2; 32]).await), None);
    ok(note(log, &[once(1, 5)]).await);
    assert!(matches!(note(log, &[once(1, 6)]).await, Err(StoreError::Refused(_))), "a key is for one request");
    assert_eq!(ok(log.asked(&[1; 32]).await), Some([5; 32]));
    ok(log.prune(Retention { delivered_before: i64::MAX, dead_before: i64::MAX }, 100).await);
    assert_eq!(ok(log.asked(&[1; 32]).await), Some([5; 32]), "for a day");
}

pub(super) async fn pushalls_that_ended_are_pruned<L: DeliveryLog>(log: &L) {
    let (done, cancelled, runs, waits) = (pushall("done"), pushall("cancelled"), pushall("runs"), pushall("waits"));
    ok(log.note(vec![accepted(&done, "", 0), accepted(&cancelled, "", 0)], Vec::new()).await);
    let Note::Page(nobody) = page(&done, None, "k", true) else { unreachable!() };
    ok(note(log, &[Note::Page(Page { pushed: 0, ..nobody }), Note::CancelPushAll { name: cancelled.clone() }]).await);
    ok(note(log, &[page(&runs, None, "k", false), page(&waits, None, "k", true)]).await);
    let far = 1 << 50;
    ok(log.prune(Retention { delivered_before: 0, dead_before: 0 }, 100).await);
    assert!(ok(log.pushall(&done).await).is_some());
    ok(log.prune(Retention { delivered_before: far, dead_before: far }, 100).await);
    for (name, is_kept) in [(done, false), (cancelled, false), (runs, true), (waits, true)] {
        assert_eq!(ok(log.pushall(&name).await).is_some(), is_kept, "{name}");
    }
}
