//! `pushers`: creating recipients, every answer after a durable commit, and reading them. Baseline: a bare axum route
//! for the same request.

use std::io;

use super::beside::{self, Case, Measured};
use super::load::BareRoute;
use super::{Figure, RECIPIENTS, recipients};
use crate::process::Pusher;

const CONNECTIONS: usize = 256;

/// Makes the nth request of a case.
type MakeRequest = fn(u64) -> Vec<u8>;

/// Runs the benchmark.
///
/// # Errors
/// If a process or a request fails.
pub async fn run() -> io::Result<Vec<Figure>> {
    let dir = tempfile::tempdir()?;
    let server = Pusher::serve(dir.path(), &[]).await;
    recipients(&server.api).await;
    let address = server.api.trim_start_matches("http://").parse().map_err(io::Error::other)?;
    let bare = BareRoute::start().await?;
    let mut figures = Vec::new();
    let cases: [(&str, &str, MakeRequest); 2] =
        [("create-256", "creates/s", create_request), ("get-256", "gets/s", get_request)];
    for (case, unit, request) in cases {
        let measured = Case { address, connections: CONNECTIONS, request };
        let Measured { value, baseline, .. } = beside::measure(measured, &bare, 0).await?;
        figures.push(Figure { bench: "pushers", case: case.into(), value, unit, baseline, beside: "bare axum route" });
    }
    server.stop().await;
    Ok(figures)
}

/// Creates a recipient that was not there.
fn create_request(n: u64) -> Vec<u8> {
    let body = format!(
        "pusher=new-{n}&email=user{n}%40example.com&nickname=User+{n}&phoneNumber=%2B49{n:010}&createdAt={}",
        1_600_000_000 + n
    );
    format!(
        "POST /pusher/pushers/ HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads one of the recipients.
fn get_request(n: u64) -> Vec<u8> {
    format!("GET /pusher/pushers/p{}/ HTTP/1.1\r\nhost: localhost\r\n\r\n", n % RECIPIENTS).into_bytes()
}
