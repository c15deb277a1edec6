//! The log and the jobs in one store: what happens to a job happens to its delivery, in the same commit.

use std::time::Duration;

use bytes::Bytes;
use periodic::{Clock, Job, JobKey, JobOp, JobOpDone, JobStore, JobStoreError, Seq, SystemClock};
use pusher_core::{
    Attempt, Attempted, Delivery, DeliveryCursor, DeliveryEvent, DeliveryFilter, DeliveryLog, DeliveryState, JobName,
    Note, Once, Page, PushAll, PushAllCounts, PushAllState, PusherId, Report, Reported, Retention, SendEnd, SenderName,
    StoreError,
};

use super::{attempt, name, open, sender};
use crate::Store;

fn key(func: &str, name: &JobName) -> JobKey {
    JobKey { func: Bytes::from(func.to_owned()), name: Bytes::from(name.as_str().to_owned()) }
}

/// The job of [`name`].
fn job(func: &str, who: &str) -> Job {
    Job { key: key(func, &name(who)), workload: Bytes::from_static(b"data"), sched_at: 7, count: 0, timeout: 0 }
}

async fn op(store: &Store, op: JobOp) -> Result<JobOpDone, JobStoreError> {
    JobStore::apply(store, vec![op]).await.remove(0)
}

async fn put(store: &Store, job: Job) -> Seq {
    match op(store, JobOp::Put(job)).await {
        Ok(JobOpDone::Put { seq, .. }) => seq,
        other => panic!("{other:?}"),
    }
}

async fn put_all(store: &Store, jobs: Vec<Job>, notes: &[Note]) -> Result<Vec<Seq>, JobStoreError> {
    match op(store, JobOp::PutAll { jobs, note: Note::to_bytes(notes).into() }).await? {
        JobOpDone::PutAll(put) => Ok(put.into_iter().flatten().map(|(seq, _)| seq).collect()),
        other => panic!("{other:?}"),
    }
}

async fn known(store: &Store, who: &str) -> Vec<Delivery> {
    DeliveryLog::get(store, &name(who)).await.unwrap()
}

async fn state(store: &Store, who: &str) -> DeliveryState {
    let known = known(store, who).await;
    assert_eq!(known.len(), 1, "{known:?}");
    known[0].state
}

fn said() -> Bytes {
    Attempted { sender: sender(), attempt: attempt(), dead: None }.to_bytes().into()
}

fn said_dead() -> Bytes {
    let dead = Some("no such address".to_owned());
    Attempted { sender: sender(), attempt: Attempt { end: SendEnd::Permanent, ..attempt() }, dead }.to_bytes().into()
}

fn failed(who: &str, number: u32, reported: Reported) -> DeliveryEvent {
    let at = i64::from(number) * 10;
    let attempt = Attempt { number, at, end: SendEnd::Temporary, ..attempt() };
    DeliveryEvent::Attempted(Report { sender: sender(), name: name(who), attempt, reported })
}

async fn fails(store: &Store, who: &str, number: u32, reported: Reported) {
    assert!(store.record(vec![failed(who, number, reported)]).await[0].is_ok());
}

fn dead() -> Reported {
    Reported::Dead { reason: "no such address".into(), data: "data".into() }
}

