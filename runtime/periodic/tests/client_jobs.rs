//! What a client does besides submitting: results, chunks, dumps, settings, the server's end, and who it says it is.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{PATIENCE, Running, job, key};
use periodic::server::Settings;
use periodic::wire::{self, Command};
use periodic::{AuthFile, Client, ClientError, ClientOptions, Identity, Job, RunError, ServerOptions};

fn client(server: &Running) -> Client {
    with(server, ClientOptions::default())
}

fn with(server: &Running, options: ClientOptions) -> Client {
    Client::new(Arc::new(server.endpoint.clone()), options)
}

/// Asks for a job's result in the background.
fn running(client: &Client, job: Job) -> tokio::task::JoinHandle<Result<Bytes, RunError>> {
    let client = client.clone();
    tokio::spawn(async move { client.run_job(job).await })
}

async fn result(running: tokio::task::JoinHandle<Result<Bytes, RunError>>) -> Result<Bytes, RunError> {
    tokio::time::timeout(PATIENCE, running).await.expect("an answer in time").unwrap()
}

#[tokio::test]
async fn a_job_that_is_run_has_its_workers_result() {
    let server = Running::start().await;
    let client = client(&server);
    let mut worker = server.worker(&["f"]).await;
    let first = running(&client, job("f", "a"));
    let taken = worker.take().await;
    worker.ok(Command::WorkDone { key: taken.key, result: Bytes::from_static(b"forty-two") }).await;
    assert_eq!(result(first).await.unwrap(), "forty-two");
    let empty = running(&client, job("f", "b"));
    let taken = worker.take().await;
    worker.done(&taken).await;
    assert_eq!(result(empty).await.unwrap(), "");
}

#[tokio::test]
async fn a_job_without_a_result_says_why() {
    let server = Running::start().await;
    let client = client(&server);
    assert_eq!(client.run_job(job("f", "a")).await, Err(RunError::NoWorker));
    let mut worker = server.worker(&["f"]).await;

    let failed = running(&client, job("f", "a"));
    let taken = worker.take().await;
    worker.ok(Command::WorkFail(taken.key)).await;
    assert_eq!(result(failed).await, Err(RunError::Failed));

    let removed = running(&client, job("f", "b"));
    let taken = worker.take().await;
    client.remove(taken.key).await.unwrap();
    assert_eq!(result(removed).await, Err(RunError::Removed));

    let late = running(&client, Job { timeout: 1, ..job("f", "c") });
    assert_eq!(result(late).await, Err(RunError::Expired));

    let long = Job { workload: vec![0; 17 << 20].into(), ..job("f", "d") };
    assert!(matches!(client.run_job(long).await, Err(RunError::Client(ClientError::Invalid(_)))));
    let unsaid = running(&client, job("f", "e"));
    worker.take().await;
    server.stop().await;
    assert_eq!(result(unsaid).await, Err(RunError::Client(ClientError::Lost)));
}

#[tokio::test]
async fn a_job_may_take_longer_than_other_requests() {
    let server = Running::start().await;
    let client = with(&server, ClientOptions { timeout: Duration::from_millis(200), ..ClientOptions::default() });
    let mut worker = server.worker(&["f"]).await;
    let slow = running(&client, job("f", "a"));
    let taken = worker.take().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    client.ping().await.unwrap();
    worker.ok(Command::WorkDone { key: taken.key, result: Bytes::from_static(b"late") }).await;
    assert_eq!(result(slow).await.unwrap(), "late");
}

