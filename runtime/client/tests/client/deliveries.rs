//! What became of messages, asked of the real router over the store's own log.

use std::sync::Arc;

use bench::Bench;
use pusher_api::Options as ApiOptions;
use pusher_client::{Client, ClientError, IdempotencyKey, Options, base_url};
use pusher_core::{
    Attempt, DeliveryEvent, DeliveryFilter, DeliveryLog, DeliveryState, JobName, PushAllState, PushRequest, Report,
    Reported, Retention, SendEnd, SenderName,
};
use pusher_store::{Store, StoreOptions};

use crate::bench;
use crate::operations::{id, serve};
use crate::scripted::{ACCEPTED, Scripted};

const FAR: i64 = 4_102_444_800;

struct House {
    client: Client,
    log: Arc<dyn DeliveryLog>,
    _dir: tempfile::TempDir,
}

fn sender() -> SenderName {
    SenderName::parse("sample").unwrap()
}

fn request(data: &str) -> PushRequest {
    PushRequest { sender: sender(), pusher: id("lupino"), data: data.to_owned(), sched_at: FAR, force: false }
}

fn named(name: &JobName) -> DeliveryFilter {
    DeliveryFilter { name: Some(name.clone()), ..DeliveryFilter::default() }
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log: Arc<dyn DeliveryLog> = Arc::new(Store::open(dir.path(), StoreOptions::default()).unwrap());
        let bench = Bench::with_log(Arc::clone(&log), ApiOptions::default()).with_lupino().await;
        Self { client: serve(&bench).await, log, _dir: dir }
    }

    /// Pushes what is given up for `reason`; its name.
    async fn dead(&self, data: &str, reason: &str) -> JobName {
        let name = self.client.push(&request(data)).await.unwrap();
        let reported = Reported::Dead { reason: reason.to_owned(), data: data.to_owned() };
        let end = SendEnd::Permanent;
        let attempt = Attempt { number: 1, at: 1, took_ms: 2, version: None, end, status: None, message: None };
        let report = Report { sender: sender(), name: name.clone(), attempt, reported };
        for entered in self.log.record(vec![DeliveryEvent::Attempted(report)]).await {
            entered.unwrap();
        }
        name
    }

    async fn state(&self, name: &JobName) -> DeliveryState {
        self.client.delivery(name).await.unwrap()[0].state
    }
}

#[tokio::test]
async fn deliveries_are_listed_by_what_they_are_page_by_page() {
    let house = House::new().await;
    let client = &house.client;
    let waits = client.push(&request("1")).await.unwrap();
    let dead = house.dead("2", "a & b").await;
    let first = client.deliveries(&DeliveryFilter::default(), None, 1).await.unwrap();
    assert_eq!((&first.deliveries[0].name, first.deliveries[0].reason.as_deref()), (&dead, Some("a & b")));
    let rest = client.deliveries(&DeliveryFilter::default(), first.next, 1).await.unwrap();
    assert_eq!(rest.deliveries[0].name, waits);
    let changed_at = first.deliveries[0].changed_at;
    for (filter, found) in [
        (DeliveryFilter { error: Some("a &".into()), ..Default::default() }, 1),
        (DeliveryFilter { state: Some(DeliveryState::Accepted), due_from: Some(FAR), ..Default::default() }, 1),
        (DeliveryFilter { due_from: Some(FAR + 1), ..Default::default() }, 0),
        (DeliveryFilter { sender: Some(sender()), pusher: Some(id("lupino")), ..Default::default() }, 2),
        (DeliveryFilter { since: Some(changed_at), state: Some(DeliveryState::Dead), ..Default::default() }, 1),
        (DeliveryFilter { until: Some(changed_at), state: Some(DeliveryState::Dead), ..Default::default() }, 0),
        (named(&waits), 1),
        (DeliveryFilter { state: Some(DeliveryState::Dead), ..named(&waits) }, 0),
        (named(&JobName::parse("nobody_x").unwrap()), 0),
    ] {
        assert_eq!(client.deliveries(&filter, None, 100).await.unwrap().deliveries.len(), found, "{filter:?}");
    }
    let shown = &client.delivery(&dead).await.unwrap()[0];
    assert_eq!((shown.data.as_deref(), shown.attempts[0].took_ms), (Some("2"), 2));
    let unknown = client.delivery(&JobName::parse("a/b_?").unwrap()).await;
    assert!(matches!(unknown, Err(ClientError::NotFound(_))), "{unknown:?}");
}