async fn listed(store: &Store, filter: &DeliveryFilter) -> Vec<String> {
    let (mut found, mut after): (Vec<String>, Option<DeliveryCursor>) = (Vec::new(), None);
    loop {
        let page = DeliveryLog::list(store, filter, after, 3).await.unwrap();
        found.extend(page.deliveries.iter().map(|found| found.pusher.to_string()));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn what_a_worker_says_with_the_end_of_a_job_is_kept_in_the_same_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ends = async |func, who, op_of: fn(Seq) -> JobOp| {
        let seq = put(&store, job(func, who)).await;
        let before = store.commits().operations.count();
        op(&store, op_of(seq)).await.unwrap();
        assert_eq!(store.commits().operations.count(), before + 1);
        known(&store, who).await
    };
    let kept = ends("pusher:sample", "a", |seq| JobOp::Finish { seq, result: said() }).await;
    assert_eq!((kept.len(), kept[0].state, &kept[0].attempts), (1, DeliveryState::Delivered, &vec![attempt()]));
    assert!(kept[0].accepted_at.is_some_and(|at| at > 0 && at <= kept[0].changed_at));
    // What is given up is kept with its data; told once more, later, by way of the API, it is the same.
    let kept = ends("pusher:sample", "z", |seq| JobOp::Finish { seq, result: said_dead() }).await;
    let letter = (kept[0].state, kept[0].reason.as_deref(), kept[0].data.as_deref());
    assert_eq!(letter, (DeliveryState::Dead, Some("no such address"), Some("data")));
    let again = Report { sender: sender(), name: name("z"), attempt: kept[0].attempts[0].clone(), reported: dead() };
    assert!(store.record(vec![DeliveryEvent::Attempted(again)]).await[0].is_ok());
    assert_eq!(known(&store, "z").await, kept);
    // A worker that says nothing, and one that says something else.
    for (who, said) in [("b", ""), ("c", "{\"sender\":1}"), ("d", "OK")] {
        let seq = put(&store, job("pusher:sample", who)).await;
        op(&store, JobOp::Finish { seq, result: Bytes::from(said) }).await.unwrap();
        let kept = known(&store, who).await;
        assert_eq!((kept.len(), kept[0].state, kept[0].attempts.len()), (1, DeliveryState::Delivered, 0));
    }
    let kept = ends("pusher:sample", "e", JobOp::Discard).await;
    assert_eq!((kept.len(), kept[0].state), (1, DeliveryState::Cancelled));
    // Of another program's func, and of a job that is no push.
    assert_eq!(ends("other:sample", "f", |seq| JobOp::Finish { seq, result: said() }).await, []);
    let forged = Job { workload: Bytes::from_static(b"other"), ..job("pusher:sample", "g") };
    let seq = put(&store, forged).await;
    op(&store, JobOp::Finish { seq, result: Bytes::new() }).await.unwrap();
    assert_eq!(known(&store, "g").await, []);
}

#[tokio::test]
async fn a_message_that_waits_is_known_although_nobody_has_tried_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for who in ["a", "b", "c", "d", "e", "f"] {
        put(&store, job("pusher:sample", who)).await;
    }
    put(&store, Job { sched_at: 1 << 40, ..job("pusher:other", "a") }).await;
    put(&store, job("elsewhere", "g")).await;
    fails(&store, "b", 1, Reported::Waiting { due_at: 9 }).await;
    let kept = known(&store, "a").await;
    assert_eq!(kept.iter().map(|kept| kept.sender.as_str()).collect::<Vec<_>>(), ["other", "sample"]);
    let due = (kept[1].state, kept[1].due_at, kept[1].data.as_deref());
    assert_eq!(due, (DeliveryState::Accepted, Some(7), Some("data")));
    assert_eq!(known(&store, "b").await[0].data.as_deref(), Some("data"), "of what is tried again, too");
    let all = DeliveryFilter::default();
    assert_eq!(listed(&store, &all).await, ["b", "a", "f", "e", "d", "c", "a"], "the one that changed last first");
    let accepted = DeliveryFilter { state: Some(DeliveryState::Accepted), ..all.clone() };
    assert_eq!(listed(&store, &accepted).await, ["a", "f", "e", "d", "c", "a"]);
    let scheduled = DeliveryFilter { due_from: Some(8), ..all.clone() };
    assert_eq!(listed(&store, &scheduled).await, ["b", "a"]);
    let of_a = DeliveryFilter { pusher: Some(PusherId::parse("a").unwrap()), ..all.clone() };
    assert_eq!(listed(&store, &of_a).await, ["a", "a"]);
    let named = DeliveryFilter { name: Some(name("b")), ..all.clone() };
    assert_eq!(listed(&store, &named).await, ["b"]);
    // A time is a place among the jobs, too.
    let first = known(&store, "c").await[0].changed_at;
    let since = DeliveryFilter { since: Some(first), ..accepted.clone() };
    assert!(listed(&store, &since).await.contains(&"c".to_owned()));
    assert_eq!(listed(&store, &DeliveryFilter { until: Some(first - 60_000), ..accepted }).await, [] as [&str; 0]);
}

