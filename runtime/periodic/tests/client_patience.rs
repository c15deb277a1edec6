//! How long a client waits: for as long as the server goes on answering, and no longer than it is there.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::scripted::Scripted;
use common::{Gate, PATIENCE, Running, job};
use periodic::wire::{self, Command};
use periodic::{Client, ClientError, ClientOptions, Endpoint, Job, Listener, MemoryStore, ServerOptions, SystemClock};

fn with(endpoint: &Endpoint, options: ClientOptions) -> Client {
    Client::new(Arc::new(endpoint.clone()), options)
}

fn jobs(count: usize) -> Vec<Job> {
    (0..count).map(|index| job("f", &index.to_string())).collect()
}

async fn listener() -> Listener {
    Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).await.unwrap()
}

/// Answers requests a tenth of a second apart, `most` of them, and then says nothing.
async fn slow_server(listener: Listener, most: usize) {
    let mut server = Scripted::accept(&listener).await;
    for _ in 0..most {
        let asked = server.next().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.send(asked.msgid, Command::Success).await;
    }
    std::future::pending::<()>().await;
}

/// A client that waits a second, for whatever it is.
fn waits_a_second(listener: &Listener) -> Client {
    let second = Duration::from_secs(1);
    let options =
        ClientOptions { timeout: second, patience: second, max_payload: 64 << 10, ..ClientOptions::default() };
    with(listener.endpoint(), options)
}

#[tokio::test]
async fn many_jobs_have_their_time_anew_with_each_answer() {
    let listener = listener().await;
    let client = waits_a_second(&listener);
    let server = tokio::spawn(slow_server(listener, 25));
    let results = client.submit_many(jobs(25)).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    server.abort();
}

#[tokio::test]
async fn many_jobs_end_when_the_server_stops_answering() {
    let listener = listener().await;
    let client = waits_a_second(&listener);
    let server = tokio::spawn(slow_server(listener, 5));
    // More than are ever sent at once.
    let results = tokio::time::timeout(PATIENCE, client.submit_many(jobs(3000))).await.expect("an end");
    assert_eq!(results[..5], vec![Ok(()); 5]);
    assert_eq!(results[5], Err(ClientError::Timeout));
    assert!(matches!(results[2999], Err(ClientError::Unreachable { .. })), "{:?}", results[2999]);
    server.abort();
}

#[tokio::test]
async fn each_part_of_a_load_has_its_time() {
    let listener = listener().await;
    let client = waits_a_second(&listener);
    let server = tokio::spawn(slow_server(listener, 25));
    let parts = jobs(25).into_iter().map(|job| Job { workload: vec![0; 50_000].into(), ..job });
    client.load(parts.collect()).await.unwrap();
    server.abort();
}

#[tokio::test]
async fn a_call_of_many_requests_does_not_hold_up_others() {
    let listener = listener().await;
    let client = with(listener.endpoint(), ClientOptions::default());
    let many = tokio::spawn({
        let client = client.clone();
        async move { client.submit_many(jobs(100_000)).await }
    });
    let mut server = Scripted::accept(&listener).await;
    let first = server.next().await;
    let ping = tokio::spawn(async move { client.remove(job("g", "a").key).await });
    let mut answered = 0;
    server.send(first.msgid, Command::Success).await;
    loop {
        let asked = server.next().await;
        server.send(asked.msgid, Command::Success).await;
        if matches!(asked.command, Command::RemoveJob(_)) {
            break;
        }
        answered += 1;
    }
    assert!(answered < 50_000, "{answered} others came first");
    assert_eq!(ping.await.unwrap(), Ok(()));
    many.abort();
}

#[tokio::test]
async fn a_server_has_time_for_what_grows_with_the_data() {
    let gate = Gate::new(MemoryStore::new());
    let server = Running::with(gate.clone(), Arc::new(SystemClock), ServerOptions::default()).await;
    server.submit_all(jobs(10)).await;
    let options = ClientOptions { timeout: Duration::from_millis(200), ..ClientOptions::default() };
    let client = with(&server.endpoint, options);
    gate.close();
    let (dump, drop, load) = tokio::join!(client.dump(), client.drop_func(Bytes::from_static(b"f")), async {
        let load = client.load(jobs(1));
        tokio::pin!(load);
        let early = tokio::time::timeout(Duration::from_secs(1), &mut load).await;
        assert!(early.is_err(), "nothing is done while the store waits: {early:?}");
        client.ping().await.unwrap();
        gate.open();
        load.await
    });
    dump.unwrap();
    drop.unwrap();
    load.unwrap();
}

#[tokio::test]
async fn patience_ends_with_the_servers_life() {
    let listener = listener().await;
    let options = ClientOptions { ping_interval: Duration::from_millis(100), ..ClientOptions::default() };
    let client = with(listener.endpoint(), options);
    let server = tokio::spawn(slow_server(listener, 0));
    let drop = tokio::time::timeout(PATIENCE, client.drop_func(Bytes::from_static(b"f"))).await;
    assert_eq!(drop.expect("an end"), Err(ClientError::Lost));
    server.abort();
}

#[tokio::test]
async fn a_server_that_is_long_about_a_large_answer_is_not_silent() {
    let listener = listener().await;
    let options = ClientOptions { ping_interval: Duration::from_millis(300), ..ClientOptions::default() };
    let client = with(listener.endpoint(), options);
    let dumping = tokio::spawn(async move { client.dump().await });
    let mut server = Scripted::accept(&listener).await;
    let asked = server.next().await;
    let answer = Command::Data(wire::encode_jobs(&jobs(100)).unwrap());
    // Longer than it may be silent, and no PING is answered in the midst of a frame.
    server.send_slowly(asked.msgid, answer, 30, Duration::from_millis(60)).await;
    assert_eq!(dumping.await.unwrap().unwrap().len(), 100);
}

#[tokio::test]
async fn a_load_whose_connection_breaks_waits_for_the_next_one_no_longer_than_any_request() {
    let listener = listener().await;
    let endpoint = listener.endpoint().clone();
    // Far more parts than are sent at once.
    let parts = jobs(40).into_iter().map(|job| Job { workload: vec![0; 1 << 20].into(), ..job });
    let options = ClientOptions { timeout: Duration::from_millis(500), ..ClientOptions::default() };
    let client = with(&endpoint, ClientOptions { max_payload: 2 << 20, ..options });
    let loading = tokio::spawn(async move { client.load(parts.collect()).await });
    let mut server = Scripted::accept(&listener).await;
    server.next().await;
    drop((server, listener));
    let loaded = tokio::time::timeout(PATIENCE, loading).await.expect("an end").unwrap();
    assert_eq!(loaded, Err(ClientError::Lost));
}