#[tokio::test]
async fn deliveries_are_redriven_moved_cancelled_and_forgotten() {
    let house = House::new().await;
    let client = &house.client;
    let (first, second) = (house.dead("1", "x").await, house.dead("2", "y").await);
    let redriven = client.redrive(&DeliveryFilter { error: Some("x".into()), ..Default::default() }, 10).await.unwrap();
    assert_eq!((redriven.count, redriven.more, house.state(&first).await), (1, false, DeliveryState::Accepted));
    client.move_delivery(&first, Some(&sender()), FAR).await.unwrap();
    assert_eq!(client.delivery(&first).await.unwrap()[0].due_at, Some(FAR));
    let late = client.move_delivery(&second, None, FAR).await;
    assert!(matches!(late, Err(ClientError::Refused { status: 409, .. })), "{late:?}");
    assert_eq!(client.cancel_deliveries(&named(&first), 10).await.unwrap().count, 1);
    assert_eq!(house.state(&first).await, DeliveryState::Cancelled);
    assert_eq!(client.delete_deliveries(&DeliveryFilter::default(), 10).await.unwrap().count, 1, "the dead one");
    client.delete_delivery(&first).await.unwrap();
    assert!(matches!(client.delete_delivery(&first).await, Err(ClientError::NotFound(_))));
    house.dead("3", "z").await;
    let prune = async |dead_before| client.prune(Retention { delivered_before: i64::MIN, dead_before }, 10).await;
    assert_eq!(prune(1).await.unwrap().count, 0);
    assert_eq!(prune(FAR * 1000).await.unwrap().count, 1);
}

#[tokio::test]
async fn pushalls_are_listed_and_shown() {
    let house = House::new().await;
    let client = &house.client;
    let name = client.pushall(&sender(), "a AND NOT b", "x", FAR).await.unwrap();
    let status = client.pushall_status(&name).await.unwrap();
    let pushall = &status.pushall;
    assert_eq!((&pushall.name, pushall.tag.as_str(), pushall.state), (&name, "a AND NOT b", PushAllState::Accepted));
    assert_eq!((pushall.due_at, pushall.counts.submitted, status.dead.as_deref()), (FAR, 0, None));
    client.pushall(&sender(), "", "y", 0).await.unwrap();
    let newest = client.pushalls(None, 1).await.unwrap();
    let oldest = client.pushalls(newest.next, 1).await.unwrap();
    assert_eq!((newest.pushalls[0].tag.as_str(), &oldest.pushalls[0]), ("", pushall));
    let wrong = client.pushall(&sender(), "a AND", "x", 0).await;
    assert!(matches!(wrong, Err(ClientError::Refused { status: 400, .. })), "{wrong:?}");
}

#[tokio::test]
async fn a_push_with_a_key_is_done_once() {
    let house = House::new().await;
    let key: IdempotencyKey = "order \"1\"".parse().unwrap();
    let name = house.client.push_once(&request("1"), &key).await.unwrap();
    assert_eq!(house.client.push_once(&request("1"), &key).await.unwrap(), name);
    let other = house.client.push_once(&request("2"), &key).await;
    assert!(matches!(other, Err(ClientError::Refused { status: 422, .. })), "{other:?}");
    let other = house.client.pushall_once(&sender(), "", "1", 0, &key).await;
    assert!(matches!(other, Err(ClientError::Refused { status: 422, .. })), "{other:?}");
}

#[tokio::test]
async fn a_push_with_a_key_is_sent_again_when_its_answer_is_lost() {
    let key: IdempotencyKey = "k".parse().unwrap();
    let options = || Options { backoff: std::time::Duration::from_millis(1), ..Options::default() };
    let server = Scripted::start(&["", "409 {\"err\":\"it is being served\"}", ACCEPTED]).await;
    let client = Client::new(base_url(&server.address).unwrap(), options()).unwrap();
    client.push_once(&request("1"), &key).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|request| request.contains("idempotency-key: \"k\"\r\n")), "{requests:?}");
    let server = Scripted::start(&["", ACCEPTED]).await;
    let client = Client::new(base_url(&server.address).unwrap(), options()).unwrap();
    assert!(
        matches!(client.push(&request("1")).await, Err(ClientError::Unreachable(_))),
        "nobody knows whether it was taken"
    );
}
