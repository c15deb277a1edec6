//! Requests that try to be more than one request, or another one than they seem.

use crate::common::Server;
use crate::scene::{PATIENT, Scene};

async fn scene(server: &Server) -> Scene {
    Scene::faulty(&format!("{PATIENT}[http]\nallow = [\"{}\"]\nprivate = true\n", server.origin)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_that_is_none_or_the_hosts_own_is_sent() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let scene = scene(&server).await;
    let long = "n".repeat(70_000);
    for header in [
        "x=a\r\nb: c",
        "x=a\nb: c",
        "x=a\rb: c",
        "x=\0",
        "x=\u{7f}",
        ":authority=internal",
        "x\r\ny=z",
        "x y=z",
        "x:y=z",
        "=z",
        "ü=z",
        &format!("{long}=z"),
        "Host=internal",
        "HOST=internal",
        "content-length=0",
        "Content-Length=999",
        "Transfer-Encoding=chunked",
        "transfer-encoding=\u{b}chunked",
        "Connection=close",
        "connection=upgrade",
        "Upgrade=h2c",
        "HTTP2-Settings=AAMAAABkAAQAAP__",
        "Keep-Alive=timeout=5",
        "Proxy-Connection=keep-alive",
        "Proxy-Authorization=Basic eA==",
        "TE=trailers",
        "Trailer=x",
        "Expect=100-continue",
    ] {
        let said = scene.ask(&format!("header:{header} {}/", server.origin)).await;
        assert!(said.starts_with("Error::Invalid("), "{header:?}: {said}");
        assert!(said.len() < 2000, "{header:?}");
    }
    assert!(server.asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_has_a_limit() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let scene = scene(&server).await;
    assert_eq!(scene.ask(&format!("headers:100 {}/", server.origin)).await, "(200, \"\")");
    server.asked.lock().unwrap().clear();
    for (data, limit) in [
        (format!("headers:101 {}/", server.origin), "more than 100 headers"),
        (format!("header:x={} {}/", "v".repeat(70_000), server.origin), "more than 65536 bytes of headers"),
        (format!("fetch:{}/{}", server.origin, "u".repeat(9_000)), "more than 8192 bytes"),
        (format!("method:{} {}/", "M".repeat(9_000), server.origin), "is not a method"),
    ] {
        let said = scene.ask(&data).await;
        assert!(said.starts_with("Error::Invalid(") && said.contains(limit), "{limit}: {said}");
    }
    assert!(server.asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_that_is_none_is_sent() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let scene = scene(&server).await;
    for method in ["", "GET ", "GET / HTTP/1.1\r\nx: y\r\n\r\nGET", "G\0T", "CONNECT", "connect", "GÉT", "GET\t"] {
        let said = scene.ask(&format!("method:{method} {}/", server.origin)).await;
        assert!(said.starts_with("Error::Invalid("), "{method:?}: {said}");
    }
    assert!(server.asked.lock().unwrap().is_empty());
    assert_eq!(scene.ask(&format!("method:PURGE {}/", server.origin)).await, "(200, \"\")");
    assert!(server.only_request().head.starts_with("purge / http/1.1\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_what_its_origin_says_and_holds_no_second_line() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let scene = scene(&server).await;
    let authority = server.origin.strip_prefix("http://").unwrap();
    for url in [
        format!("http://user:pass@{authority}/"),
        format!("http://user@{authority}/"),
        format!("file://{authority}/etc/passwd"),
        format!("ftp://{authority}/"),
        format!("//{authority}/"),
        "/".into(),
        String::new(),
        "http://".into(),
    ] {
        let said = scene.ask(&format!("fetch:{url}")).await;
        assert!(said.starts_with("Error::Invalid("), "{url:?}: {said}");
    }
    // Another host in the clothes of the one that is allowed.
    for url in [
        format!("http://{authority}.example.com/"),
        format!("http://example.com\\@{authority}/"),
        "http://[100::1]/".into(),
    ] {
        let said = scene.ask(&format!("fetch:{url}")).await;
        assert!(said.starts_with("Error::Denied(") || said.starts_with("Error::Invalid("), "{url:?}: {said}");
    }
    assert!(server.asked.lock().unwrap().is_empty());

    let url = format!("{}/a\r\nx-smuggled: 1\r\n\r\nGET\0 /b ?q=ü\u{1}#fragment", server.origin);
    assert_eq!(scene.ask(&format!("fetch:{url}")).await, "(200, \"\")");
    let sent = server.only_request().sent;
    assert!(sent.starts_with("GET /ax-smuggled:%201GET%00%20/b%20?q=%C3%BC%01 HTTP/1.1\r\n"), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_is_followed_and_no_cookie_kept() {
    let secret = Server::start("200 OK\r\n\r\nsecret").await;
    let server = Server::start("200 OK\r\n\r\n").await;
    let both = format!("allow = [\"{}\", \"{}\"]\nprivate = true\n", server.origin, secret.origin);
    let scene = Scene::faulty(&format!("{PATIENT}[http]\n{both}")).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        server.answer(format!("{status}\r\nlocation: {}\r\nset-cookie: a=b\r\nrefresh: 0\r\n\r\n", secret.origin));
        let said = scene.ask(&format!("fetch:{}/", server.origin)).await;
        assert_eq!(said, format!("({}, \"\")", &status[..3]));
    }
    assert!(secret.asked.lock().unwrap().is_empty());
    for asked in server.asked.lock().unwrap().iter() {
        assert!(!asked.head.contains("cookie") && !asked.head.contains("referer"), "{}", asked.head);
    }
}
