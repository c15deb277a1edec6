//! What became of messages, over the store's own log. Jobs are in a queue in memory, as those of a Periodic server
//! elsewhere are not in the store.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::LOCATION;
use pusher_api::Options;
use pusher_api::auth::{Auth, KeyPair, Scope, Scopes};
use pusher_core::{
    Attempt, Delivery, DeliveryCursor, DeliveryEvent, DeliveryFilter, DeliveryLog, DeliveryPage, DeliveryState,
    JobName, Note, PushAll, PushAllCursor, PushAllPage, Report, Reported, Retention, SendEnd, SenderName, StoreError,
};
use pusher_store::{Store, StoreOptions};
use serde_json::{Value, json};

use crate::auth::{Draft, NOW};
use crate::bench::{Answer, Bench, FORM, answer};

/// A router that keeps deliveries, and the log behind it.
pub(crate) struct House {
    pub(crate) bench: Bench,
    log: Arc<dyn DeliveryLog>,
    _dir: tempfile::TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with_options(Options::default()).with_lupino().await
    }

    pub(crate) fn with_options(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log: Arc<dyn DeliveryLog> = Arc::new(Store::open(dir.path(), StoreOptions::default()).unwrap());
        Self { bench: Bench::with_log(Arc::clone(&log), options), log, _dir: dir }
    }

    async fn with_lupino(self) -> Self {
        Self { bench: self.bench.with_lupino().await, ..self }
    }

    /// Pushes `data` to lupino; the name it is accepted as.
    async fn push(&self, data: &str) -> String {
        let answer = self.bench.post("/pusher/sample/push", FORM, format!("pusher=lupino&data={data}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        read(&answer)["name"].as_str().unwrap().to_owned()
    }

    /// A worker has tried it at `at`, in Unix milliseconds, and this is what became of it.
    async fn tried(&self, name: &str, at: i64, reported: Reported) {
        let end = if reported == Reported::Delivered { SendEnd::Done } else { SendEnd::Temporary };
        let attempt =
            Attempt { number: 1, at, took_ms: 3, version: None, end, status: Some(503), message: Some("busy".into()) };
        let (sender, name) = (SenderName::parse("sample").unwrap(), JobName::parse(name).unwrap());
        let event = DeliveryEvent::Attempted(Report { sender, name, attempt, reported });
        for entered in self.log.record(vec![event]).await {
            entered.unwrap();
        }
    }

    /// Pushes `data` to lupino, and it is given up for `reason`; its name.
    async fn dead(&self, data: &str, reason: &str) -> String {
        let name = self.push(data).await;
        self.bench.queue.jobs.lock().unwrap().retain(|job| job.key.name.as_str() != name);
        self.tried(&name, 1, Reported::Dead { reason: reason.into(), data: data.into() }).await;
        name
    }

    /// The names that a list has, and its cursor.
    async fn list(&self, query: &str) -> (Vec<String>, Value) {
        let answer = self.bench.get(&format!("/pusher/deliveries/?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let body = read(&answer);
        let names = body["deliveries"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        (names.collect(), body["next"].clone())
    }

    async fn state(&self, name: &str) -> String {
        let found = read(&self.bench.get(&format!("/pusher/deliveries/{name}/")).await);
        found["deliveries"][0]["state"].as_str().unwrap_or("unknown").to_owned()
    }

    async fn many(&self, operation: &str, body: Value) -> Answer {
        self.bench.post_json(&format!("/pusher/deliveries/{operation}"), &body).await
    }
}

fn read(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{answer:?}: {error}"))
}

#[tokio::test]
async fn a_push_can_be_looked_at_where_its_reply_says() {
    let house = House::new().await;
    let accepted = house.bench.post("/pusher/sample/push", FORM, "pusher=lupino&data=x&schedat=4102444800").await;
    let name = read(&accepted)["name"].as_str().unwrap().to_owned();
    let location = accepted.header(LOCATION).unwrap();
    assert_eq!(location, format!("/pusher/deliveries/{name}/"));
    let found = read(&house.bench.get(location).await);
    let delivery = &found["deliveries"][0];
    assert_eq!(
        (&delivery["name"], &delivery["sender"], &delivery["pusher"]),
        (&name.into(), &"sample".into(), &"lupino".into())
    );
    assert_eq!((&delivery["state"], &delivery["dueAt"]), (&"accepted".into(), &4_102_444_800_i64.into()));
}

#[tokio::test]
async fn a_pushall_can_be_looked_at_where_its_reply_says_whatever_is_in_its_name() {
    let house = House::new().await;
    let accepted = house.bench.post("/pusher/s%2F1%20%E2%9C%93/pushall", FORM, "data=x&tag=vip AND NOT trial").await;
    let location = accepted.header(LOCATION).unwrap();
    assert!(location.starts_with("/pusher/pushalls/s%2F1%20%E2%9C%93_"), "{location}");
    let found = read(&house.bench.get(location).await);
    let pushall = &found["pushall"];
    assert_eq!((&pushall["sender"], &pushall["tag"]), (&"s/1 ✓".into(), &"vip AND NOT trial".into()));
    assert_eq!(
        (&pushall["state"], &pushall["submitted"], &found["error"]),
        (&"accepted".into(), &0.into(), &Value::Null)
    );
    let listed = read(&house.bench.get("/pusher/pushalls/").await);
    assert_eq!((&listed["pushalls"], &listed["next"]), (&json!([pushall]), &Value::Null));
    let nested = Router::new().nest("/api/{tenant}", house.bench.router.clone());
    let request = Request::post("/api/acme/pusher/sample/pushall?data=x").body(Body::empty()).unwrap();
    let location = answer(&nested, request).await.header(LOCATION).unwrap().to_owned();
    assert!(location.starts_with("/api/acme/pusher/pushalls/sample_"), "{location}");
}

#[tokio::test]
async fn a_pushall_for_no_expression_of_tags_is_refused_with_the_place() {
    let house = House::new().await;
    let answer = house.bench.post("/pusher/sample/pushall", FORM, "data=x&tag=vip AND").await;
    let sentence = answer.sentence().unwrap();
    assert!(answer.status == 400 && sentence.contains("character"), "{sentence}");
    assert!(house.bench.state().1.is_empty());
}

#[tokio::test]
async fn the_list_has_what_is_asked_for_the_last_change_first() {
    let house = House::new().await;
    let waits = house.push("1").await;
    let dead = house.dead("2", "mailbox full").await;
    let other = house.dead("3", "no such address").await;
    let all = [other.clone(), dead.clone(), waits.clone()];
    assert_eq!(house.list("").await, (all.to_vec(), Value::Null));
    for (query, names) in [
        ("state=dead", &all[..2]),
        ("state=accepted&sender=&error=", &all[2..]),
        ("error=full", &all[1..2]),
        ("sender=sample&pusher=lupino", &all[..]),
        ("sender=other", &[]),
        ("pusher=nobody", &[]),
        ("pushall=sample_x", &[]),
        ("tag=vip", &[]),
        ("since=2000-01-01T00:00:00Z&until=4102444800", &all[..]),
        ("since=2100-01-01T00:00:00%2B01:00", &[]),
        ("until=0", &[]),
        ("scheduled=4102444800", &[]),
    ] {
        assert_eq!(house.list(query).await.0, names, "{query}");
    }
    let (first, next) = house.list("size=2").await;
    assert_eq!(first, all[..2]);
    let (rest, _) = house.list(&format!("size=2&after={}", next.as_str().unwrap())).await;
    assert_eq!(rest, all[2..]);
    let shown = read(&house.bench.get(&format!("/pusher/deliveries/{dead}/")).await);
    let delivery = &shown["deliveries"][0];
    assert_eq!(
        (&delivery["reason"], &delivery["data"], &delivery["tries"]),
        (&"mailbox full".into(), &"2".into(), &1.into())
    );
    let attempt = &delivery["attempts"][0];
    assert_eq!(
        (&attempt["end"], &attempt["status"], &attempt["message"]),
        (&"temporary".into(), &503.into(), &"busy".into())
    );
}

#[tokio::test]
async fn a_list_is_not_made_of_what_makes_no_sense() {
    let house = House::new().await;
    for (query, said) in [
        ("state=sent", "no state"),
        ("sender=dead:x", "reserved"),
        ("since=yesterday", "RFC 3339"),
        ("since=2026-01-01T00:00:00+01:00", "%2B"),
        ("scheduled=true", "RFC 3339"),
        ("after=x", "no cursor"),
        ("size=0", "at least 1"),
        ("size=x", "whole number"),
        ("pusher=%zz", "URL escape"),
    ] {
        let answer = house.bench.get(&format!("/pusher/deliveries/?{query}")).await;
        let sentence = answer.sentence().unwrap_or_default();
        assert!(answer.status == 400 && sentence.contains(said), "{query}: {answer:?}");
    }
    assert_eq!(house.bench.get("/pusher/pushalls/?after=x").await.status, 400);
    assert_eq!(house.bench.get("/pusher/deliveries/nobody_x/").await.status, 404);
    assert_eq!(house.bench.get("/pusher/pushalls/nobody_x/").await.status, 404);
    assert_eq!(house.bench.get(&format!("/pusher/deliveries/{}/", "x".repeat(256))).await.status, 400);
}

#[tokio::test]
async fn dead_letters_are_redriven_by_what_they_are_in_batches() {
    let house = House::new().await;
    let full = house.dead("1", "mailbox full").await;
    let gone = house.dead("2", "no such address").await;
    house.dead("3", "no such address").await;
    let redriven = house.many("redrive", json!({"error": "full"})).await;
    assert_eq!(redriven.body, r#"{"result":"OK","redriven":1,"more":false}"#);
    assert_eq!(house.bench.state().1[0].workload, "1");
    assert_eq!((house.state(&full).await, house.state(&gone).await), ("accepted".into(), "dead".into()));
    let redriven = read(&house.many("redrive", json!({"all": true, "limit": 1})).await);
    assert_eq!((&redriven["redriven"], &redriven["more"]), (&1.into(), &true.into()));
    let redriven = read(&house.many("redrive", json!({"sender": "sample", "limit": 10})).await);
    assert_eq!((&redriven["redriven"], &redriven["more"]), (&1.into(), &false.into()));
    assert_eq!(house.bench.state().1.len(), 3);
    assert_eq!(read(&house.many("redrive", json!({"name": gone})).await)["redriven"], 0, "it is not dead any more");
}

#[tokio::test]
async fn what_waits_is_cancelled_and_what_has_ended_is_not() {
    let house = House::new().await;
    let (first, second) = (house.push("1").await, house.push("2").await);
    let dead = house.dead("3", "x").await;
    let cancelled = house.many("cancel", json!({"name": first})).await;
    assert_eq!(cancelled.body, r#"{"result":"OK","cancelled":1,"more":false}"#);
    assert_eq!((house.state(&first).await, house.bench.state().1.len()), ("cancelled".into(), 1));
    assert_eq!(read(&house.many("cancel", json!({"pusher": "lupino"})).await)["cancelled"], 1);
    assert_eq!((house.state(&second).await, house.state(&dead).await), ("cancelled".into(), "dead".into()));
    assert!(house.bench.state().1.is_empty());
}

#[tokio::test]
async fn a_pushall_that_is_cancelled_is_not_fanned_out_any_more() {
    let house = House::new().await;
    let accepted = house.bench.post("/pusher/sample/pushall", FORM, "data=x").await;
    let (name, location) = (read(&accepted)["name"].clone(), accepted.header(LOCATION).unwrap());
    assert_eq!(house.many("cancel", json!({"pushall": name})).await.status, 200);
    assert_eq!(read(&house.bench.get(location).await)["pushall"]["state"], "cancelled");
    assert!(house.bench.state().1.is_empty(), "its job is gone");
}

#[tokio::test]
async fn what_has_ended_can_be_forgotten_and_nothing_else() {
    let house = House::new().await;
    let waits = house.push("1").await;
    let delivered = house.push("2").await;
    house.tried(&delivered, 1, Reported::Delivered).await;
    let dead = house.dead("3", "x").await;
    let delete = async |name: &str| {
        let request = Request::delete(format!("/pusher/deliveries/{name}/")).body(Body::empty()).unwrap();
        house.bench.send(request).await.status
    };
    assert_eq!((delete(&waits).await, delete("nobody_x").await), (409, 404));
    let deleted = house.many("delete", json!({"all": true})).await;
    assert_eq!(deleted.body, r#"{"result":"OK","deleted":1,"more":false}"#);
    assert_eq!((house.state(&dead).await, house.state(&delivered).await), ("unknown".into(), "delivered".into()));
    assert_eq!(read(&house.many("delete", json!({"pusher": "lupino", "state": "delivered"})).await)["deleted"], 1);
    let again = house.dead("3", "x").await;
    assert_eq!((delete(&again).await, house.list("").await.0), (200, vec![waits]));
}

#[tokio::test]
async fn a_message_that_waits_is_moved_to_another_time() {
    let house = House::new().await;
    let waits = house.push("1").await;
    let moved = house.many("schedule", json!({"name": waits, "schedat": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(moved.body, r#"{"result":"OK"}"#);
    assert_eq!(house.bench.state().1[0].sched_at, 4_102_444_800);
    assert_eq!(house.list("scheduled=2099-12-31T00:00:00Z").await.0, std::slice::from_ref(&waits));
    assert_eq!(house.many("schedule", json!({"name": waits, "sender": "sample", "schedat": 5})).await.status, 200);
    assert_eq!(house.bench.state().1[0].sched_at, 5);
    let dead = house.dead("2", "x").await;
    for (body, status) in [
        (json!({"name": "nobody_x", "schedat": 5}), 404),
        (json!({"name": waits, "sender": "other", "schedat": 5}), 404),
        (json!({"name": dead, "schedat": 5}), 409),
        (json!({"name": waits}), 400),
        (json!({"name": waits, "schedat": "soon"}), 400),
        (json!({"schedat": 5}), 400),
    ] {
        let answer = house.many("schedule", body.clone()).await;
        assert!(answer.status == status && answer.sentence().is_some(), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_old_is_pruned() {
    let house = House::new().await;
    let dead = house.dead("1", "x").await;
    assert_eq!(
        house.many("prune", json!({"dead": 1000, "delivered": 1000})).await.body,
        r#"{"result":"OK","pruned":0,"more":false}"#
    );
    assert_eq!(read(&house.many("prune", json!({"delivered": 4_102_444_800_i64})).await)["pruned"], 0);
    assert_eq!(house.state(&dead).await, "dead");
    assert_eq!(read(&house.many("prune", json!({"dead": "2100-01-01T00:00:00Z"})).await)["pruned"], 1);
    assert_eq!(house.state(&dead).await, "unknown");
    assert_eq!(house.many("prune", json!({})).await.status, 400);
}

#[tokio::test]
async fn nothing_is_done_to_deliveries_that_nobody_named() {
    let house = House::new().await;
    let dead = house.dead("1", "x").await;
    for (operation, body, said) in [
        ("redrive", json!({}), "say which"),
        ("redrive", json!({"all": false, "limit": 5}), "say which"),
        ("redrive", json!({"state": "dead"}), "say which"),
        ("redrive", json!({"all": true, "sender": "sample"}), "not both"),
        ("redrive", json!({"all": true, "state": "delivered"}), "cannot be redriven"),
        ("redrive", json!({"all": true, "limit": 0}), "at least 1"),
        ("redrive", json!({"all": true, "limit": -1}), "limit"),
        ("redrive", json!({"senders": "sample"}), "unknown field `senders`"),
        ("redrive", json!({"sender": ""}), "sender is empty"),
        ("redrive", json!({"since": "yesterday"}), "RFC 3339"),
        ("redrive", json!([]), "the body"),
        ("cancel", json!({"all": true, "state": "dead"}), "cannot be cancelled"),
        ("cancel", json!({}), "say which"),
        ("delete", json!({"all": true, "state": "waiting"}), "cancel it first"),
        ("delete", json!({}), "say which"),
    ] {
        let answer = house.many(operation, body.clone()).await;
        let sentence = answer.sentence().unwrap_or_default();
        assert!(answer.status == 400 && sentence.contains(said), "{operation} {body}: {answer:?}");
    }
    for content_type in ["", FORM, "application/jsonx", "text/plain"] {
        let answer = house.bench.post("/pusher/deliveries/delete", content_type, r#"{"all":true}"#).await;
        assert_eq!(answer.status, 415, "{content_type}: {answer:?}");
    }
    let answer = house.bench.post("/pusher/deliveries/delete", "Application/JSON; charset=utf-8", "{").await;
    assert_eq!(answer.status, 400);
    assert_eq!(house.state(&dead).await, "dead");
}

#[tokio::test]
async fn a_server_without_a_log_says_so() {
    let bench = Bench::new();
    let requests = [
        bench.get("/pusher/deliveries/").await,
        bench.get("/pusher/deliveries/x_1/").await,
        bench.get("/pusher/pushalls/").await,
        bench.get("/pusher/pushalls/x_1/").await,
        bench.post_json("/pusher/deliveries/redrive", &json!({"all": true})).await,
        bench.post_json("/pusher/deliveries/cancel", &json!({"all": true})).await,
        bench.post_json("/pusher/deliveries/delete", &json!({"all": true})).await,
        bench.post_json("/pusher/deliveries/schedule", &json!({"name": "x_1", "schedat": 0})).await,
        bench.post_json("/pusher/deliveries/prune", &json!({"dead": 1})).await,
    ];
    for answer in requests {
        assert!(answer.status == 501 && answer.sentence().is_some(), "{answer:?}");
    }
}

#[tokio::test]
async fn looking_changing_and_forgetting_need_a_scope_each() {
    let json = |target: &str, body: Value| {
        let draft = Draft::new("POST", target);
        (draft, body.to_string())
    };
    let requests = || {
        [
            (Scope::Read, (Draft::get("/pusher/deliveries/"), String::new())),
            (Scope::Read, (Draft::get("/pusher/pushalls/"), String::new())),
            (Scope::Push, json("/pusher/deliveries/redrive", json!({"all": true}))),
            (Scope::Push, json("/pusher/deliveries/cancel", json!({"all": true}))),
            (Scope::Push, json("/pusher/deliveries/schedule", json!({"name": "x_1", "schedat": 0}))),
            (Scope::Write, json("/pusher/deliveries/delete", json!({"all": true}))),
            (Scope::Write, json("/pusher/deliveries/prune", json!({"dead": 1}))),
            (Scope::Write, (Draft::new("DELETE", "/pusher/deliveries/x_1/"), String::new())),
            // A recipient and a tag may be called like an operation.
            (Scope::Write, (Draft::new("POST", "/pusher/pushers/deliveries/redrive/"), String::new())),
        ]
    };
    for granted in [Scope::Read, Scope::Write, Scope::Push] {
        let pair = KeyPair::new("k1", "s1".into(), [granted].into_iter().collect::<Scopes>()).unwrap();
        let auth = Auth::new([pair], || NOW).unwrap();
        let house = House::with_options(Options { auth: Some(auth), ..Options::default() });
        for (n, (needed, (draft, body))) in requests().into_iter().enumerate() {
            let target = draft.target.clone();
            let request = draft.nonce(format!("fedcba9876543210{n}")).json(body).v2();
            let status = house.bench.send(request).await.status;
            assert_eq!(status == 403, needed != granted, "{target} with {granted}: {status}");
        }
    }
}

/// A log in which something happens while somebody works with it.
struct Busy {
    log: Arc<dyn DeliveryLog>,
    /// Messages that are tried again, one after each page that is not the last.
    tried: Mutex<Vec<DeliveryEvent>>,
    /// What is noted after the next events were entered.
    noted: Mutex<Vec<Note>>,
}

#[async_trait]
impl DeliveryLog for Busy {
    async fn list(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryCursor>,
        size: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let page = self.log.list(filter, after, size).await?;
        let tried = if page.next.is_some() && size > 1 { self.tried.lock().unwrap().pop() } else { None };
        self.log.record(tried.into_iter().collect()).await;
        Ok(page)
    }

    async fn record(&self, events: Vec<DeliveryEvent>) -> Vec<Result<(), StoreError>> {
        self.log.record(events).await
    }

    async fn note(&self, notes: Vec<Note>, events: Vec<DeliveryEvent>) -> Result<(), StoreError> {
        let are_events = !events.is_empty();
        self.log.note(notes, events).await?;
        let noted = if are_events { std::mem::take(&mut *self.noted.lock().unwrap()) } else { Vec::new() };
        if noted.is_empty() { Ok(()) } else { self.log.note(noted, Vec::new()).await }
    }

    async fn get(&self, name: &JobName) -> Result<Vec<Delivery>, StoreError> {
        self.log.get(name).await
    }

    async fn pushall(&self, name: &JobName) -> Result<Option<PushAll>, StoreError> {
        self.log.pushall(name).await
    }

    async fn pushalls(&self, after: Option<PushAllCursor>, size: usize) -> Result<PushAllPage, StoreError> {
        self.log.pushalls(after, size).await
    }

    async fn asked(&self, key: &[u8; 32]) -> Result<Option<[u8; 32]>, StoreError> {
        self.log.asked(key).await
    }

    async fn prune(&self, retention: Retention, limit: usize) -> Result<usize, StoreError> {
        self.log.prune(retention, limit).await
    }
}

#[tokio::test]
async fn what_is_tried_again_while_it_is_looked_for_is_cancelled_too() {
    let dir = tempfile::tempdir().unwrap();
    let log: Arc<dyn DeliveryLog> = Arc::new(Store::open(dir.path(), StoreOptions::default()).unwrap());
    let tried = |n: u32, number: u32| {
        let (sender, name) = (SenderName::parse("sample").unwrap(), JobName::parse(&format!("lupino_{n}")).unwrap());
        let (end, at) = (SendEnd::Temporary, i64::from(number));
        let attempt = Attempt { number, at, took_ms: 3, version: None, end, status: None, message: None };
        DeliveryEvent::Attempted(Report { sender, name, attempt, reported: Reported::Waiting { due_at: 1 << 40 } })
    };
    // More than are looked at in one page, and the oldest are tried again twice.
    for entered in log.record((0..1200).map(|n| tried(n, 1)).collect()).await {
        entered.unwrap();
    }
    let tried = [tried(1, 3), tried(0, 3), tried(1, 2), tried(0, 2)].into();
    let busy = Busy { log: Arc::clone(&log), tried: Mutex::new(tried), noted: Mutex::default() };
    let bench = Bench::with_log(Arc::new(busy), Options::default());
    let body = json!({"pusher": "lupino", "limit": 10_000});
    let answer = bench.post_json("/pusher/deliveries/cancel", &body).await;
    assert_eq!(read(&answer), json!({"cancelled": 1200, "more": false, "result": "OK"}));
    let waiting = DeliveryFilter { state: Some(DeliveryState::Waiting), ..DeliveryFilter::default() };
    assert_eq!(log.list(&waiting, None, 10).await.unwrap().deliveries, []);
}

/// Jobs of a Periodic server elsewhere are not in one commit with the log: whoever cancels may come in between.
#[tokio::test]
async fn a_page_whose_pushall_is_cancelled_while_it_is_submitted_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let log: Arc<dyn DeliveryLog> = Arc::new(Store::open(dir.path(), StoreOptions::default()).unwrap());
    let sender = SenderName::parse("sample").unwrap();
    let name = JobName::for_pushall(&sender, "{\"data\":\"x\"}");
    let busy = Busy {
        log: Arc::clone(&log),
        tried: Mutex::default(),
        noted: Mutex::new(vec![Note::CancelPushAll { name: name.clone() }]),
    };
    let accepted = Note::PushAll { name: name.clone(), sender, tag: String::new(), due_at: 0 };
    log.note(vec![accepted], Vec::new()).await.unwrap();
    let bench = Bench::with_log(Arc::new(busy), Options::default()).with_lupino().await;
    let form = format!("id={name}&data=x&tag=");
    let answer = bench.post("/pusher/sample/fanout", FORM, form).await;
    assert_eq!(read(&answer), json!({"done": true, "pushed": 0}));
    assert_eq!(bench.state().1, [], "nothing of it goes out");
    let waiting = DeliveryFilter { state: Some(DeliveryState::Accepted), ..DeliveryFilter::default() };
    assert_eq!(log.list(&waiting, None, 10).await.unwrap().deliveries, []);
}

#[tokio::test]
async fn what_was_tried_stays_tried_when_it_is_moved() {
    let house = House::new().await;
    let name = house.push("x").await;
    let count = || house.bench.queue.jobs.lock().unwrap().iter().map(|job| job.count).collect::<Vec<_>>();
    let schedule = async |at: i64| {
        assert_eq!(house.many("schedule", json!({"name": name, "schedat": at})).await.status, 200);
    };
    schedule(4_102_444_800).await;
    assert_eq!(count(), [0]);
    house.tried(&name, 1, Reported::Waiting { due_at: 4_102_444_900 }).await;
    schedule(4_102_445_000).await;
    assert_eq!(count(), [1]);
    assert_eq!(house.list("scheduled=4102445000").await.0, std::slice::from_ref(&name), "where it waits now");
    assert_eq!(house.list("scheduled=4102445001").await.0, [] as [String; 0]);
}

#[tokio::test]
async fn an_error_that_is_empty_names_nobody() {
    let house = House::new().await;
    let name = house.dead("x", "no such address").await;
    for operation in ["redrive", "delete"] {
        let answer = house.many(operation, json!({"error": ""})).await;
        assert!(answer.status == 400 && answer.body.contains("error is empty"), "{answer:?}");
    }
    assert_eq!(house.state(&name).await, "dead");
}
