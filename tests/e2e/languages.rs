//! The examples of senders in Python and JavaScript, through a real server and worker: what they ask a provider, and what
//! becomes of a message by the provider's answer.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use pusher_tests::build;
use pusher_tests::process::Pusher;
use pusher_tests::recorded::until_recorded;
use pusher_tests::rest::Rest;
use pusher_tests::wait::until;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::queue::until_jobs;

/// An interpreter takes half a minute of computing to compile, once: the next start finds it in the cache.
const COMPILING: Duration = Duration::from_secs(300);
const TOKEN: &str = "test-token";
/// What the examples' manifests name as the provider.
const PROVIDER: &str = "https://api.example.com";
const RETRY: &str = "\n[retry]\nschedule = [\"1s\"]\njitter = 0.0\n";

/// A request, as the provider saw it.
#[derive(Debug, Clone)]
struct Seen {
    at: Instant,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A provider of messages that answers what it is told to, and 202 after that.
#[derive(Clone, Default)]
struct Provider {
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

impl Provider {
    /// Starts one; its base URL.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/messages", post(take)).with_state(self.clone());
        // It ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    /// Answers so next time.
    fn answer(&self, status: StatusCode) {
        self.answers.lock().unwrap().push_back(status);
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// All requests, once there are `count`.
    async fn until_seen(&self, count: usize) -> Vec<Seen> {
        until(&format!("{count} requests to the provider"), async || {
            let seen = self.seen();
            (seen.len() >= count).then_some(seen)
        })
        .await
    }
}

/// Takes a message; one that is limited may come again after three seconds.
async fn take(State(provider): State<Provider>, headers: HeaderMap, body: String) -> Response {
    let body = serde_json::from_str(&body).unwrap_or(Value::Null);
    provider.seen.lock().unwrap().push(Seen { at: Instant::now(), headers, body });
    match provider.answers.lock().unwrap().pop_front() {
        Some(StatusCode::TOO_MANY_REQUESTS) => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3")]).into_response(),
        Some(status) => (status, "not now").into_response(),
        None => StatusCode::ACCEPTED.into_response(),
    }
}

/// Puts the example into `dir` with its own manifest, but for where the provider is and when to try again.
fn lay_out(language: &str, dir: &Path, provider: &str) {
    let example = build::languages().join(language);
    let manifest = std::fs::read_to_string(example.join("greet.toml")).unwrap();
    assert!(manifest.contains(PROVIDER) && manifest.contains("private = false"), "{manifest}");
    let manifest = manifest.replace(PROVIDER, provider).replace("private = false", "private = true") + RETRY;
    std::fs::create_dir_all(dir).unwrap();
    std::fs::copy(example.join("greet.wasm"), dir.join("greet.wasm")).unwrap();
    std::fs::write(dir.join("greet.toml"), manifest).unwrap();
}

/// Everything that is said of the examples, of the one in `language`.
async fn delivers_and_says_what_answers_mean(language: &str) {
    let dir = tempfile::tempdir().unwrap();
    let provider = Provider::default();
    let senders = dir.path().join("senders");
    lay_out(language, &senders, &provider.start().await);
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let senders = senders.to_string_lossy();
    let args = ["worker", "--senders", &senders, "--periodic", &server.periodic, "--api", &server.api];
    let worker = Pusher::start_within(COMPILING, &args, &[("GREET_TOKEN", TOKEN)]).await.unwrap();
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "greet").await;
    let push = async |text: &str| {
        let reply = rest.push("greet", "lupino", &json!({"text": text}).to_string()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str::<Value>(&reply.body).unwrap()["name"].as_str().unwrap().to_owned()
    };

    let job = push("the beans are in").await;
    let seen = provider.until_seen(1).await;
    assert_eq!(seen[0].body, json!({"to": "lupino@example.com", "text": "Hello Lu, the beans are in"}));
    assert_eq!(seen[0].header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(seen[0].header("content-type"), "application/json");
    assert_eq!(seen[0].header("idempotency-key"), job);
    until_jobs(&server, "pusher:greet", 0).await;

    // A provider that is down is asked again, by the schedule.
    provider.answer(StatusCode::SERVICE_UNAVAILABLE);
    let job = push("again, please").await;
    let seen = provider.until_seen(3).await;
    assert_eq!([&seen[1], &seen[2]].map(|request| request.header("idempotency-key")), [job.as_str(); 2]);
    until_jobs(&server, "pusher:greet", 0).await;

    // One that wants it slower is asked when it says, which is later than the schedule and before the host's minute.
    provider.answer(StatusCode::TOO_MANY_REQUESTS);
    push("not so fast").await;
    let seen = provider.until_seen(5).await;
    let waited = seen[4].at - seen[3].at;
    assert!(waited >= Duration::from_secs(2), "asked again after {waited:?}");
    until_jobs(&server, "pusher:greet", 0).await;

    // What it refuses is not asked again, and what is not for it is not asked at all.
    provider.answer(StatusCode::UNPROCESSABLE_ENTITY);
    push("no, thanks").await;
    until_recorded(&server, "dead", 1).await;
    assert_eq!(provider.seen().len(), 6);
    for data in ["not JSON", "null", "[1]", r#"{"text": null}"#] {
        assert_eq!(rest.push("greet", "lupino", data).await.status, 200, "{data}");
    }
    until_recorded(&server, "dead", 5).await;
    until_jobs(&server, "pusher:greet", 0).await;
    assert_eq!(provider.seen().len(), 6, "{:?}", provider.seen());

    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn the_example_in_python_delivers_and_says_what_answers_mean() {
    delivers_and_says_what_answers_mean("python").await;
}

#[tokio::test]
async fn the_example_in_javascript_delivers_and_says_what_answers_mean() {
    delivers_and_says_what_answers_mean("javascript").await;
}