#[tokio::test]
async fn the_same_message_pushed_again_begins_a_new_life() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let seq = put(&store, job("pusher:sample", "a")).await;
    op(&store, JobOp::Finish { seq, result: said() }).await.unwrap();
    put(&store, job("pusher:sample", "a")).await;
    assert_eq!(state(&store, "a").await, DeliveryState::Accepted);
    assert_eq!(listed(&store, &DeliveryFilter::default()).await, ["a", "a"], "and the last one's end");
    op(&store, JobOp::Remove(key("pusher:sample", &name("a")))).await.unwrap();
    let kept = known(&store, "a").await;
    assert_eq!((kept[0].state, kept[0].attempts.len()), (DeliveryState::Cancelled, 0));
}

fn pushall() -> JobName {
    JobName::for_pushall(&sender(), "all")
}

fn page(behind: Option<&str>, through: &str, pushed: u64, done: bool) -> Page {
    let id = |text: &str| PusherId::parse(text).unwrap();
    let (behind, through) = (behind.map(id), Some(id(through)));
    let (name, sender, tag) = (pushall(), sender(), "vip".to_owned());
    Page { name, sender, tag, behind, through, pushed, recipients: Some(4), done }
}

async fn the_pushall(store: &Store) -> PushAll {
    DeliveryLog::pushall(store, &pushall()).await.unwrap().unwrap()
}

fn jobs(who: &[&str]) -> Vec<Job> {
    who.iter().map(|who| job("pusher:sample", who)).collect()
}

#[tokio::test]
async fn a_page_moves_the_cursor_and_stores_its_jobs_or_does_neither() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = Note::Page(page(None, "b", 2, false));
    put_all(&store, jobs(&["a", "b"]), std::slice::from_ref(&first)).await.unwrap();
    let refused = put_all(&store, jobs(&["a", "b"]), &[first]).await;
    assert!(matches!(refused, Err(JobStoreError::Refused(_))), "{refused:?}");
    let skipped = put_all(&store, jobs(&["d"]), &[Note::Page(page(Some("c"), "d", 1, true))]).await;
    assert!(matches!(skipped, Err(JobStoreError::Refused(_))), "{skipped:?}");
    assert_eq!(listed(&store, &DeliveryFilter::default()).await, ["b", "a"]);
    drop(store);
    let store = open(dir.path());
    let half = the_pushall(&store).await;
    assert_eq!((half.state, half.counts.submitted, half.counts.waiting()), (PushAllState::Running, 2, 2));
    put_all(&store, jobs(&["c"]), &[Note::Page(page(Some("b"), "c", 1, true))]).await.unwrap();
    let done = the_pushall(&store).await;
    assert_eq!((done.state, done.counts.submitted, done.recipients), (PushAllState::Done, 3, Some(4)));
    let after = put_all(&store, jobs(&["d"]), &[Note::Page(page(Some("c"), "d", 1, true))]).await;
    assert!(matches!(after, Err(JobStoreError::Refused(_))), "{after:?}");
}

