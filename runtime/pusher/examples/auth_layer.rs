//! Signed requests on a router of your own: the layer that guards the REST API guards any other route just as well.
//!
//! `cargo run -p pusher --example auth_layer -- KEY SECRET [127.0.0.1:0]`. `docs/auth.md` says how a request is signed,
//! and `pusher::core::signing` signs. What is not signed rightly is answered 400 with the reason.

use std::error::Error;

use axum::routing::get;
use axum::{Extension, Router};
use pusher::api::auth::{Auth, KeyPair, Scope, Scopes, SignedBy};
use pusher::core::signing::Secret;
use pusher::periodic::{Clock, SystemClock};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let key = args.next().ok_or("name a key")?;
    let secret = args.next().ok_or("name its secret")?;
    let address = args.next().unwrap_or_else(|| "127.0.0.1:0".into());

    // This key may read; a POST that it signs is answered 403.
    let pair = KeyPair::new(&key, Secret::new(&secret), Scopes::from_iter([Scope::Read]))?;
    let auth = Auth::new([pair], || SystemClock.now())?;

    // Routes that are added after the layer are open to all.
    let app = Router::new()
        .route("/whoami", get(whoami).post(whoami))
        .layer(auth)
        .route("/hello", get(async || "hello, whoever you are\n"));

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stop = pusher::shutdown::on_signal()?;
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

/// The layer leaves word of who signed.
async fn whoami(Extension(SignedBy(key)): Extension<SignedBy>) -> String {
    format!("you are {key}\n")
}