#[tokio::test]
async fn chunks_come_as_they_are_said_and_end_with_the_job() {
    let server = Running::start().await;
    let client = client(&server);
    let mut worker = server.worker(&["f"]).await;
    let mut chunks = client.recv_data(key("f", "a"), 0).await.unwrap();
    let done = running(&client, job("f", "a"));
    let taken = worker.take().await;
    for chunk in ["one", "", "two"] {
        worker.ok(Command::WorkData { key: taken.key.clone(), chunk: Bytes::from_static(chunk.as_bytes()) }).await;
        assert_eq!(chunks.next().await, Some(Ok(Bytes::from_static(chunk.as_bytes()))));
    }
    worker.ok(Command::WorkData { key: taken.key.clone(), chunk: Bytes::from_static(b"last") }).await;
    worker.ok(Command::WorkDone { key: taken.key, result: Bytes::from_static(b"result") }).await;
    assert_eq!(result(done).await.unwrap(), "result");
    assert_eq!(chunks.next().await, Some(Ok(Bytes::from_static(b"last"))));
    assert_eq!(chunks.next().await, None);
    assert_eq!(chunks.next().await, None);
    assert_eq!(client.recv_data(key("g", "a"), 0).await.unwrap_err(), RunError::NoWorker);
}

#[tokio::test]
async fn a_listener_that_does_not_keep_up_is_dropped_and_harms_nobody() {
    let server = Running::start().await;
    let client = with(&server, ClientOptions { max_payload: 64 << 10, ..ClientOptions::default() });
    let mut worker = server.worker(&["f"]).await;
    let mut slow = client.recv_data(key("f", "a"), 0).await.unwrap();
    let mut fast = client.recv_data(key("f", "a"), 0).await.unwrap();
    let gone = client.recv_data(key("f", "a"), 0).await.unwrap();
    drop(gone);
    server.submit(job("f", "a")).await;
    let taken = worker.take().await;
    let chunk = Bytes::from(vec![7; 30 << 10]);
    for _ in 0..4 {
        worker.ok(Command::WorkData { key: taken.key.clone(), chunk: chunk.clone() }).await;
        assert_eq!(fast.next().await, Some(Ok(chunk.clone())));
    }
    worker.done(&taken).await;
    assert_eq!(fast.next().await, None);
    assert_eq!(slow.next().await, Some(Ok(chunk.clone())));
    assert_eq!(slow.next().await, Some(Ok(chunk.clone())));
    assert_eq!(slow.next().await, Some(Err(ClientError::TooSlow)));
    assert_eq!(slow.next().await, None);
    client.ping().await.unwrap();
}

#[tokio::test]
async fn a_stream_tells_when_its_connection_is_no_more() {
    let server = Running::start().await;
    let _worker = server.worker(&["f"]).await;
    let (one, other) = (client(&server), client(&server));
    let mut closed = one.recv_data(key("f", "a"), 0).await.unwrap();
    let mut lost = other.recv_data(key("f", "a"), 0).await.unwrap();
    drop(other);
    one.close().await;
    assert_eq!(closed.next().await, Some(Err(ClientError::Closed)));
    server.stop().await;
    let end = tokio::time::timeout(PATIENCE, lost.next()).await.unwrap();
    assert_eq!(end, Some(Err(ClientError::Lost)), "it kept its client's connection until then");
    assert_eq!(lost.next().await, None);
}

#[tokio::test]
async fn what_is_dumped_can_be_loaded() {
    let (server, other) = (Running::start().await, Running::start().await);
    let (from, to) = (client(&server), client(&other));
    assert_eq!(from.dump().await.unwrap(), []);
    let far = 4_000_000_000;
    let jobs: Vec<_> = (0..50)
        .map(|index| Job {
            sched_at: far + index,
            count: 3,
            timeout: 7,
            workload: vec![b'x'; 100_000].into(),
            ..job("f", &format!("{index:02}"))
        })
        .collect();
    from.load(jobs.clone()).await.unwrap();
    assert_eq!(from.dump().await.unwrap(), jobs);
    let bytes = from.dump_bytes().await.unwrap();
    assert_eq!(bytes, wire::encode_jobs(&jobs).unwrap());
    to.load(wire::decode_jobs(bytes).unwrap()).await.unwrap();
    to.load(Vec::new()).await.unwrap();
    assert_eq!(to.dump().await.unwrap(), jobs);
    let bad = vec![job("f", "good"), job("f", &"x".repeat(256))];
    assert!(matches!(to.load(bad).await, Err(ClientError::Invalid(_))));
    assert_eq!(other.status("f").await.jobs, 50, "nothing of it was loaded");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_an_error_that_says_what_to_do() {
    let server = Running::start().await;
    server.submit(Job { workload: vec![0; 200_000].into(), sched_at: 4_000_000_000, ..job("f", "a") }).await;
    let client = with(&server, ClientOptions { max_payload: 100_000, ..ClientOptions::default() });
    let error = client.dump().await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { max: 100_000, .. }), "{error:?}");
    assert!(error.to_string().contains("ClientOptions::max_payload"), "{error}");
    client.ping().await.unwrap();
}