#[tokio::test]
async fn what_becomes_of_its_messages_is_counted_with_a_pushall() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let who = ["a", "b", "c", "d", "e", "f"];
    let seqs = put_all(&store, jobs(&who), &[Note::Page(page(None, "f", 7, true))]).await.unwrap();
    // Of seven recipients one was being sent the same already.
    let counts = async || the_pushall(&store).await.counts;
    let expected = PushAllCounts { submitted: 7, merged: 1, ..PushAllCounts::default() };
    assert_eq!((counts().await, counts().await.waiting()), (expected, 6));
    let of_it = known(&store, "a").await;
    assert_eq!((&of_it[0].pushall, of_it[0].tag.as_deref()), (&Some(pushall()), Some("vip")));

    op(&store, JobOp::Finish { seq: seqs[0], result: said() }).await.unwrap();
    op(&store, JobOp::Finish { seq: seqs[1], result: Bytes::new() }).await.unwrap();
    fails(&store, "c", 1, Reported::Waiting { due_at: 9 }).await;
    op(&store, JobOp::Reschedule { seq: seqs[2], sched_at: 9, step: 1 }).await.unwrap();
    fails(&store, "d", 1, dead()).await;
    op(&store, JobOp::Finish { seq: seqs[3], result: Bytes::new() }).await.unwrap();
    op(&store, JobOp::Remove(key("pusher:sample", &name("e")))).await.unwrap();
    let expected = PushAllCounts { submitted: 7, merged: 1, delivered: 2, dead: 1, cancelled: 1 };
    assert_eq!((counts().await, counts().await.waiting()), (expected, 2));
    let of_tag = DeliveryFilter { tag: Some("vip".into()), ..DeliveryFilter::default() };
    assert_eq!(listed(&store, &of_tag).await, ["e", "d", "c", "b", "a", "f"]);

    // Redriven, it counts as waiting, and then as what becomes of it.
    let redriven = Note::Redriven { deliveries: ["d", "a"].map(|who| (sender(), name(who))).into() };
    let put_again = put_all(&store, jobs(&["d", "a"]), std::slice::from_ref(&redriven)).await.unwrap();
    assert_eq!(put_again.len(), 1, "only what is dead is redriven");
    assert_eq!((counts().await.dead, counts().await.waiting()), (0, 3));
    assert_eq!(state(&store, "d").await, DeliveryState::Accepted);
    op(&store, JobOp::Finish { seq: put_again[0], result: said() }).await.unwrap();
    // Pushed again by itself it stays one of the pushall's; with another pushall it is that one's.
    put(&store, job("pusher:sample", "f")).await;
    assert_eq!(known(&store, "f").await[0].pushall, Some(pushall()));
    let other = JobName::for_pushall(&sender(), "other");
    let note = Note::Page(Page { name: other.clone(), ..page(None, "f", 2, true) });
    let seqs = put_all(&store, jobs(&["c", "f"]), &[note]).await.unwrap();
    let expected = PushAllCounts { submitted: 7, merged: 3, delivered: 3, dead: 0, cancelled: 1 };
    assert_eq!((counts().await, counts().await.waiting()), (expected, 0));
    for seq in seqs {
        op(&store, JobOp::Finish { seq, result: said() }).await.unwrap();
    }
    let of_other = DeliveryLog::pushall(&store, &other).await.unwrap().unwrap();
    assert_eq!((of_other.counts.delivered, of_other.counts.waiting()), (2, 0));
    assert_eq!(counts().await, expected, "nothing is counted twice");
}

/// It waits for a time of its own, which a redrive of the letter must not take from it.
#[tokio::test]
async fn a_dead_letter_that_was_pushed_again_since_is_not_redriven() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fails(&store, "a", 1, dead()).await;
    put(&store, Job { sched_at: 1 << 40, ..job("pusher:sample", "a") }).await;
    let redriven = Note::Redriven { deliveries: vec![(sender(), name("a"))] };
    assert_eq!(put_all(&store, jobs(&["a"]), &[redriven]).await.unwrap(), [] as [Seq; 0]);
    let kept = known(&store, "a").await;
    assert_eq!((kept[0].state, kept[0].due_at), (DeliveryState::Accepted, Some(1 << 40)));
}

/// Its dead letters may outlive a pushall: those of one that comes later are others.
#[tokio::test]
async fn the_number_of_a_pushall_that_is_forgotten_is_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let seqs = put_all(&store, jobs(&["a"]), &[Note::Page(page(None, "a", 1, true))]).await.unwrap();
    let ended = the_pushall(&store).await.changed_at;
    while SystemClock.now_ms() <= ended + 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    op(&store, JobOp::Finish { seq: seqs[0], result: said_dead() }).await.unwrap();
    let old = Retention { delivered_before: ended + 1, dead_before: ended + 1 };
    assert_eq!(DeliveryLog::prune(&store, old, 10).await.unwrap(), 0, "the letter is younger");
    assert_eq!(DeliveryLog::pushall(&store, &pushall()).await.unwrap(), None);
    drop(store);
    let store = open(dir.path());
    put_all(&store, jobs(&["b"]), &[Note::Page(page(None, "b", 1, true))]).await.unwrap();
    let redriven = Note::Redriven { deliveries: vec![(sender(), name("a"))] };
    let again = put_all(&store, jobs(&["a"]), &[redriven]).await.unwrap();
    op(&store, JobOp::Finish { seq: again[0], result: said() }).await.unwrap();
    assert_eq!(state(&store, "a").await, DeliveryState::Delivered);
    let expected = PushAllCounts { submitted: 1, ..PushAllCounts::default() };
    assert_eq!(the_pushall(&store).await.counts, expected);
}

