//! The server forgets what is old by itself, and nothing else.

use pusher_core::{DeliveryFilter, DeliveryLog, DeliveryState};
use pusher_store::{Store, StoreOptions};
use pusher_tests::metrics::Metrics;
use pusher_tests::process::Pusher;
use pusher_tests::queue::until_jobs;
use pusher_tests::recorded::recorded;
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;

async fn until_pruned(server: &Pusher, count: f64) {
    let pruned = async || Metrics::of(&server.admin).await.value("pusher_deliveries_pruned_total", &[]);
    until("old deliveries to be forgotten", async || (pruned().await == Some(count)).then_some(())).await;
}

#[tokio::test]
async fn what_was_delivered_is_forgotten_in_its_time_while_pushes_go_on_and_what_waits_or_is_dead_stays() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("senders");
    senders::write(&folder, "faulty", "faulty.wasm", "component = \"faulty.wasm\"\n").unwrap();
    let (data, folder) = (dir.path().join("data"), folder.to_string_lossy().into_owned());
    let keep = ["--senders", &folder, "--retention-delivered", "2s", "--retention-dead", "forever"];
    let server = Pusher::serve(&data, &keep).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "faulty").await;
    // More than is forgotten in one commit.
    for n in 0..600 {
        assert_eq!(rest.push("faulty", "lupino", &format!("fine {n}")).await.status, 200);
    }
    for data in ["permanent", "temporary"] {
        rest.push("faulty", "lupino", data).await;
    }
    until_pruned(&server, 600.0).await;
    assert_eq!([recorded(&server, "delivered").await, recorded(&server, "dead").await], [600, 1]);
    until_jobs(&server, "pusher:faulty", 1).await;
    assert!(server.stop().await.success());

    // What ended before the start is forgotten, too.
    let forget = ["--retention-dead", "0"];
    let server = Pusher::serve(&data, &forget).await;
    until_pruned(&server, 1.0).await;
    assert!(server.stop().await.success());
    let store = Store::open(&data, StoreOptions::default()).unwrap();
    let left = store.list(&DeliveryFilter::default(), None, 10).await.unwrap().deliveries;
    assert_eq!(left.iter().map(|delivery| delivery.state).collect::<Vec<_>>(), [DeliveryState::Waiting]);
}
