//! One worker with senders of both kinds: the components in a directory, which it keeps up with while it works, and one in
//! Rust.
//!
//! `pusher serve`, then
//! `cargo run -p pusher --example both_kinds -- unix:///tmp/periodic.sock http://localhost:6000 target/senders reports`. Push on
//! the channel `print` and on those of the components; put another manifest into the directory meanwhile.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use pusher::adapters::ApiReports;
use pusher::client::{self, base_url};
use pusher::core::{Message, Outcome, SendError, Sender, SenderName};
use pusher::periodic::Endpoint;
use pusher::senders::{Senders, SendersConfig};
use pusher::worker::{Channel, Spool, SpoolOptions, Worker, WorkerOptions};

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
    let [periodic, api, dir, reports] = &args[..] else {
        return Err("name the Periodic server, the API server, a directory of senders and one for reports".into());
    };
    let stop = pusher::shutdown::on_signal()?;
    let endpoint: Arc<Endpoint> = Arc::new(periodic.parse()?);
    // It answers what components ask about recipients, if their manifests grant it, and is told what became of messages.
    let server = client::Client::new(base_url(api)?, client::Options::default())?;
    let components = Senders::load(SendersConfig::new(dir), Arc::new(server.clone())).await?;
    let reports = Arc::new(Spool::open(SpoolOptions::new(reports), Arc::new(ApiReports(server)))?);

    let worker = Worker::new(endpoint, reports, WorkerOptions::default());
    let worker = worker.channel(Channel::new(Arc::new(Print(SenderName::parse("print")?))));
    let worker = components.add_to(worker, stop.clone());
    let names: Vec<_> = worker.names().map(SenderName::as_str).collect();
    println!("senders: {}", names.join(" "));
    worker.run(stop).await;
    Ok(())
}