/// As if the keys from 1 on had come a day ago.
fn were_asked_long_ago(store: &Store, keys: u8) {
    let tables = &store.opened().tables;
    let mut txn = store.opened().env.write_txn().unwrap();
    tables.request_times.clear(&mut txn).unwrap();
    for key in 1..=keys {
        let number = u64::from(key);
        let value = [&[1; 32][..], &number.to_be_bytes()].concat();
        tables.requests.put(&mut txn, &[key; 32], &value).unwrap();
        tables.request_times.put(&mut txn, &number, &[key; 32]).unwrap();
    }
    txn.commit().unwrap();
}

/// Nobody may have pruned meanwhile.
#[tokio::test]
async fn a_key_of_a_request_is_free_again_after_a_day_and_old_ones_go_when_others_come() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let once = |key: u8, request: u8| vec![Note::Once(Once { key: [key; 32], request: [request; 32] })];
    let ask = async |key, request| DeliveryLog::note(&store, once(key, request), Vec::new()).await;
    let tables = &store.opened().tables;
    let kept = || {
        let txn = store.opened().env.read_txn().unwrap();
        (tables.requests.len(&txn).unwrap(), tables.request_times.len(&txn).unwrap())
    };
    for key in 1..=3 {
        ask(key, 1).await.unwrap();
    }
    assert!(matches!(ask(1, 2).await, Err(StoreError::Refused(_))));
    were_asked_long_ago(&store, 3);
    ask(1, 2).await.unwrap();
    assert_eq!(kept(), (2, 2), "two that were old are gone, and there is a new one");
    ask(4, 1).await.unwrap();
    assert_eq!(kept(), (2, 2));
    assert!(matches!(ask(1, 1).await, Err(StoreError::Refused(_))), "it is that of another request now");
}

#[tokio::test]
async fn a_job_is_replaced_only_if_it_waits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let later = Job { sched_at: 99, ..job("pusher:sample", "a") };
    assert_eq!(op(&store, JobOp::Replace(later.clone())).await.unwrap(), JobOpDone::Replaced(None));
    let seq = put(&store, job("pusher:sample", "a")).await;
    assert_eq!(op(&store, JobOp::Replace(later)).await.unwrap(), JobOpDone::Replaced(Some((seq + 1, seq))));
    assert_eq!(known(&store, "a").await[0].due_at, Some(99));
}

#[tokio::test]
async fn notes_that_come_together_are_kept_together_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let note = |request| {
        let accepted = Note::PushAll { name: pushall(), sender: sender(), tag: String::new(), due_at: 5 };
        [accepted, Note::Once(Once { key: [1; 32], request: [request; 32] })]
    };
    assert!(DeliveryLog::note(&store, note(1)[1..].to_vec(), Vec::new()).await.is_ok());
    let refused = put_all(&store, jobs(&["a"]), &note(2)).await;
    assert!(matches!(refused, Err(JobStoreError::Refused(_))), "{refused:?}");
    assert_eq!(DeliveryLog::pushall(&store, &pushall()).await.unwrap(), None);
    assert_eq!(known(&store, "a").await, []);
    assert!(put_all(&store, jobs(&["a"]), &note(1)).await.is_ok(), "the same request is the same");
    assert_eq!(the_pushall(&store).await.due_at, 5);
    let refused = DeliveryLog::note(&store, note(3).to_vec(), Vec::new()).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_sender_without_a_place_for_its_name_is_no_sender() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let seq = put(&store, Job { key: key("pusher:", &name("a")), ..job("", "a") }).await;
    op(&store, JobOp::Discard(seq)).await.unwrap();
    assert!(SenderName::parse("").is_err() && known(&store, "a").await.is_empty());
}
