//! A sender in Rust instead of a component, and a worker that runs it: it takes the jobs of any Periodic server and
//! delivers by printing.
//!
//! `pusher serve`, then `cargo run -p pusher --example native_sender -- unix:///tmp/periodic.sock localhost:6000 reports`,
//! then switch the channel on for somebody and push over it:
//! `curl localhost:6000/pusher/print/add -d pusher=lupino; curl localhost:6000/pusher/print/push -d pusher=lupino -d data=hi`

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use pusher::adapters::ApiReports;
use pusher::client::{Client, Options, base_url};
use pusher::core::{Failure, Message, Outcome, SendError, Sender, SenderName};
use pusher::periodic::Endpoint;
use pusher::worker::{Channel, Spool, SpoolOptions, Worker, WorkerOptions};

/// Prints messages.
struct Print(SenderName);

#[async_trait]
impl Sender for Print {
    fn name(&self) -> &SenderName {
        &self.0
    }

    async fn send(&self, message: Message) -> Result<Outcome, SendError> {
        if message.data.contains('\n') {
            // Nothing will make it better: it becomes a dead letter at once.
            return Err(Failure::Permanent("a message is one line".into()).into());
        }
        println!("to {}: {}", message.pusher, message.data);
        Ok(Outcome::Done)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [url, api, dir] = &args[..] else {
        return Err("name the Periodic server, the API server, and a directory for reports".into());
    };
    let endpoint: Arc<Endpoint> = Arc::new(url.parse()?);
    // What becomes of messages is told to the API server; while it is away, reports wait in the directory.
    let client = Client::new(base_url(api)?, Options::default())?;
    let reports = Arc::new(Spool::open(SpoolOptions::new(dir), Arc::new(ApiReports(client)))?);
    let channel = Channel::new(Arc::new(Print(SenderName::parse("print")?)));
    let worker = Worker::new(endpoint, reports, WorkerOptions::default()).channel(channel);
    println!("taking jobs from {url}");
    worker.run(pusher::shutdown::on_signal()?).await;
    Ok(())
}
