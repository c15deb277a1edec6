//! One worker with senders of both kinds: the components in a directory, which it keeps up with while it works, and one in
//! Rust.
//!
//! `pusher serve`, then
//! `cargo run -p pusher --example both_kinds -- unix:///tmp/periodic.sock http://localhost:6000 target/senders`. Push on
//! the channel `print` and on those of the components; put another manifest into the directory meanwhile.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use pusher::adapters::{DeadLetters, RemoteQueue};
use pusher::client::{self, base_url};
use pusher::core::{Message, Outcome, Prefix, SendError, Sender, SenderName};
use pusher::periodic::{Client, ClientOptions, Endpoint};
use pusher::senders::{Senders, SendersConfig};
use pusher::worker::{Channel, Worker, WorkerOptions};

/// Prints messages.
struct Print(SenderName);

#[async_trait]
impl Sender for Print {
    fn name(&self) -> &SenderName {
        &self.0
    }

    async fn send(&self, message: Message) -> Result<Outcome, SendError> {
        println!("to {}: {}", message.pusher, message.data);
        Ok(Outcome::Done)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [periodic, api, dir] = &args[..] else {
        return Err("name the Periodic server, the API server, and DIR".into());
    };
    let stop = pusher::shutdown::on_signal()?;
    let endpoint: Arc<Endpoint> = Arc::new(periodic.parse()?);
    let queue = RemoteQueue(Client::new(endpoint.clone(), ClientOptions::default()));
    let letters = Arc::new(DeadLetters::new(Arc::new(queue), Prefix::default()));
    // What components ask about recipients, if their manifests grant it.
    let recipients = client::Client::new(base_url(api)?, client::Options::default())?;
    let components = Senders::load(SendersConfig::new(dir), Arc::new(recipients)).await?;

    let worker = Worker::new(endpoint, letters, WorkerOptions::default());
    let worker = worker.channel(Channel::new(Arc::new(Print(SenderName::parse("print")?))));
    let worker = components.add_to(worker, stop.clone());
    let names: Vec<_> = worker.names().map(SenderName::as_str).collect();
    println!("senders: {}", names.join(" "));
    worker.run(stop).await;
    Ok(())
}
