//! What workers elsewhere report is entered in the delivery log: together, once, and only if all of it is a report.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use pusher_api::{Limits, Options};
use pusher_core::{DeliveryFilter, DeliveryLog, DeliveryState, Prefix, Service};
use pusher_store::{Store, StoreOptions};

use crate::bench::{Answer, Bench, MemoryQueue, answer};

const REPORT: &str = "/pusher/deliveries/_report";

fn line(who: &str, number: u32, rest: &str) -> String {
    format!(
        r#"{{"sender":"sample","name":"{who}_0","attempt":{{"number":{number},"at":{number},"tookMs":1,"version":null,"end":"done","status":200,"message":"ok"}},{rest}}}"#
    )
}

async fn report(router: &Router, body: String) -> Answer {
    answer(router, Request::post(REPORT).body(Body::from(body)).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_entered_in_one_commit_and_twice_is_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), StoreOptions::default()).unwrap());
    let service = Service::new(store.clone(), Arc::new(MemoryQueue::default()), Prefix::default());
    let router = pusher_api::router(service.with_deliveries(store.clone()), Options::default());
    let mut lines: Vec<_> = (0..200).map(|n| line(&format!("p{n}"), 1, r#""state":"delivered""#)).collect();
    lines.push(line("late", 1, r#""state":"waiting","dueAt":9"#));
    lines.push(line("late", 2, r#""state":"dead","reason":"gone","data":"d""#));
    let before = store.commits().operations.count();
    let told = report(&router, lines.join("\n")).await;
    assert_eq!((told.status, told.body.as_str()), (200, r#"{"reported":202}"#));
    assert_eq!(store.commits().operations.count(), before + 1);
    let count =
        |recorded: [(DeliveryState, u64); 5], state| recorded.into_iter().find(|(of, _)| *of == state).unwrap().1;
    let recorded = store.deliveries_recorded();
    assert_eq!(
        [DeliveryState::Delivered, DeliveryState::Waiting, DeliveryState::Dead].map(|s| count(recorded, s)),
        [200, 1, 1]
    );

    let again = report(&router, format!("[{}]", lines.join(","))).await;
    assert_eq!((again.status, again.body.as_str()), (200, r#"{"reported":202}"#));
    assert_eq!(store.deliveries_recorded(), recorded);
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let dead = store.list(&dead, None, 10).await.unwrap().deliveries;
    assert_eq!((dead.len(), dead[0].tries, dead[0].reason.as_deref()), (1, 2, Some("gone")));

    let mixed = report(&router, format!("{}\nnonsense", line("new", 1, r#""state":"delivered""#))).await;
    assert_eq!(mixed.status, 422, "{mixed:?}");
    assert!(mixed.sentence().unwrap().starts_with("line 2 is no report: "), "{mixed:?}");
    assert_eq!(store.deliveries_recorded(), recorded, "nothing of it was entered");
}

#[tokio::test]
async fn there_is_a_limit_and_a_server_without_a_log_says_so() {
    let bench = Bench::with_options(Limits { bulk_lines: 1, bulk_body: 1000, ..Limits::default() });
    let one = line("p", 1, r#""state":"delivered""#);
    let many = report(&bench.router, format!("{one}\n{one}")).await;
    assert_eq!(many.status, 413, "{many:?}");
    assert_eq!(report(&bench.router, " ".repeat(1001)).await.status, 413);
    let none = report(&bench.router, one).await;
    assert_eq!((none.status, none.sentence().as_deref()), (501, Some("this server keeps no delivery log")));
}
