//! HTTP servers on 127.0.0.1 that do as they are told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// What a server was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Request line and headers, lower case.
    pub head: String,
    /// The same as they were sent.
    pub sent: String,
    pub body: String,
}

/// A server on 127.0.0.1 that gives every request the answer it is told.
pub struct Server {
    pub origin: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// `answer`: everything from the status on, as in `"202 Accepted\r\n\r\n"`, with further headers before the empty
    /// line. The connection is closed after it.
    pub async fn start(answer: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let answers = Arc::new(Mutex::new(VecDeque::from([answer.into()])));
        let server = Self { origin, asked: Arc::clone(&asked), answers: Arc::clone(&answers) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                tokio::spawn(async move { serve(stream, &answers, &asked).await });
            }
        });
        server
    }

    /// Gives another answer from now on.
    pub fn answer(&self, answer: impl Into<String>) {
        *self.answers.lock().unwrap() = VecDeque::from([answer.into()]);
    }

    /// Gives these answers in turn from now on, and the last one again and again.
    pub fn answer_in_turn(&self, answers: &[&str]) {
        *self.answers.lock().unwrap() = answers.iter().map(|answer| (*answer).to_owned()).collect();
    }

    pub fn only_request(&self) -> Asked {
        let asked = self.asked.lock().unwrap();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].clone()
    }
}

async fn serve(mut stream: TcpStream, answers: &Mutex<VecDeque<String>>, asked: &Mutex<Vec<Asked>>) {
    let mut bytes = Vec::new();
    let head_end = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let sent = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let head = sent.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let body = String::from_utf8_lossy(&bytes[head_end..]).into_owned();
    asked.lock().unwrap().push(Asked { head, sent, body });
    let answer = next(answers);
    // An error here is the client's choice not to read on.
    let _ = stream
        .write_all(format!("HTTP/1.1 {}", answer.replacen("\r\n", "\r\nconnection: close\r\n", 1)).as_bytes())
        .await;
}

/// The answer whose turn it is.
fn next(answers: &Mutex<VecDeque<String>>) -> String {
    let mut answers = answers.lock().unwrap();
    if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
}

/// A server that answers a request when it is told to, and not before.
pub struct Hesitant {
    pub origin: String,
    /// One permit for each answer to give.
    pub answers: Arc<Semaphore>,
    /// Requests that wait for an answer.
    pub open: Arc<AtomicUsize>,
    pub most_open: Arc<AtomicUsize>,
    pub answered: Arc<AtomicUsize>,
}

impl Hesitant {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let [open, most_open, answered] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let server = Self { origin, answers: Arc::new(Semaphore::new(0)), open, most_open, answered };
        let Self { answers, open, most_open, answered, .. } = &server;
        let (answers, open) = (Arc::clone(answers), Arc::clone(open));
        let (most_open, answered) = (Arc::clone(most_open), Arc::clone(answered));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answers, open) = (Arc::clone(&answers), Arc::clone(&open));
                let (most_open, answered) = (Arc::clone(&most_open), Arc::clone(&answered));
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    if !stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        return;
                    }
                    most_open.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
                    tokio::select! {
                        permit = answers.acquire() => {
                            permit.unwrap().forget();
                            open.fetch_sub(1, SeqCst);
                            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                            let _ = stream.write_all(answer).await;
                            answered.fetch_add(1, SeqCst);
                        }
                        // The client has gone.
                        _ = stream.read(&mut request) => {
                            open.fetch_sub(1, SeqCst);
                        }
                    }
                });
            }
        });
        server
    }
}
