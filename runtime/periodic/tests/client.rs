//! The client against a real server, and against servers that are not there, go away or say nothing.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use common::{PATIENCE, Running, job, key};
use periodic::transport::Stream;
use periodic::wire::FrameCodec;
use periodic::{
    Client, ClientError, ClientOptions, Clock, Connect, Endpoint, Job, Listener, MemoryStore, ServerOptions,
    SystemClock,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::Encoder;

fn client(endpoint: &Endpoint) -> Client {
    Client::new(Arc::new(endpoint.clone()), ClientOptions::default())
}

fn impatient(endpoint: &Endpoint) -> Client {
    let options = ClientOptions { timeout: Duration::from_millis(300), ..ClientOptions::default() };
    Client::new(Arc::new(endpoint.clone()), options)
}

async fn nobody() -> Endpoint {
    Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).await.unwrap().endpoint().clone()
}

/// The next connection, registered and greeted.
async fn greeted(listener: &Listener) -> Box<dyn Stream> {
    let mut stream = listener.accept().await.unwrap().open().await.unwrap();
    stream.read_exact(&mut [0; 13]).await.unwrap();
    let mut greeting = BytesMut::new();
    FrameCodec::server(1024).encode([30, 1, 2, 3, 4].as_slice(), &mut greeting).unwrap();
    stream.write_all(&greeting).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_submits_removes_asks_and_pings() {
    let server = Running::start().await;
    let client = client(&server.endpoint);
    client.ping().await.unwrap();
    client.submit(job("f", "a")).await.unwrap();
    client.submit(Job { sched_at: SystemClock.now() + 1000, ..job("f", "b") }).await.unwrap();
    client.remove(key("f", "a")).await.unwrap();
    let status = client.status().await.unwrap();
    assert_eq!((status.len(), status[0].func.as_ref(), status[0].jobs), (1, b"f".as_slice(), 1));
    client.drop_func(Bytes::from_static(b"f")).await.unwrap();
    assert_eq!(client.status().await.unwrap(), []);
}

#[tokio::test]
async fn the_same_client_works_within_the_servers_process() {
    let server = Running::start().await;
    let client = Client::new(Arc::new(server.server.handle().connector()), ClientOptions::default());
    client.submit(job("f", "a")).await.unwrap();
    assert_eq!(server.status("f").await.jobs, 1);
    server.stop().await;
}

#[tokio::test]
async fn many_jobs_at_once_have_a_result_each() {
    let server = Running::start().await;
    let client = client(&server.endpoint);
    let mut jobs: Vec<_> = (0..5000).map(|index| job("f", &index.to_string())).collect();
    jobs[17].key = key("f", &"x".repeat(256));
    let results = client.submit_many(jobs).await;
    for (index, result) in results.into_iter().enumerate() {
        match result {
            Err(ClientError::Invalid(_)) => assert_eq!(index, 17),
            other => other.unwrap(),
        }
    }
    assert_eq!(server.status("f").await.jobs, 4999);
    assert_eq!(client.submit_many(Vec::new()).await, []);
}

#[tokio::test]
async fn callers_share_a_connection() {
    let server = Running::start().await;
    let client = client(&server.endpoint);
    let callers: Vec<_> = (0..200)
        .map(|index| {
            let client = client.clone();
            tokio::spawn(async move { client.submit(job("f", &index.to_string())).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(server.status("f").await.jobs, 200);
}

#[tokio::test]
async fn a_client_finds_its_server_again() {
    let endpoint = nobody().await;
    let early = client(&endpoint);
    let waiting = tokio::spawn({
        let early = early.clone();
        async move { early.submit(job("f", "a")).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let store = MemoryStore::new();
    for round in 0..3 {
        let store = Arc::new(store.clone());
        let server = Running::at(&endpoint, store, Arc::new(SystemClock), ServerOptions::default()).await;
        early.submit(job("f", &format!("round {round}"))).await.unwrap();
        server.stop().await;
        // The client sees the end of its connection before the next request, or answers Lost.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_has_certainly_not_taken_the_job() {
    let client = impatient(&nobody().await);
    let error = client.submit(job("f", "a")).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.not_taken());
}

#[tokio::test]
async fn a_client_that_does_not_try_again_says_at_once_what_is_wrong() {
    let options = ClientOptions { retry_connect: false, ..ClientOptions::default() };
    let client = Client::new(Arc::new(nobody().await), options);
    for _ in 0..2 {
        let asked = Instant::now();
        let error = client.submit(job("f", "a")).await.unwrap_err();
        assert!(error.not_taken() && error.to_string().contains("refused"), "{error}");
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_or_hangs_up_may_have_taken_the_job() {
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).await.unwrap();
    let client = impatient(listener.endpoint());
    let server = tokio::spawn(async move {
        let mut silent = greeted(&listener).await;
        let mut all = Vec::new();
        silent.read_to_end(&mut all).await.unwrap();
        let mut rude = greeted(&listener).await;
        rude.read_exact(&mut [0; 20]).await.unwrap();
        rude.shutdown().await.unwrap();
    });
    let asked = Instant::now();
    let error = client.submit(job("f", "a")).await.unwrap_err();
    assert_eq!(error, ClientError::Timeout);
    assert!(!error.not_taken());
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert_eq!(client.submit(job("f", "b")).await, Err(ClientError::Lost));
    tokio::time::timeout(PATIENCE, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_greet_has_certainly_not_taken_the_job() {
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).await.unwrap();
    let client = impatient(listener.endpoint());
    let server = tokio::spawn(async move {
        loop {
            let mut rude = listener.accept().await.unwrap().open().await.unwrap();
            rude.read_exact(&mut [0; 13]).await.unwrap();
            rude.shutdown().await.unwrap();
        }
    });
    let error = client.submit(job("f", "a")).await.unwrap_err();
    assert!(error.not_taken() && error.to_string().contains("without a greeting"), "{error}");
    server.abort();
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_harms_no_other() {
    let server = Running::start().await;
    let client = client(&server.endpoint);
    for index in 0..50 {
        let name = index.to_string();
        let submit = client.submit_many((0..20).map(|_| job("f", &name)).collect());
        // Cancelled at some point on its way.
        let _gone = tokio::time::timeout(Duration::from_micros(index * 20), submit).await;
        client.ping().await.unwrap();
    }
    client.submit(job("g", "after")).await.unwrap();
    assert_eq!(server.status("g").await.jobs, 1);
}

#[tokio::test]
async fn a_client_that_is_closed_answers_what_was_asked_and_takes_nothing_more() {
    let server = Running::start().await;
    let client = client(&server.endpoint);
    let other = client.clone();
    let asked =
        tokio::spawn(async move { other.submit_many((0..1000).map(|i| job("f", &i.to_string())).collect()).await });
    client.ping().await.unwrap();
    client.close().await;
    assert!(asked.await.unwrap().into_iter().all(|result| result.is_ok()));
    let error = client.submit(job("f", "late")).await.unwrap_err();
    assert_eq!(error, ClientError::Closed);
    assert!(error.not_taken());
    client.close().await;
}

/// Counts connections.
struct Counted(Endpoint, AtomicUsize);

#[async_trait]
impl Connect for Counted {
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.connect().await
    }

    fn peer(&self) -> String {
        self.0.peer()
    }
}

#[tokio::test]
async fn an_idle_client_keeps_its_connection() {
    let settings = periodic::server::Settings { keepalive: 1, ..Default::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let counted = Arc::new(Counted(server.endpoint.clone(), AtomicUsize::new(0)));
    let options = ClientOptions { ping_interval: Duration::from_millis(100), ..ClientOptions::default() };
    let client = Client::new(Arc::clone(&counted) as Arc<dyn Connect>, options);
    client.ping().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    client.ping().await.unwrap();
    assert_eq!(counted.1.load(Ordering::SeqCst), 1);
}
