//! Headers that the host sets (`[http.headers]`): they arrive where they should and nowhere else, and the sender does not
//! see what is in them.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::time::Duration;

use async_trait::async_trait;
use common::{Directory, Server, send};
use pusher_core::{Failure, Outcome, SendError};
use pusher_sandbox::transport::{Network, Request, Response, Transport, TransportError};

const LIMITS: &str = "[limits]\ncpu = \"5s\"\n";
const SECRETS: &str = "[secrets]\nkey = { env = \"KEY\" }\nother = { env = \"OTHER\" }\n";

/// What a request carried under this name.
fn values(sent: &str, name: &str) -> Vec<String> {
    let lines = sent.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_arrives_in_a_header_and_the_sender_does_not_see_it() {
    let (server, neighbour) = (Server::start("200 OK\r\n\r\n").await, Server::start("200 OK\r\n\r\n").await);
    let manifest = format!(
        "[http]\nallow = [\"{0}\", \"{1}\"]\nprivate = true\n[http.headers.\"{0}\"]\n\
         Authorization = {{ secret = \"key\", prefix = \"Bearer \" }}\nx-login = {{ basic = \"me\", secret = \"key\" }}\n\
         x-version = \"2024-01-01\"\n{SECRETS}{LIMITS}",
        server.origin, neighbour.origin
    );
    let loaded = Directory::faulty(&manifest).env("KEY", "s3cret").env("OTHER", "told").load().await;

    loaded.ask(&format!("header:AUTHORIZATION=Bearer mine {}/path", server.origin)).await;
    let sent = server.only_request().sent;
    assert_eq!(values(&sent, "authorization"), ["Bearer s3cret"], "{sent}");
    assert_eq!(values(&sent, "x-login"), ["Basic bWU6czNjcmV0"]);
    assert_eq!(values(&sent, "x-version"), ["2024-01-01"]);

    // The sender is told neither by the host nor by the key of the header.
    for key in ["key", "authorization", "x-login"] {
        assert_eq!(loaded.ask(&format!("config:{key}")).await, "\"none\"", "{key}");
    }
    // What it says of one that it is told is taken out of its words.
    assert_eq!(loaded.ask("config:other").await, "\"[redacted]\"");

    // To another origin goes what the sender says, and nothing of the host.
    loaded.ask(&format!("header:authorization=Bearer mine {}/", neighbour.origin)).await;
    let sent = neighbour.only_request().sent;
    assert_eq!(values(&sent, "authorization"), ["Bearer mine"], "{sent}");
    assert!(!sent.contains("s3cret") && !sent.contains("x-login") && !sent.contains("x-version"), "{sent}");
}

/// The network, on which every name leads to this machine.
struct Here(Network);

#[async_trait]
impl Transport for Here {
    async fn exchange(&self, mut request: Request, private: bool) -> Result<Response, TransportError> {
        request.url.set_host(Some("127.0.0.1")).unwrap();
        self.0.exchange(request, private).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_origin_and_a_wildcard_the_origin_counts() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let port = server.origin.rsplit(':').next().unwrap();
    let manifest = format!(
        "[http]\nallow = [\"http://*.example.com:{port}\", \"http://example.com:{port}\"]\nprivate = true\n\
         [http.headers.\"http://*.example.com:{port}\"]\nauthorization = {{ secret = \"key\" }}\nx-star = \"1\"\n\
         [http.headers.\"http://api.example.com:{port}\"]\nauthorization = {{ secret = \"other\" }}\n{SECRETS}{LIMITS}"
    );
    let network = Network::new(Duration::from_secs(5)).unwrap();
    let directory = Directory::faulty(&manifest).transport(Here(network)).env("KEY", "star").env("OTHER", "exact");
    let loaded = directory.load().await;
    for (host, authorization, star) in [
        ("api.example.com", &["exact"][..], false),
        ("b.api.example.com", &["star"], true),
        ("example.com", &[], false),
    ] {
        server.asked.lock().unwrap().clear();
        assert_eq!(loaded.ask(&format!("fetch:http://{host}:{port}/")).await, "(200, \"\")");
        let sent = server.only_request().sent;
        assert_eq!(values(&sent, "authorization"), authorization, "{host}: {sent}");
        assert_eq!(sent.contains("x-star"), star, "{host}: {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_missing_or_cannot_be_carried_refuses_the_sender_and_is_not_told() {
    let manifest = format!(
        "[http]\nallow = [\"https://a.example\"]\n[http.headers.\"https://a.example\"]\nx = {{ secret = \"key\" }}\n{SECRETS}"
    );
    let refusal = async |key: Option<&str>| {
        let directory = Directory::faulty(&manifest).env("OTHER", "x");
        let directory = key.iter().fold(directory, |directory, key| directory.env("KEY", key));
        directory.load().await.refusal("faulty.toml").to_owned()
    };
    assert!(refusal(None).await.starts_with("[secrets] key: the environment variable KEY is not set"));
    assert!(refusal(Some("")).await.starts_with("[secrets] key is empty"));
    let reason = refusal(Some("s3cret\n")).await;
    assert!(reason.starts_with("[secrets] key has a character that no header can carry"), "{reason}");
    assert!(!reason.contains("s3cret"), "{reason}");

    // For the author everything that is missing is told at once, and the grant without its value.
    let found = Directory::faulty(&manifest).inspect("faulty.toml").await.remove(0);
    assert_eq!(found.reasons.len(), 2, "{:?}", found.reasons);
    assert!(found.grants.contains(&"[http.headers] x for https://a.example".to_owned()), "{:?}", found.grants);
    let found =
        Directory::faulty(&manifest).env("KEY", "s3cret").env("OTHER", "x").inspect("faulty.toml").await.remove(0);
    assert!(found.would_load() && !format!("{found:?}").contains("s3cret"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn httpsend_delivers_with_an_authorization_that_it_does_not_know() {
    let server = Server::start("200 OK\r\n\r\n").await;
    // As in docs/senders.md, but for where the provider is.
    let manifest = format!(
        "[http]\nallow = [\"{0}\"]\nprivate = true\n[http.headers.\"{0}\"]\n\
         authorization = {{ secret = \"token\", prefix = \"Bearer \" }}\n[pushers]\nread = true\n\
         [config]\nurl = \"{0}/messages\"\nbody = '{{\"to\": \"{{{{ Email }}}}\"}}'\n[secrets]\ntoken = {{ env = \"TOKEN\" }}\n{LIMITS}",
        server.origin
    );
    let directory = Directory::new().component("httpsend").file("httpsend.toml", manifest).env("TOKEN", "s3cret");
    let loaded = directory.recipient("ada", "ada@example.com").load().await;
    assert_eq!(send(&*loaded.sender("httpsend"), "{}").await, Ok(Outcome::Done));
    let asked = server.only_request();
    assert_eq!(values(&asked.sent, "authorization"), ["Bearer s3cret"]);
    assert_eq!(asked.body, "{\"to\": \"ada@example.com\"}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sender_has_cut_off_a_secret_that_a_provider_prints_back_is_not_told() {
    const TOKEN: &str = "SECRETTOKEN0123456789abcdef";
    let server = Server::start("").await;
    let manifest = format!(
        "[http]\nallow = [\"{0}\"]\nprivate = true\n[http.headers.\"{0}\"]\n\
         authorization = {{ secret = \"token\", prefix = \"Bearer \" }}\nx-login = {{ basic = \"me\", secret = \"token\" }}\n\
         [pushers]\nread = true\n[config]\nurl = \"{0}/\"\n[secrets]\ntoken = {{ env = \"TOKEN\" }}\n{LIMITS}",
        server.origin
    );
    let directory = Directory::new().component("httpsend").file("httpsend.toml", manifest).env("TOKEN", TOKEN);
    let loaded = directory.recipient("ada", "ada@example.com").load().await;
    // It keeps 300 characters of the answer.
    for (header, before) in [("authorization: Bearer ", TOKEN), ("x-login: Basic ", "bWU6U0VDUkVUVE9LRU4wMTIz")] {
        for shown in [4, 9, 20] {
            let padding = "x".repeat(300 - header.len() - shown);
            server.answer(format!("401 Unauthorized\r\n\r\n{padding}{header}{before}"));
            let said = match send(&*loaded.sender("httpsend"), "{}").await {
                Err(SendError::Failure(Failure::Permanent(said))) => said,
                other => panic!("{other:?}"),
            };
            assert!(said.ends_with(&format!("{header}[redacted]")), "{shown}: {said}");
        }
    }
}
