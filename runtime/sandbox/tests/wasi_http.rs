//! `wasi:http/outgoing-handler` behind the gate of the http capability: what goes out, what does not, and what a guest can
//! take of the host by having much under way. The guest is `outgoing` (see its own table of words).

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod common;

use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use common::{Captured, Directory, Hesitant, Loaded, Server, send};
use pusher_core::{Fault, Outcome, SenderName};
use pusher_sandbox::{SandboxConfig, Served};
use tokio::net::TcpListener;

const LIMITS: &str = "[limits]\ncpu = \"5s\"\ntime = \"10s\"\n";

/// A sender that may send requests to `origin`.
async fn allowed(origin: &str) -> Loaded {
    load(&format!("[http]\nallow = [\"{origin}\"]\nprivate = true\n{LIMITS}")).await
}

async fn load(manifest: &str) -> Loaded {
    directory(manifest).load().await
}

fn directory(manifest: &str) -> Directory {
    // Compiling the guest for every test would be most of their time.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasi-http");
    Directory::outgoing(manifest).config(SandboxConfig { cache: Some(cache), ..SandboxConfig::default() })
}

/// How many requests were denied.
fn denied(loaded: &Loaded) -> u64 {
    loaded.sandbox.denials()[&SenderName::parse("faulty").unwrap()].http
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_out_and_its_answer_comes_back() {
    let server = Server::start("202 Accepted\r\nx-more: 1\r\n\r\nhello").await;
    let loaded = allowed(&server.origin).await;
    assert_eq!(loaded.ask(&format!("header:x-a=1 {}/path?q", server.origin)).await, "(202, \"hello\")");
    let sent = server.only_request().sent;
    assert!(sent.starts_with("GET /path?q HTTP/1.1\r\n") && sent.contains("\r\nx-a: 1\r\n"), "{sent}");
    assert_eq!(sent.matches("host: ").count(), 1, "{sent}");
    for (data, body) in [("post:100000", "x".repeat(100_000)), ("length:2", "xx".to_owned())] {
        server.asked.lock().unwrap().clear();
        assert_eq!(loaded.ask(&format!("{data} {}/", server.origin)).await, "(202, \"hello\")");
        let asked = server.only_request();
        assert_eq!(asked.body, body, "{data}");
        assert_eq!(asked.head.matches("content-length: ").count(), 1, "{}", asked.head);
    }
    // A redirect is the guest's to follow.
    server.answer("302 Found\r\nlocation: https://example.com/\r\n\r\n");
    assert_eq!(loaded.ask(&format!("fetch:{}/", server.origin)).await, "(302, \"\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_host_are_set_here_as_well() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let manifest = format!(
        "[http]\nallow = [\"{0}\"]\nprivate = true\n[http.headers.\"{0}\"]\n\
         authorization = {{ secret = \"key\", prefix = \"Bearer \" }}\n[secrets]\nkey = {{ env = \"KEY\" }}\n{LIMITS}",
        server.origin
    );
    let loaded = directory(&manifest).env("KEY", "s3cret").load().await;
    assert_eq!(loaded.ask(&format!("header:Authorization=mine {}/", server.origin)).await, "(200, \"\")");
    let sent = server.only_request().sent;
    assert!(sent.contains("authorization: Bearer s3cret\r\n") && !sent.contains("mine"), "{sent}");
    assert_eq!(loaded.ask("config:key").await, "none");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_counted_and_explained_in_the_log() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start("200 OK\r\n\r\n").await;
    let port = server.origin.rsplit(':').next().unwrap();
    let hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[100::1]"];
    let origins = hosts.map(|host| format!("\"http://{host}:{port}\"")).join(", ");
    let loaded = load(&format!("[http]\nallow = [{origins}]\n{LIMITS}")).await;

    for (nth, url) in ["https://example.com/", "http://127.0.0.1/", "http://127.0.0.2:1/"].iter().enumerate() {
        assert_eq!(loaded.ask(&format!("fetch:{url}")).await, "ErrorCode::HttpRequestDenied", "{url}");
        assert_eq!(denied(&loaded), nth as u64 + 1, "{url}");
    }
    let text = log.take();
    let line = text.lines().find(|line| line.contains("wasi:http: ")).unwrap();
    assert!(line.contains("does not grant it: [http] allow = [") && line.contains("https://example.com"), "{line}");
    assert!(line.contains("sender=faulty") && line.contains("stream=\"host\""), "{line}");

    for host in hosts.into_iter().chain(["2130706433", "0x7f.1"]) {
        let said = loaded.ask(&format!("fetch:http://{host}:{port}/")).await;
        assert_eq!(said, "ErrorCode::DestinationIpProhibited", "{host}");
        assert!(log.take().contains("[http] private = true"), "{host}");
    }
    assert_eq!(denied(&loaded), 10);
    assert!(server.asked.lock().unwrap().is_empty());

    // Who writes a body all the same can do so to the end, and is told then; who does not is told soon.
    for data in ["post:2000000 https://example.com/", "unfinished:https://example.com/"] {
        assert_eq!(loaded.ask(data).await, "ErrorCode::HttpRequestDenied", "{data}");
    }

    // Without any grant nothing at all is reached.
    let loaded = load(LIMITS).await;
    assert_eq!(loaded.ask(&format!("fetch:{}/", server.origin)).await, "ErrorCode::HttpRequestDenied");
    assert_eq!(denied(&loaded), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_none_or_not_finished_is_not_sent() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let loaded = allowed(&server.origin).await;
    let authority = server.origin.strip_prefix("http://").unwrap();
    for (data, error) in [
        ("header:Host=internal", "HeaderError::Forbidden"),
        ("header:transfer-encoding=chunked", "HeaderError::Forbidden"),
        ("header:TE=trailers", "HeaderError::Forbidden"),
        ("header:Expect=100-continue", "HeaderError::Forbidden"),
        ("header:proxy-authorization=Basic eA==", "HeaderError::Forbidden"),
        ("header:x=a\r\nb: c", "HeaderError::InvalidSyntax"),
        ("header:x y=z", "HeaderError::InvalidSyntax"),
        ("method:CONNECT", "ErrorCode::HttpRequestMethodInvalid"),
        ("method:connect", "ErrorCode::HttpRequestMethodInvalid"),
        ("method:GET / HTTP/1.1\r\nx: y\r\n\r\nGET", "the method is refused"),
        ("headers:101", "ErrorCode::HttpRequestHeaderSectionSize(Some(65536))"),
        // The body's length is not the declared one.
        ("length:3", "ErrorCode::HttpProtocolError"),
        ("length:+2", "HeaderError::InvalidSyntax"),
    ] {
        assert_eq!(loaded.ask(&format!("{data} {}/", server.origin)).await, error, "{data:?}");
    }
    for (data, error) in [
        ("given-up", "ErrorCode::HttpProtocolError"),
        ("trailers", "ErrorCode::HttpRequestTrailerSectionSize(Some(0))"),
    ] {
        assert_eq!(loaded.ask(&format!("{data}:{}/", server.origin)).await, error, "{data}");
    }
    let said = loaded.ask(&format!("length:1 {}/", server.origin)).await;
    assert!(said.starts_with("writing fails: StreamError::LastOperationFailed("), "{said}");
    let long = format!("fetch:{}/{}", server.origin, "u".repeat(9_000));
    assert_eq!(loaded.ask(&long).await, "ErrorCode::HttpRequestUriTooLong");
    for parts in [
        format!("user:pass@{authority} /"),
        format!("{authority}.example.com /"),
        format!("example.com\\@{authority} /"),
        format!("{authority} http://example.com/"),
        format!("{authority} @example.com/"),
        format!("{authority}/x /"),
        " /".to_owned(),
    ] {
        let said = loaded.ask(&format!("parts:{parts}")).await;
        let refused = ["ErrorCode::Http", "the authority is refused", "the path is refused"];
        assert!(refused.iter().any(|refused| said.starts_with(refused)), "{parts:?}: {said}");
    }
    assert_eq!(loaded.ask(&format!("fetch:file://{authority}/etc/passwd")).await, "ErrorCode::HttpProtocolError");
    assert!(server.asked.lock().unwrap().is_empty(), "{:?}", server.asked.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_headers_have_a_limit_in_both_directions() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let loaded = allowed(&server.origin).await;
    let said = loaded.ask(&format!("post:1048577 {}/", server.origin)).await;
    assert_eq!(said, "ErrorCode::HttpRequestBodySize(Some(1048576))");
    assert!(server.asked.lock().unwrap().is_empty());
    assert_eq!(loaded.ask(&format!("post:1048576 {}/", server.origin)).await, "(200, \"\")");

    let large = "x".repeat((256 << 10) + 1);
    server.answer(format!("200 OK\r\n\r\n{large}"));
    assert_eq!(loaded.ask(&format!("fetch:{}/", server.origin)).await, "ErrorCode::HttpResponseBodySize(Some(262144))");
    server.answer(format!("200 OK\r\nx: {}\r\n\r\n", &large[..40_000]));
    let said = loaded.ask(&format!("fetch:{}/", server.origin)).await;
    assert_eq!(said, "ErrorCode::HttpResponseHeaderSectionSize(Some(32768))");

    assert_eq!(send(&*loaded.sender("faulty"), "fields:32000").await, Ok(Outcome::Done));
    let Fault::Trap(reason) = loaded.fault("fields:40000").await else { panic!("not a trap") };
    assert!(reason.contains("total size of fields exceeds limit"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_waits_no_longer_than_it_says_nor_than_the_send_lasts() {
    let server = Hesitant::start().await;
    let manifest = format!("[http]\nallow = [\"{}\"]\nprivate = true\n{LIMITS}", server.origin);
    let loaded = load(&manifest.replace("10s", "1s")).await;
    // The sender still says it itself.
    for data in ["fetch:", "unfinished:", "patience:60000 "] {
        let said = loaded.ask(&format!("{data}{}/", server.origin)).await;
        assert_eq!(said, "ErrorCode::HttpResponseTimeout", "{data}");
    }
    let loaded = load(&manifest).await;
    let begun = Instant::now();
    let said = loaded.ask(&format!("patience:50 {}/", server.origin)).await;
    assert_eq!(said, "ErrorCode::HttpResponseTimeout");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    assert_eq!(allowed(&nobody).await.ask(&format!("fetch:{nobody}/")).await, "ErrorCode::ConnectionRefused");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_at_once_sixteen_are_on_their_way() {
    let server = Hesitant::start().await;
    let loaded = allowed(&server.origin).await;
    let (faulty, data) = (loaded.sender("faulty"), format!("many:100 {}/", server.origin));
    let sending = tokio::spawn(async move { send(&*faulty, &data).await });
    for answered in 0..100_usize {
        let open = (100 - answered).min(16);
        until(|| server.open.load(SeqCst) == open).await;
        server.answers.add_permits(1);
        until(|| server.answered.load(SeqCst) == answered + 1).await;
    }
    let said = sending.await.unwrap().unwrap_err().to_string();
    assert!(said.contains("{\"200\": 100}"), "{said}");
    assert_eq!(server.most_open.load(SeqCst), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_too_many_requests_is_ended_and_all_of_them_with_the_send() {
    let server = Hesitant::start().await;
    let loaded = allowed(&server.origin).await;
    let url = format!("{}/", server.origin);
    let too_many = "it held more than 1000 handles (streams, timers …) at once";
    assert_eq!(loaded.fault(&format!("many:1001 {url}")).await, Fault::Trap(too_many.into()));
    until(|| server.open.load(SeqCst) == 0).await;
    // Who drops what was begun has it ended at once, and may begin as many as there is time for.
    assert_eq!(send(&*loaded.sender("faulty"), &format!("drop:3000 {url}")).await, Ok(Outcome::Done));
    until(|| server.open.load(SeqCst) == 0).await;
    // What is left under way ends with the send.
    for _ in 0..20 {
        assert_eq!(send(&*loaded.sender("faulty"), &format!("leave:{url}")).await, Ok(Outcome::Done));
    }
    until(|| server.open.load(SeqCst) == 0).await;
    assert_eq!(server.answered.load(SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_under_way_ends_with_the_send_also_where_instances_are_used_again() {
    let (hesitant, server) = (Hesitant::start().await, Server::start("200 OK\r\n\r\nhello").await);
    let loaded = load(&format!(
        "[http]\nallow = [{:?}, {:?}]\nprivate = true\n[limits]\ncpu = \"5s\"\ntime = \"60s\"\nreuse = 30",
        hesitant.origin, server.origin
    ))
    .await;
    let sender = loaded.sender("faulty");
    for _ in 0..3 {
        assert_eq!(send(&*sender, &format!("leave:{}/", hesitant.origin)).await, Ok(Outcome::Done));
    }
    until(|| hesitant.open.load(SeqCst) == 0).await;
    assert_eq!((hesitant.answered.load(SeqCst), loaded.sandbox.pool_use().idle), (0, 0));
    // Who waits for its answers is used again.
    assert_eq!(send(&*sender, &format!("follow:{}/", server.origin)).await, Ok(Outcome::Done));
    until(|| loaded.sandbox.pool_use().idle == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_keeps_for_a_guest_is_bounded() {
    let server = Server::start(format!("200 OK\r\n\r\n{}", "x".repeat(256 << 10))).await;
    let loaded = allowed(&server.origin).await;
    // 8 MiB of responses that nobody reads.
    assert_eq!(
        loaded.ask(&format!("keep:40 {}/", server.origin)).await,
        "{\"200\": 32, \"ErrorCode::HttpResponseBodySize(None)\": 8}"
    );
    // Those that were not kept count no more.
    for _ in 0..2 {
        let said = loaded.ask(&format!("many:40 {}/", server.origin)).await;
        assert!(said.starts_with("{\"200\": "), "{said}");
    }
    // Two pieces of 16 KiB for each body.
    assert_eq!(loaded.ask("bodies:100").await, (100 * (32 << 10)).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_is_told_what_grants_it() {
    let grant = format!("[http]\nallow = [\"https://a.example\"]\n{LIMITS}");
    for (manifest, granted) in [(grant.as_str(), true), (LIMITS, false)] {
        let found = directory(manifest).inspect("faulty.toml").await.remove(0);
        assert!(found.would_load() && found.warnings.is_empty(), "{found:?}");
        for interface in ["wasi:http/types@", "wasi:http/outgoing-handler@"] {
            let imports = &found.binary.as_ref().unwrap().imports;
            let import = imports.iter().find(|import| import.name.starts_with(interface)).unwrap();
            assert_eq!(import.served, Served::Granted { key: "[http] allow", granted }, "{interface}");
        }
    }
}

/// Until it is so.
async fn until(condition: impl Fn() -> bool) {
    let until = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until).await.expect("it comes to that");
}
