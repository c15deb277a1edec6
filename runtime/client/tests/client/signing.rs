//! What a signed request looks like on the wire, and what is not sent at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pusher_client::{Batch, Client, ClientError, Credentials, Options, Scheme, base_url};
use pusher_core::signing::{Secret, V1, V2, is_nonce};
use pusher_core::{ContactFields, PusherId};

use crate::scripted::{BUSY, LIST, OK, Scripted};

/// A clock that is a second later each time it is read.
fn ticking() -> pusher_client::Clock {
    let now = AtomicI64::new(1_700_000_000);
    Arc::new(move || now.fetch_add(1, Ordering::SeqCst))
}

fn credentials(scheme: Scheme) -> Credentials {
    Credentials::new("k1", Secret::new("s1"), scheme, ticking()).unwrap()
}

fn client(server: &Scripted, scheme: Scheme) -> Client {
    let options =
        Options { credentials: Some(credentials(scheme)), backoff: Duration::from_millis(1), ..Options::default() };
    Client::new(base_url(&server.address).unwrap(), options).unwrap()
}

/// A request as it came.
struct Seen<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    head: &'a str,
    body: &'a str,
}

impl<'a> Seen<'a> {
    fn new(request: &'a str) -> Self {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, path, query, head, body }
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.head.lines().find_map(|line| line.split_once(": ").filter(|(n, _)| *n == name)).map(|(_, value)| value)
    }

    /// Is it signed so that a server takes it?
    fn assert_v2(&self) {
        let nonce = self.header("x-request-nonce").unwrap();
        assert!(is_nonce(nonce), "{nonce}");
        let signed = V2 {
            app_key: self.header("x-app-key").unwrap(),
            method: self.method,
            path: self.path,
            query: self.query,
            timestamp: self.header("x-request-time").unwrap(),
            nonce,
            body: self.body.as_bytes(),
        };
        assert!(signed.verify(&Secret::new("s1"), self.header("x-request-signature").unwrap()), "{}", self.head);
    }
}

fn odd() -> PusherId {
    PusherId::parse("a/b ✓").unwrap()
}

#[tokio::test]
async fn v2_signs_what_is_sent() {
    let server = Scripted::start(&[OK, OK, LIST]).await;
    let client = client(&server, Scheme::V2);
    let fields = ContactFields { email: Some("a&b=c+d ✓".into()), ..ContactFields::default() };
    client.update(&odd(), &fields).await.unwrap();
    client.delete(&odd()).await.unwrap();
    client.list(0, 1).await.unwrap();
    let requests = server.requests();
    for request in &requests {
        Seen::new(request).assert_v2();
    }
    assert_eq!(Seen::new(&requests[0]).path, "/pusher/pushers/a%2Fb%20%E2%9C%93/");
    assert_eq!((Seen::new(&requests[2]).query, Seen::new(&requests[2]).body), ("size=1&from=0", ""));
}

#[tokio::test]
async fn v1_signs_the_parameters_and_the_decoded_path() {
    let server = Scripted::start(&[OK, LIST]).await;
    let client = client(&server, Scheme::V1);
    let fields = ContactFields { email: Some("a&b=c+d ✓".into()), ..ContactFields::default() };
    client.update(&odd(), &fields).await.unwrap();
    client.search("tags:vip +x", 0, 1).await.unwrap();
    let requests = server.requests();
    for (request, path, params) in [
        (&requests[0], "/pusher/pushers/a/b ✓/", &[("email", "a&b=c+d ✓")][..]),
        (&requests[1], "/pusher/search/", &[("q", "tags:vip +x"), ("from", "0"), ("size", "1")]),
    ] {
        let seen = Seen::new(request);
        let timestamp = seen.header("x-request-time").unwrap();
        let signed = V1 { app_key: "k1", path, timestamp, params };
        assert_eq!(seen.header("x-request-signature"), Some(signed.sign(&Secret::new("s1")).as_str()));
        assert_eq!((seen.header("x-app-key"), seen.header("x-request-nonce")), (Some("k1"), None));
    }
}

#[tokio::test]
async fn every_try_has_its_own_time_and_nonce() {
    let server = Scripted::start(&[BUSY, BUSY, OK]).await;
    client(&server, Scheme::V2).delete(&odd()).await.unwrap();
    let requests = server.requests();
    let seen: Vec<_> = requests.iter().map(|request| Seen::new(request)).collect();
    seen.iter().for_each(Seen::assert_v2);
    let times: Vec<_> = seen.iter().map(|seen| seen.header("x-request-time").unwrap()).collect();
    assert_eq!(times, ["1700000000", "1700000001", "1700000002"]);
    let nonces: std::collections::HashSet<_> = seen.iter().map(|seen| seen.header("x-request-nonce")).collect();
    assert_eq!(nonces.len(), 3);
}

#[tokio::test]
async fn what_v1_cannot_sign_is_not_sent() {
    let server = Scripted::start(&[OK]).await;
    let mut batch = Batch::new();
    batch.add_line("{}").unwrap();
    let error = client(&server, Scheme::V1).bulk(batch).await.unwrap_err();
    assert!(matches!(&error, ClientError::Signing(said) if said.contains("v2")), "{error:?}");
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn without_credentials_nothing_is_signed() {
    let server = Scripted::start(&[OK]).await;
    let client = Client::new(base_url(&server.address).unwrap(), Options::default()).unwrap();
    client.delete(&odd()).await.unwrap();
    assert!(!server.requests()[0].contains("x-app-key"), "{:?}", server.requests());
}

#[test]
fn a_key_that_no_header_can_hold_and_an_empty_secret_are_refused() {
    for (key, secret) in [("", "s"), ("k", ""), ("k\n", "s")] {
        let error = Credentials::new(key, Secret::new(secret), Scheme::V2, ticking()).unwrap_err();
        assert!(matches!(error, ClientError::Signing(_)), "{error:?}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let credentials = Credentials::new("shop", Secret::new("geheim"), Scheme::V2, ticking()).unwrap();
    let options = Options { credentials: Some(credentials), ..Options::default() };
    let client = Client::new(base_url("localhost:1").unwrap(), options.clone()).unwrap();
    let shown = format!("{options:?} {client:?}");
    assert!(shown.contains("shop") && !shown.contains("geheim"), "{shown}");
}
