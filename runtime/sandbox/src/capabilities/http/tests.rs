//! The capability over a resolver that is played: names that lead to this machine, names that change, names that take
//! for ever.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::bindings::http::Host as _;
use crate::egress::Lookup;
use crate::manifest::Origin;
use crate::transport::Network;

const SECOND: Duration = Duration::from_secs(1);

/// One sender that may send requests to `origin`.
fn sender(transport: &Arc<dyn Transport>, origin: &str, private: bool) -> Host {
    let allow = vec![Origin::try_from(origin.to_owned()).unwrap()];
    let mut manifest = Manifest::default();
    (manifest.http.allow, manifest.http.private) = (allow, private);
    let grant = configure(transport, &manifest, Path::new(""), &|_| None).unwrap();
    prepare(&grant, Instant::now() + 100 * SECOND, &Arc::default())
}

fn request(url: &str) -> http::Request {
    http::Request { method: "GET".into(), url: url.into(), headers: vec![], body: vec![], timeout: None }
}

fn clients(lookup: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Arc<dyn Transport> {
    let lookup: Arc<Lookup> = Arc::new(move |name| Ok(lookup(name)));
    Arc::new(Network::with_lookup(100 * SECOND, &lookup).unwrap())
}

/// A server that keeps its connections. Its port, and how many connections and requests it has had.
async fn server() -> (u16, Arc<[AtomicUsize; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let seen = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            seen[0].fetch_add(1, Relaxed);
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    seen[1].fetch_add(1, Relaxed);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                }
            });
        }
    });
    (port, counts)
}

fn seen(counts: &[AtomicUsize; 2]) -> [usize; 2] {
    [0, 1].map(|at| counts[at].load(Relaxed))
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_denied_and_counted() {
    let (port, counts) = server().await;
    for ip in [
        "127.0.0.1",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "0.0.0.0",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fe80::1",
        "ff02::1",
    ] {
        let clients = clients(move |_| vec![ip.parse().unwrap()]);
        let origin = format!("http://api.example.com:{port}");
        let mut sender = sender(&clients, &origin, false);
        for times in 1..=2 {
            let answer = sender.send(request(&origin)).await;
            assert!(
                matches!(&answer, Err(Error::Denied(why)) if why.contains("[http] private = true")),
                "{ip}: {answer:?}"
            );
            assert_eq!(sender.gate.denials.http.load(Relaxed), times);
        }
    }
    assert_eq!(seen(&counts), [0, 0]);
}

#[tokio::test]
async fn a_connection_that_one_sender_may_use_is_not_there_for_another() {
    let (port, counts) = server().await;
    let clients = clients(|_| vec!["127.0.0.1".parse().unwrap()]);
    let origin = format!("http://api.example.com:{port}");
    let mut trusted = sender(&clients, &origin, true);
    let mut stranger = sender(&clients, &origin, false);
    for _ in 0..3 {
        assert!(trusted.send(request(&origin)).await.is_ok());
        assert!(matches!(stranger.send(request(&origin)).await, Err(Error::Denied(_))));
    }
    assert_eq!(seen(&counts), [1, 3]);
}

#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_judged() {
    // The name is looked up once for a connection, and not again between the judgement and the use.
    let (port, counts) = server().await;
    let lookups = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&lookups);
    let clients = clients(move |_| {
        // Anything but the first answer leads nowhere: 100::1 is in the discard prefix.
        vec![if asked.fetch_add(1, Relaxed) == 0 { "127.0.0.1" } else { "100::1" }.parse().unwrap()]
    });
    let origin = format!("http://api.example.com:{port}");
    let mut sender = sender(&clients, &origin, true);
    for _ in 0..2 {
        assert!(sender.send(request(&origin)).await.is_ok());
    }
    assert_eq!((seen(&counts), lookups.load(Relaxed)), ([1, 2], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_take_for_ever_hold_up_nobody_else() {
    let (port, counts) = server().await;
    let under_way = Arc::new(AtomicUsize::new(0));
    let slow = Arc::clone(&under_way);
    let (end, ended) = mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let clients = clients(move |name| {
        if name.ends_with(".slow.example") {
            slow.fetch_add(1, Relaxed);
            // Until the test lets go of the other end.
            let _ = ended.lock().unwrap().recv();
        }
        vec!["127.0.0.1".parse().unwrap()]
    });
    let mut hostile = sender(&clients, "http://*.slow.example", true);
    for n in 0..40 {
        let request = http::Request { timeout: Some(10), ..request(&format!("http://n{n}.slow.example/")) };
        assert!(matches!(hostile.send(request).await, Err(Error::Timeout)), "{n}");
    }
    assert_eq!(under_way.load(Relaxed), crate::limits::MAX_LOOKUPS);
    let origin = format!("http://api.example.com:{port}");
    assert!(sender(&clients, &origin, true).send(request(&origin)).await.is_ok());
    assert_eq!(seen(&counts), [1, 1]);
    drop(end);
}
