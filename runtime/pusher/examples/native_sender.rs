//! A sender in Rust instead of a component, and a worker that runs it: it takes the jobs of any Periodic server and
//! delivers by printing.
//!
//! `pusher serve`, then `cargo run -p pusher --example native_sender -- unix:///tmp/periodic.sock`, then switch the
//! channel on for somebody and push over it:
//! `curl localhost:6000/pusher/print/add -d pusher=lupino; curl localhost:6000/pusher/print/push -d pusher=lupino -d data=hi`

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use pusher::adapters::{DeadLetters, RemoteQueue};
use pusher::core::{Failure, Message, Outcome, Prefix, SendError, Sender, SenderName};
use pusher::periodic::{Client, ClientOptions, Endpoint};
use pusher::worker::{Channel, Worker, WorkerOptions};

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
    let url = std::env::args().nth(1).ok_or("name the Periodic server, as in unix:///tmp/periodic.sock")?;
    let endpoint: Arc<Endpoint> = Arc::new(url.parse()?);
    let queue = RemoteQueue(Client::new(endpoint.clone(), ClientOptions::default()));
    let letters = Arc::new(DeadLetters::new(Arc::new(queue), Prefix::default()));
    let channel = Channel::new(Arc::new(Print(SenderName::parse("print")?)));
    let worker = Worker::new(endpoint, letters, WorkerOptions::default()).channel(channel);
    println!("taking jobs from {url}");
    worker.run(pusher::shutdown::on_signal()?).await;
    Ok(())
}