#[tokio::test]
async fn settings_are_told_and_changed() {
    let server = Running::start().await;
    let client = client(&server);
    let timeout = Bytes::from_static(b"timeout");
    assert_eq!(client.config_get(timeout.clone()).await.unwrap(), Settings::default().timeout);
    client.config_set(timeout.clone(), 17).await.unwrap();
    assert_eq!(client.config_get(timeout).await.unwrap(), 17);
    assert_eq!(client.config_get(Bytes::from_static(b"no such key")).await.unwrap(), 0);
    assert!(matches!(client.config_get(vec![b'k'; 256].into()).await, Err(ClientError::Invalid(_))));
}

#[tokio::test]
async fn a_client_can_end_a_server_that_lets_it() {
    let strict = Running::start().await;
    assert_eq!(client(&strict).shutdown().await, Err(ClientError::Refused));
    let server = Running::with_options(ServerOptions { remote_shutdown: true, ..ServerOptions::default() }).await;
    let client = client(&server);
    let (said, ()) = tokio::join!(client.shutdown(), async {
        server.server.shutdown_requested().await;
        server.stop().await;
    });
    said.unwrap();
}

#[tokio::test]
async fn a_server_that_knows_its_clients_refuses_others_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth");
    std::fs::write(&file, "client shop secret f\nworker press hush f\n").unwrap();
    let auth = Some(AuthFile::read(&file).unwrap());
    let server = Running::with_options(ServerOptions { auth, ..ServerOptions::default() }).await;
    let as_somebody = |name: &'static str, token: &'static str| {
        let identity = Some(Identity::new(name, token));
        with(&server, ClientOptions { identity, ..ClientOptions::default() })
    };
    let shop = as_somebody("shop", "secret");
    shop.submit(job("f", "a")).await.unwrap();
    for (refused, func) in [
        (client(&server), "f"),
        (as_somebody("shop", "wrong"), "f"),
        (as_somebody("press", "hush"), "f"),
        (shop.clone(), "g"),
    ] {
        let error = refused.submit(job(func, "b")).await.unwrap_err();
        assert_eq!(error, ClientError::Refused);
        assert!(error.not_taken() && error.to_string().starts_with("refused: role or identity"), "{error}");
    }
    let press = Some(Identity::new("press", "hush"));
    let press = with(&server, ClientOptions { identity: press, as_worker: true, ..ClientOptions::default() });
    press.submit(job("f", "dead letter")).await.unwrap();
    let error = shop.run_job(job("g", "b")).await.unwrap_err();
    assert!(error == RunError::NoWorker && error.to_string().contains("refused: role or identity"), "{error}");
    assert!(!format!("{:?}", Identity::new("shop", "secret")).contains("secret"));
}

#[tokio::test]
async fn results_may_come_in_any_order() {
    let server = Running::start().await;
    let client = client(&server);
    let mut worker = server.worker(&["f"]).await;
    let (one, two) = (running(&client, job("f", "1")), running(&client, job("f", "2")));
    let (first, second) = (worker.take().await, worker.take().await);
    for job in [second, first] {
        worker.ok(Command::WorkDone { key: job.key.clone(), result: job.key.name }).await;
    }
    assert_eq!(result(one).await.unwrap(), "1");
    assert_eq!(result(two).await.unwrap(), "2");
}
