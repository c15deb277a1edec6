//! Providers that mean harm: whatever they answer, and however slowly, the send ends within its limits, the sender is
//! told why, and the connection is closed.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::common::Server;
use crate::scene::{PATIENT, Scene};

/// How long a send may take here: requests end a tenth of it earlier.
const TIME: &str = "[limits]\ncpu = \"5s\"\ntime = \"1s\"\n";

/// A provider that answers every connection with `first`, then with `again` for ever, waiting `pause` between.
struct Provider {
    origin: String,
    /// One for each connection that the client has closed.
    closed: mpsc::UnboundedReceiver<()>,
}

impl Provider {
    async fn start(first: &'static str, again: &str, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (tell, closed) = mpsc::unbounded_channel();
        let again = again.to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tell, again) = (tell.clone(), again.clone());
                tokio::spawn(async move {
                    trickle(stream, first, &again, pause).await;
                    let _ = tell.send(());
                });
            }
        });
        Self { origin, closed }
    }

    async fn scene(&self, limits: &str) -> Scene {
        Scene::faulty(&format!("{limits}[http]\nallow = [\"{}\"]\nprivate = true\n", self.origin)).await
    }

    /// Asks once; what the sender says, once the connection is closed as well.
    async fn ask(mut self) -> String {
        let scene = self.scene(TIME).await;
        let start = Instant::now();
        let said = scene.ask(&format!("fetch:{}/", self.origin)).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        tokio::time::timeout(Duration::from_secs(5), self.closed.recv()).await.expect("the connection is closed");
        said
    }
}

/// Until the other side is gone.
async fn trickle(mut stream: TcpStream, first: &str, again: &str, pause: Duration) {
    let mut request = [0; 4096];
    if stream.read(&mut request).await.unwrap_or(0) == 0 || stream.write_all(first.as_bytes()).await.is_err() {
        return;
    }
    while !again.is_empty() && stream.write_all(again.as_bytes()).await.is_ok() {
        tokio::time::sleep(pause).await;
    }
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
}

const SLOW: Duration = Duration::from_millis(5);
const FAST: Duration = Duration::ZERO;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes_to_an_end_is_a_timeout() {
    for (first, again) in [
        ("", ""),
        ("HTTP/1.1 200 OK\r\nx: ", "a"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n", "a"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\na\r\n"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", "a"),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
    ] {
        let said = Provider::start(first, again, SLOW).await.ask().await;
        assert_eq!(said, "Error::Timeout", "{first:?} {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_interim_answers_ends_in_time() {
    let again = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
    assert_eq!(Provider::start("", &again, FAST).await.ask().await, "Error::Timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_headers_or_of_body_is_cut() {
    let line = format!("x-more: {}\r\n", "v".repeat(1000)).repeat(100);
    let long = "v".repeat(100_000);
    for (first, again) in [("HTTP/1.1 200 OK\r\n", &line), ("HTTP/1.1 200 OK\r\nx: ", &long), ("", &long)] {
        let said = Provider::start(first, again, FAST).await.ask().await;
        assert!(said.starts_with("Error::Other("), "{first:?}: {said}");
    }
    let chunk = format!("2710\r\n{}\r\n", "v".repeat(10_000));
    for (first, again) in
        [("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", &chunk), ("HTTP/1.1 200 OK\r\n\r\n", &long)]
    {
        let said = Provider::start(first, again, FAST).await.ask().await;
        assert_eq!(said, "Error::TooLarge(\"the response is larger than 262144 bytes\")", "{first:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_absurd_is_refused_before_anything_is_read() {
    for first in [
        "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ] {
        let said = Provider::start(first, "", FAST).await.ask().await;
        assert!(
            said.starts_with("Error::TooLarge(") || said.starts_with("Error::Other(") || said == "Error::Timeout",
            "{first:?}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compression_is_neither_asked_for_nor_undone() {
    // Whatever the body would unpack to, it is handed over as it came, and its length is what counts.
    let server = Server::start("").await;
    let scene = Scene::faulty(&format!("{PATIENT}[http]\nallow = [\"{}\"]\nprivate = true\n", server.origin)).await;
    for coding in ["gzip", "br", "zstd", "deflate", "gzip, gzip, gzip"] {
        server.answer(format!("200 OK\r\ncontent-encoding: {coding}\r\n\r\n{}", "\u{1f}".repeat(100_000)));
        let said = scene.ask(&format!("inspect:{}/", server.origin)).await;
        assert_eq!(said, format!("(200, [Some(\"{coding}\"), None, None], 100000)"));
        server.answer(format!("200 OK\r\ncontent-encoding: {coding}\r\n\r\n{}", "\u{1f}".repeat(300_000)));
        let said = scene.ask(&format!("inspect:{}/", server.origin)).await;
        assert!(said.starts_with("Error::TooLarge("), "{said}");
    }
    assert!(server.asked.lock().unwrap().iter().all(|asked| !asked.head.contains("accept-encoding")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_request_that_was_not_made_is_nobodys() {
    let first = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    let provider = Provider::start(first, "", FAST).await;
    let scene = provider.scene(PATIENT).await;
    for _ in 0..3 {
        assert_eq!(scene.ask(&format!("fetch:{}/", provider.origin)).await, "(200, \"ok\")");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_nobody_asked_for_leads_nowhere() {
    let said =
        Provider::start("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nmore", "", FAST)
            .await
            .ask()
            .await;
    assert!(said.starts_with("Error::Other(") || said == "(101, \"\")", "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_at_its_own_timeout_if_that_is_earlier() {
    let provider = Provider::start("", "", SLOW).await;
    let scene = provider.scene(PATIENT).await;
    let start = Instant::now();
    assert_eq!(scene.ask(&format!("patience:50 {}/", provider.origin)).await, "Error::Timeout");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
