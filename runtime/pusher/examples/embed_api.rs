//! The REST API inside another server, beside a route of its own, with everything that `pusher serve` has behind it: the
//! database, and the Periodic server that keeps the jobs.
//!
//! `cargo run -p pusher --example embed_api -- DIR [127.0.0.1:0]`, then `curl` the address it prints at `/hello` and
//! `/pusher/pushers/`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use pusher::adapters::EmbeddedQueue;
use pusher::api::{self, Limits};
use pusher::core::{Prefix, Service};
use pusher::periodic::{Server, ServerOptions, SystemClock};
use pusher::store::{Store, StoreOptions};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("name the directory for the database")?;
    let address = args.next().unwrap_or_else(|| "127.0.0.1:0".into());

    let store = Arc::new(Store::open(Path::new(&dir), StoreOptions::default())?);
    let periodic = Server::start(store.clone(), Arc::new(SystemClock), ServerOptions::default()).await?;
    let queue = Arc::new(EmbeddedQueue(periodic.handle()));
    let service = Service::new(store.clone(), queue, Prefix::default());

    // The paths of the API begin with /pusher/; whatever else the server has is its own.
    let app = Router::new()
        .route("/hello", get(async || "hello from the server around it\n"))
        .merge(api::router(service, Limits::default()));

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = pusher::shutdown::on_signal()?;
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await?;

    // Requests are drained; now what they wrote to ends, last the database.
    periodic.stop().await;
    store.close().await;
    Ok(())
}
