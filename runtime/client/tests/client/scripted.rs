//! A server that answers what it is told to and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const OK: &str = "200 {\"result\":\"OK\"}";
pub(crate) const ACCEPTED: &str = "200 {\"name\":\"x_1\",\"result\":\"OK\"}";
pub(crate) const LIST: &str = "200 {\"from\":0,\"pushers\":null,\"size\":1,\"total\":0}";
pub(crate) const BUSY: &str = "503 {\"err\":\"busy\"}";

/// Where the server is, and what it was asked.
pub(crate) struct Scripted {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// Gives each request the next of `answers` (the last for ever): a status, or a status and header lines, and behind a
    /// blank a body. An empty answer closes the connection without a word.
    pub(crate) async fn start(answers: &[&str]) -> Self {
        let answers: Vec<String> = answers.iter().map(|answer| written(answer)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = read(&mut socket).await;
                let answer = {
                    let mut asked = asked.lock().unwrap();
                    asked.push(request);
                    &answers[(asked.len() - 1).min(answers.len() - 1)]
                };
                _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, requests }
    }

    /// The requests so far, as they came.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests there were.
    pub(crate) fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// An answer as it goes over the wire.
fn written(answer: &str) -> String {
    let Some((head, body)) = answer.split_once(' ') else { return String::new() };
    let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let length = body.len();
    format!("HTTP/1.1 {status} Word\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// One request: its head, and as much of a body as the head says.
async fn read(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return text;
            }
        }
        match socket.read(&mut chunk).await {
            Ok(read @ 1..) => request.extend_from_slice(&chunk[..read]),
            _ => return text,
        }
    }
}
