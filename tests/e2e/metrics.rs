//! `/metrics`: what is counted is what happened, and the page is one that Prometheus takes.

use std::collections::BTreeSet;

use pusher_tests::command::command;
use pusher_tests::metrics::Metrics;
use pusher_tests::process::Pusher;
use pusher_tests::recorded::until_recorded;
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;

/// Waits until a number is what it should be.
async fn until_is(admin: &str, name: &str, labels: &[(&str, &str)], wanted: f64) -> Metrics {
    let what = format!("{name}{labels:?} to be {wanted}");
    until(&what, async || {
        let metrics = Metrics::of(admin).await;
        (metrics.value(name, labels) == Some(wanted)).then_some(metrics)
    })
    .await
}

fn sends<'a>(sender: &'a str, outcome: &'a str) -> [(&'a str, &'a str); 2] {
    [("sender", sender), ("outcome", outcome)]
}

#[tokio::test]
async fn a_server_and_a_worker_count_what_became_of_messages() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("senders");
    let manifest = "component = \"faulty.wasm\"\n[retry]\nschedule = [\"1h\"]\n";
    senders::write(&folder, "faulty", "faulty.wasm", manifest).unwrap();
    senders::write(&folder, "limited", "faulty.wasm", "component = \"faulty.wasm\"\n[rate]\nper-second = 0.01\n")
        .unwrap();
    std::fs::write(folder.join("typo.toml"), "component = \"faulty.wasm\"\n[htpp]\n").unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let worker = Pusher::worker(&server, &folder).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "faulty").await;
    rest.recipient("lupino", "limited").await;

    // Two are done, one is put off, each of these fails in its own way, and one asks for what it is not granted.
    for data in
        ["fine", "fine too", "later:100", "temporary", "limited:100", "permanent", "trap", "fetch:http://x.invalid/"]
    {
        assert_eq!(rest.push("faulty", "lupino", data).await.status, 200);
    }
    for data in ["at once", "in a minute and more"] {
        assert_eq!(rest.push("limited", "lupino", data).await.status, 200);
    }
    assert_eq!(rest.push("faulty", "nobody", "x").await.status, 404);
    let names = until_is(&worker.admin, "pusher_sends_total", &sends("faulty", "permanent"), 2.0).await.names().len();
    let worked = until_is(&worker.admin, "pusher_send_duration_seconds_count", &[("sender", "faulty")], 8.0).await;
    assert_eq!(worked.names().len(), names, "no metric comes late");
    for (outcome, count) in
        [("done", 2.0), ("later", 1.0), ("temporary", 1.0), ("limited", 1.0), ("trap", 1.0), ("cpu", 0.0)]
    {
        assert_eq!(worked.value("pusher_sends_total", &sends("faulty", outcome)), Some(count), "{outcome}");
    }
    let denied = |capability| [("sender", "faulty"), ("capability", capability)];
    assert_eq!(worked.value("pusher_sandbox_denials_total", &denied("http")), Some(1.0));
    assert_eq!(worked.value("pusher_sandbox_denials_total", &denied("pushers")), Some(0.0));
    until_is(&worker.admin, "pusher_dead_letters_total", &[("sender", "faulty")], 2.0).await;
    let paced = until_is(&worker.admin, "pusher_sends_waiting_for_rate", &[("sender", "limited")], 1.0).await;
    assert_eq!(paced.value("pusher_sends_total", &sends("limited", "done")), Some(1.0));
    assert_eq!(paced.value("pusher_senders_loaded", &[]), Some(2.0));
    assert_eq!(paced.value("pusher_senders_refused", &[]), Some(1.0));
    assert_eq!(paced.value("pusher_sandbox_places", &[]), Some(256.0));
    assert_eq!(paced.value("pusher_sandbox_running", &[]), Some(0.0));

    let push = [("route", "/pusher/{sender}/push"), ("method", "POST"), ("code", "2xx")];
    let served = until_is(&server.admin, "pusher_http_requests_total", &push, 10.0).await;
    assert_eq!(served.value("pusher_http_requests_total", &[push[0], push[1], ("code", "4xx")]), Some(1.0));
    assert_eq!(served.value("pusher_http_request_duration_seconds_count", &push[..2]), Some(11.0));
    assert_eq!(served.value("pusher_pushes_accepted_total", &[("kind", "push")]), Some(10.0));
    assert_eq!(served.value("pusher_pushes_accepted_total", &[("kind", "fan-out")]), Some(0.0));
    until_recorded(&server, "dead", 2).await;
    // Later, temporary, limited and the crash.
    let waiting = until_is(&server.admin, "pusher_jobs_waiting", &[("func", "pusher:faulty")], 4.0).await;
    assert_eq!(waiting.value("pusher_deliveries_recorded_total", &[("state", "dead")]), Some(2.0));
    assert_eq!(waiting.value("pusher_job_workers", &[("func", "pusher:faulty")]), Some(1.0));
    assert_eq!(waiting.value("pusher_jobs_running", &[("func", "pusher:limited")]), Some(1.0));
    assert!(waiting.value("pusher_store_commit_operations_sum", &[]) >= Some(10.0), "{waiting:?}");
    assert!(
        waiting.value("pusher_store_used_bytes", &[]) < waiting.value("pusher_store_map_bytes", &[]),
        "{waiting:?}"
    );

    // Nothing on the pages comes from a client.
    assert_eq!(worked.labels("sender"), BTreeSet::from(["faulty", "limited"]));
    let all = format!("{worked:?}{waiting:?}");
    for made_up in ["lupino", "nobody", "fine", "invalid", "typo"] {
        assert!(!all.contains(made_up), "{made_up} in {all}");
    }
    worker.stop().await;
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_server_with_senders_shows_both() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("senders");
    senders::sample(&folder).unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sample").await;
    rest.push("sample", "lupino", "hello").await;
    let metrics = until_is(&server.admin, "pusher_sends_total", &sends("sample", "done"), 1.0).await;
    assert_eq!(metrics.value("pusher_pushes_accepted_total", &[("kind", "push")]), Some(1.0));
    assert_eq!(metrics.value("pusher_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), Some(1.0));
    let documented = include_str!("../../docs/operate.md");
    let lines = documented.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let told: BTreeSet<_> = lines.map(|(name, _)| name).filter(|name| name.contains('_')).collect();
    // A worker alone has what one within the server does not need.
    let worker = Pusher::worker(&server, &folder).await;
    let alone = Metrics::of(&worker.admin).await;
    let all: BTreeSet<_> = metrics.names().union(&alone.names()).copied().collect();
    assert!(told.len() > 20 && told == all, "{:?}", told.symmetric_difference(&all));
    worker.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_parked_sender_shows_and_a_worker_without_its_server_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("senders");
    senders::write(&folder, "faulty", "faulty.wasm", "component = \"faulty.wasm\"\n").unwrap();
    senders::sample(&folder).unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let worker = Pusher::worker(&server, &folder).await;
    let (rest, operator) = (Rest::new(&server.api), Rest::new(&worker.admin));
    let until_says = async |status, sentence: &str| {
        let what = format!("{status} {sentence}");
        until(&what, async || {
            let said = operator.get("/readyz").await;
            (said.status == status && said.body.contains(sentence)).then_some(())
        })
        .await;
    };
    until_says(200, "ready\n").await;
    assert_eq!(operator.get("/livez").await.status, 200);
    rest.recipient("lupino", "faulty").await;
    for n in 0..10 {
        rest.push("faulty", "lupino", &format!("trap:{n}")).await;
    }
    let parked = until_is(&worker.admin, "pusher_sender_parked", &[("sender", "faulty")], 1.0).await;
    assert_eq!(parked.value("pusher_sender_parked", &[("sender", "sample")]), Some(0.0));
    assert_eq!(parked.value("pusher_sends_total", &sends("faulty", "trap")), Some(10.0));
    until_says(200, "ready, but parked: faulty; the log says why\n").await;
    until_is(&worker.admin, "pusher_sender_connected", &[("sender", "faulty")], 0.0).await;
    assert_eq!(Metrics::of(&worker.admin).await.value("pusher_sender_connected", &[("sender", "sample")]), Some(1.0));

    let periodic = server.periodic.clone();
    server.stop().await;
    until_says(503, &format!("not ready: the Periodic server at {periodic} does not answer\n")).await;
    assert_eq!(operator.get("/livez").await.status, 200);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_whose_operator_address_is_taken_says_so() {
    let dir = tempfile::tempdir().unwrap();
    senders::sample(dir.path()).unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let worker = command(&["worker", "--senders", &dir.path().to_string_lossy(), "--admin", &address]);
    let ended = pusher_tests::command::finish(worker, b"").await;
    let said = format!("--admin: cannot listen on {address}: ");
    let said = (ended.code, ended.stderr.contains(&said), ended.stderr.contains("or choose another address"));
    assert_eq!(said, (1, true, true));
}
