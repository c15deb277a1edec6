//! The REST API over a store of your own, which is in `map.rs`.
//!
//! `cargo run -p pusher --example custom_storer -- [127.0.0.1:0]`

mod map;

use std::error::Error;
use std::sync::Arc;

use map::Map;
use pusher::adapters::EmbeddedQueue;
use pusher::api::{self, Limits};
use pusher::core::{Prefix, Service};
use pusher::periodic::{MemoryStore, Server, ServerOptions, SystemClock};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());

    // Jobs in memory too, so that nothing here touches a disk.
    let periodic = Server::start(Arc::new(MemoryStore::new()), Arc::new(SystemClock), ServerOptions::default()).await?;
    let queue = Arc::new(EmbeddedQueue(periodic.handle()));
    let service = Service::new(Arc::new(Map::default()), queue, Prefix::default());

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = pusher::shutdown::on_signal()?;
    let router = api::router(service, Limits::default());
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    periodic.stop().await;
    Ok(())
}
