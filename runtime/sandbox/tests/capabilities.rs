//! A sender reaches what its manifest grants, and nothing else.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod common;

use common::{Captured, Directory, Server, message, send};
use pusher_core::Outcome;

fn allow(origin: &str, private: bool) -> String {
    format!("[http]\nallow = [\"{origin}\"]\nprivate = {private}\n[limits]\ncpu = \"5s\"\ntime = \"5s\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_origin_is_reached() {
    let server = Server::start("200 OK\r\nx-more: 1\r\n\r\nhello").await;
    let loaded = Directory::faulty(&allow(&server.origin, true)).load().await;
    assert_eq!(loaded.ask(&format!("fetch:{}/path?q", server.origin)).await, "(200, \"hello\")");
    assert!(server.only_request().head.starts_with("get /path?q http/1.1\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_origin_is_denied_with_the_key_that_would_grant_it() {
    // 100::1 is in the discard prefix (RFC 6666): nothing is there, and nothing is sent.
    let loaded = Directory::faulty(&allow("https://api.example.com", true)).load().await;
    for url in ["http://api.example.com/", "https://api.example.com:444/", "https://[100::1]/", "https://example.com/"]
    {
        let said = loaded.ask(&format!("fetch:{url}")).await;
        assert!(said.starts_with("Error::Denied(\"the manifest does not grant it: [http] allow = "), "{url}: {said}");
    }
    let loaded = Directory::faulty("").load().await;
    assert!(loaded.ask("fetch:https://example.com/").await.starts_with("Error::Denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_needs_its_own_grant() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let port = server.origin.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "localhost", "[100::1]"] {
        let origin = format!("http://{host}:{port}");
        let loaded = Directory::faulty(&allow(&origin, false)).load().await;
        let said = loaded.ask(&format!("fetch:{origin}/")).await;
        assert!(said.starts_with("Error::Denied") && said.contains("[http] private = true"), "{host}: {said}");
    }
    assert!(server.asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_handed_to_the_sender_and_not_followed() {
    let secret = Server::start("200 OK\r\n\r\nsecret").await;
    let server = Server::start(format!("302 Found\r\nlocation: {}\r\n\r\n", secret.origin)).await;
    let loaded = Directory::faulty(&allow(&server.origin, true)).load().await;
    assert_eq!(loaded.ask(&format!("fetch:{}/", server.origin)).await, "(302, \"\")");
    assert!(secret.asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_a_limit_in_both_directions() {
    let large = "x".repeat((256 << 10) + 1);
    for answer in [
        format!("200 OK\r\ncontent-length: {}\r\n\r\n{large}", large.len()),
        format!("200 OK\r\n\r\n{large}"),
        format!("200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len()),
    ] {
        let server = Server::start(answer).await;
        let loaded = Directory::faulty(&allow(&server.origin, true)).load().await;
        let said = loaded.ask(&format!("fetch:{}/", server.origin)).await;
        assert_eq!(said, "Error::TooLarge(\"the response is larger than 262144 bytes\")");
    }

    let server = Server::start("200 OK\r\n\r\n").await;
    let loaded = Directory::faulty(&allow(&server.origin, true)).load().await;
    assert_eq!(loaded.ask(&format!("post:1048576 {}/", server.origin)).await, "(200, \"\")");
    assert_eq!(server.only_request().body.len(), 1 << 20);
    let said = loaded.ask(&format!("post:1048577 {}/", server.origin)).await;
    assert_eq!(said, "Error::TooLarge(\"the request is larger than 1048576 bytes\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_none_is_invalid_and_nothing_is_sent() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let loaded = Directory::faulty(&allow(&server.origin, true)).load().await;
    for header in ["x=a\r\nb: c", "x y=z", "host=other", "content-length=0"] {
        let said = loaded.ask(&format!("header:{header} {}/", server.origin)).await;
        assert!(said.starts_with("Error::Invalid"), "{header:?}: {said}");
    }
    assert!(server.asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_a_timeout_that_the_sender_can_still_tell() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let manifest = allow(&origin, true).replace("time = \"5s\"", "time = \"600ms\"");
    let loaded = Directory::faulty(&manifest).load().await;
    assert_eq!(loaded.ask(&format!("fetch:{origin}/")).await, "Error::Timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_a_connect_error() {
    let origin = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let loaded = Directory::faulty(&allow(&origin, true)).load().await;
    let said = loaded.ask(&format!("fetch:{origin}/")).await;
    assert!(said.starts_with("Error::Connect(\"Connection refused"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn config_and_secrets_come_from_the_manifest_and_nowhere_else() {
    let manifest = "[config]\nplain = \"text\"\nfrom = { env = \"FROM\" }\nbase = { env = \"BASE\", default = \"d\" }\n\
                    [secrets]\nkey = { env = \"KEY\" }\nfile = { file = \"key.txt\" }\n";
    let loaded = Directory::faulty(manifest)
        .file("key.txt", "from file\n")
        .env("FROM", "me")
        .env("KEY", "s3cret")
        .env("OTHER", "hidden")
        .load()
        .await;
    for (key, value) in [
        ("plain", "text"),
        ("from", "me"),
        ("base", "d"),
        // The sender is told them; what it says of them is a failure's reason, which is kept, and they are taken out of that.
        ("key", "[redacted]"),
        ("file", "[redacted]"),
        ("OTHER", "none"),
        ("KEY", "none"),
    ] {
        assert_eq!(loaded.ask(&format!("config:{key}")).await, format!("{value:?}"), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_environment_and_no_file() {
    let loaded = Directory::faulty("").env("KEY", "s3cret").load().await;
    for name in ["KEY", "PATH", "HOME"] {
        assert_eq!(loaded.ask(&format!("env:{name}")).await, "\"none\"");
    }
    for path in ["/etc/passwd", "faulty.toml", "."] {
        assert!(loaded.ask(&format!("file:{path}")).await.starts_with("Err("), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_are_read_and_pushed_to_as_far_as_granted() {
    let all = "[pushers]\nread = true\npush = true\nfan-out = true";
    let loaded = Directory::faulty(all).recipient("ada", "ada@example.com").load().await;
    assert_eq!(loaded.ask("get:ada").await, "\"ada@example.com\"");
    assert_eq!(loaded.ask("get:nobody").await, "Error::NotFound");
    assert!(loaded.ask("get:").await.starts_with("Error::Refused"));
    assert_eq!(loaded.ask("get:unavailable").await, "Error::Unavailable(\"told to\")");
    assert!(loaded.ask("push:sample ada hello").await.starts_with("\"ada_"));
    assert_eq!(loaded.recipients.pushed.lock().unwrap()[0].data, "hello");
    assert_eq!(loaded.ask("push:sample nobody hello").await, "Error::Refused(\"no such recipient\")");
    assert_eq!(loaded.ask("search:a").await, "(1, [\"ada\"])");
    assert_eq!(loaded.ask("search:bob").await, "(0, [])");
    assert_eq!(loaded.ask("search:(").await, "Error::Refused(\"no query\")");
    assert_eq!(loaded.ask("fan-out").await, "10");

    let loaded = Directory::faulty("").recipient("ada", "ada@example.com").load().await;
    for (data, key) in
        [("get:ada", "read"), ("search:a", "read"), ("push:sample ada x", "push"), ("fan-out", "fan-out")]
    {
        let denied = format!("Error::Denied(\"the manifest does not grant it: [pushers] {key} = true\")");
        assert_eq!(loaded.ask(data).await, denied);
    }
}

#[tokio::test]
async fn output_becomes_log_lines_and_is_cut_without_a_trap() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let loaded = Directory::faulty("[limits]\nlog = \"1KiB\"\ncpu = \"5s\"").load().await;
    let faulty = loaded.sender("faulty");
    assert_eq!(send(&*faulty, "say:hello there").await, Ok(Outcome::Done));
    let text = log.take();
    for stream in ["stdout", "stderr"] {
        let line = text.lines().find(|line| line.contains(stream)).unwrap();
        assert!(line.contains("hello there") && line.contains("sender=faulty") && line.contains("job=ada_"), "{line}");
    }

    assert_eq!(send(&*faulty, "log:1000000").await, Ok(Outcome::Done));
    let text = log.take();
    assert_eq!(text.matches("xxx").count() / 33, 10, "{text}");
    assert_eq!(text.matches("the rest is dropped").count(), 1);
}

#[tokio::test]
async fn secrets_are_no_part_of_log_lines_also_where_a_long_line_is_divided() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let manifest = "[secrets]\nkey = { env = \"KEY\" }\n[limits]\ncpu = \"5s\"\nlog = \"1MiB\"";
    let loaded = Directory::faulty(manifest).env("KEY", "SECRETTOKEN0123456789abcdef").load().await;
    let faulty = loaded.sender("faulty");
    let said = "429: SECRETTOKEN0123456789abcdef is limited";
    assert_eq!(send(&*faulty, &format!("say:{said}")).await, Ok(Outcome::Done));
    let text = log.take();
    assert_eq!(text.matches("429: [redacted] is limited").count(), 2, "{text}");

    // Lines of more than 4 KiB are divided where the guest's writes are, which have 16 KiB at most.
    for before in [16384 - 20, 16384 - 10, 16384 - 6] {
        let long = format!("mutter:{}{said}", "x".repeat(before));
        assert_eq!(send(&*faulty, &long).await, Ok(Outcome::Done));
        let text = log.take();
        assert!(text.contains("xxx429:\"") && text.contains("line=\"[redacted] is limited\""), "{text}");
        for left in ["SECR", "TOKEN", "0123", "cdef"] {
            assert!(!text.contains(left), "{left}: {text}");
        }
    }
}

#[tokio::test]
async fn output_of_an_instance_that_sends_again_is_the_next_messages_and_has_its_own_limit() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let loaded = Directory::faulty("[limits]\nlog = \"1KiB\"\ncpu = \"5s\"\nreuse = 10").load().await;
    let faulty = loaded.sender("faulty");
    for (data, said) in [("mutter:half a line", "half a line"), ("say:two", "two"), ("say:three", "three")] {
        assert_eq!(send(&*faulty, data).await, Ok(Outcome::Done));
        let job = message(faulty.name(), "ada", data).id;
        let text = log.take();
        let line = text.lines().find(|line| line.contains("stderr")).unwrap();
        assert!(line.contains(&format!("job={job} ")) && line.contains(said), "{line}");
        assert!(!text.contains("half a line") || said == "half a line", "{text}");
    }
    for _ in 0..2 {
        assert_eq!(send(&*faulty, "log:1000000").await, Ok(Outcome::Done));
        let text = log.take();
        assert_eq!(text.matches("xxx").count() / 33, 10, "{text}");
        assert_eq!(text.matches("the rest is dropped").count(), 1);
    }
    assert_eq!(send(&*faulty, "tally").await, Ok(Outcome::Later(6)));
}
