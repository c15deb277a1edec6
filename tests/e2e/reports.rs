//! A worker alone tells the API server what became of messages: at once, or when it is there again.

use std::collections::BTreeMap;

use pusher_core::{Delivery, DeliveryFilter, DeliveryLog, DeliveryState};
use pusher_store::{Store, StoreOptions};
use pusher_tests::metrics::Metrics;
use pusher_tests::process::Pusher;
use pusher_tests::queue::until_jobs;
use pusher_tests::recorded::{recorded, until_recorded};
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;

const MANIFEST: &str = "component = \"faulty.wasm\"\n[retry]\nschedule = [\"1s\"]\njitter = 0.0\n";

/// A Periodic server that outlives API servers, and a folder of senders.
struct Apart {
    dir: tempfile::TempDir,
    periodicd: Pusher,
    host: String,
}

impl Apart {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        senders::write(&dir.path().join("senders"), "faulty", "faulty.wasm", MANIFEST).unwrap();
        let jobs = dir.path().join("jobs");
        let periodicd = Pusher::periodicd(&["--work-dir", &jobs.to_string_lossy()]).await.unwrap();
        Self { dir, periodicd, host: "127.0.0.1:0".into() }
    }

    /// An API server that submits to it; the next one takes its address.
    async fn serve(&mut self) -> Pusher {
        let (data, host) = (self.dir.path().join("data").to_string_lossy().into_owned(), self.host.clone());
        let args = ["serve", "--admin", "127.0.0.1:0", "--work-dir", &data, "--host", &host];
        let args = [&args[..], &["--periodic", &self.periodicd.periodic]].concat();
        let server = Pusher::start(&args, &[]).await.unwrap();
        self.host = server.api.trim_start_matches("http://").to_owned();
        server
    }

    async fn worker(&self, more: &[&str]) -> Pusher {
        let (senders, spool) = (self.dir.path().join("senders"), self.dir.path().join("spool"));
        let (senders, spool) = (senders.to_string_lossy(), spool.to_string_lossy());
        let api = format!("http://{}", self.host);
        let args = ["worker", "--senders", &senders, "--periodic", &self.periodicd.periodic, "--api", &api];
        let args = [&args[..], &["--admin", "127.0.0.1:0", "--spool", &spool], more].concat();
        Pusher::start(&args, &[]).await.unwrap()
    }

    /// Everything in the log of a server that has ended, by the data that the name was made from.
    async fn log(&self) -> BTreeMap<String, Delivery> {
        let store = Store::open(&self.dir.path().join("data"), StoreOptions::default()).unwrap();
        let page = store.list(&DeliveryFilter::default(), None, 1000).await.unwrap();
        assert_eq!(page.next, None);
        page.deliveries.into_iter().map(|delivery| (delivery.name.to_string(), delivery)).collect()
    }
}

async fn waiting(worker: &Pusher, name: &str) -> f64 {
    Metrics::of(&worker.admin).await.value(name, &[]).unwrap()
}

/// Pushes, and says which name that made.
async fn push(rest: &Rest, data: &str) -> String {
    let reply = rest.push("faulty", "lupino", data).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body.split('"').nth(3).unwrap().to_owned()
}

#[tokio::test]
async fn what_a_worker_alone_does_is_in_the_log_of_the_server() {
    let mut apart = Apart::new().await;
    let server = apart.serve().await;
    let worker = apart.worker(&[]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "faulty").await;
    let [fine, temporary, permanent] =
        [push(&rest, "fine").await, push(&rest, "temporary").await, push(&rest, "permanent").await];
    until_recorded(&server, "dead", 2).await;
    until_recorded(&server, "delivered", 1).await;
    assert_eq!(recorded(&server, "waiting").await, 1);
    until_jobs(&apart.periodicd, "pusher:faulty", 0).await;
    until("nothing to wait", async || (waiting(&worker, "pusher_reports_waiting").await == 0.0).then_some(())).await;
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
    let log = apart.log().await;
    let stands = |name: &str| (log[name].state, log[name].tries, log[name].attempts.len());
    assert_eq!(stands(&fine), (DeliveryState::Delivered, 1, 1));
    assert_eq!(stands(&temporary), (DeliveryState::Dead, 2, 2));
    assert_eq!(stands(&permanent), (DeliveryState::Dead, 1, 1));
    assert_eq!(log.len(), 3);
}

#[tokio::test]
async fn a_worker_whose_api_server_is_away_goes_on_delivering_and_tells_it_later() {
    let mut apart = Apart::new().await;
    let server = apart.serve().await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "faulty").await;
    let mut names = Vec::new();
    for n in 0..300 {
        names.push(push(&rest, &format!("fine {n}")).await);
    }
    let dead = push(&rest, "permanent").await;
    server.kill().await;

    let worker = apart.worker(&[]).await;
    until_jobs(&apart.periodicd, "pusher:faulty", 0).await;
    let told = "all reports to wait";
    until(told, async || (waiting(&worker, "pusher_reports_waiting").await == 301.0).then_some(())).await;
    assert!(waiting(&worker, "pusher_reports_waiting_bytes").await > 10_000.0);
    // Also of a worker that is killed.
    worker.kill().await;
    let worker = apart.worker(&[]).await;
    assert_eq!(waiting(&worker, "pusher_reports_waiting").await, 301.0);

    let server = apart.serve().await;
    until_recorded(&server, "delivered", 300).await;
    until("nothing to wait", async || (waiting(&worker, "pusher_reports_waiting").await == 0.0).then_some(())).await;
    assert_eq!(waiting(&worker, "pusher_reports_refused_total").await, 0.0);
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
    let log = apart.log().await;
    assert_eq!(log.len(), 301);
    assert!(names.iter().all(|name| (log[name].state, log[name].tries) == (DeliveryState::Delivered, 1)));
    assert_eq!(log[&dead].state, DeliveryState::Dead);
}
