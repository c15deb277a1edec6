//! A worker that says what it is given in capitals, one job of a name at a time.
//!
//! ```sh
//! pusher periodicd --memory &
//! cargo run -p periodic --example worker -- unix:///tmp/periodic.sock shout
//! ```
//!
//! For a server behind TLS with a certificate of your own authority, give its file as the third word.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{Answer, ClientTls, Connect, Dialer, Endpoint, Handler, Job, Work, Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;

struct Shout;

#[async_trait]
impl Handler for Shout {
    async fn run(&self, job: Job, work: Work) -> Answer {
        // Two jobs of all the workers may shout at once; others wait in the server, and nothing is kept here.
        if let Err(answer) = work.acquire("shout", 2).await {
            return answer;
        }
        let text = String::from_utf8_lossy(&job.workload).into_owned();
        for word in text.split_whitespace() {
            // For those who listen; that the connection broke is no reason not to answer.
            if let Err(error) = work.send_data(word.to_uppercase()).await {
                eprintln!("nobody was told: {error}");
            }
        }
        Answer::Done(Bytes::from(text.to_uppercase()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let endpoint: Endpoint = words.next().ok_or("give the server's address, as tcp://localhost:5000")?.parse()?;
    let func = words.next().ok_or("give the func")?;
    let connect: Arc<dyn Connect> = match words.next() {
        Some(ca) => Arc::new(Dialer::new(endpoint, ClientTls::from_files(Some(Path::new(&ca)), None)?)),
        None => Arc::new(endpoint),
    };
    let options = WorkerOptions { grabs: 4, ..WorkerOptions::default() };
    let worker = Worker::new(connect, options, vec![Bytes::from(func)], Arc::new(Shout));

    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    tokio::signal::ctrl_c().await?;
    // Takes no more jobs, ends those it has, and tells the server.
    stop.cancel();
    working.await?;
    Ok(())
}
