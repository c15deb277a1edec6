//! HTTP by hand: a client that a test can stop in the middle of a request.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::PATIENCE;

/// A connection on which bytes are sent as they are.
pub(crate) struct Connection(TcpStream);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Connection {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    pub(crate) async fn send(&mut self, bytes: &str) -> io::Result<()> {
        self.0.write_all(bytes.as_bytes()).await
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        timeout(PATIENCE, self.read_answer()).await.unwrap()
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        answer.body = String::from_utf8(body).unwrap();
        Ok(answer)
    }

    /// Waits until the server closes the connection; what it sent until then.
    pub(crate) async fn closed(&mut self) -> String {
        let mut rest = Vec::new();
        // Whether it is closed with something unread makes no difference here.
        drop(timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.unwrap());
        String::from_utf8(rest).unwrap()
    }

    pub(crate) async fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await?;
        self.answer().await
    }

    pub(crate) async fn delete(&mut self, target: &str) -> io::Result<Answer> {
        self.send(&format!("DELETE {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await?;
        self.answer().await
    }

    pub(crate) async fn post(&mut self, target: &str, form: &str) -> io::Result<Answer> {
        self.send(&format!("{}{form}", post_head(target, form.len()))).await?;
        self.answer().await
    }

    /// Sends the head of a POST and waits until the server asks for the body: then the request is being served.
    pub(crate) async fn begin_post(&mut self, target: &str, length: usize) {
        let head = post_head(target, length).replace("Host:", "Expect: 100-continue\r\nHost:");
        self.send(&head).await.unwrap();
        assert_eq!(self.answer().await.unwrap().status, 100);
    }
}

fn post_head(target: &str, length: usize) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}
