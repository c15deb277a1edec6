//! Write a sender in Rust.
//!
//! A sender is a WebAssembly component that delivers one message at a time. This crate does the WebAssembly part: say
//! what to do with a message and name the channel.
//!
//! ```
//! use pusher_sender_sdk::{Failure, Message, Outcome, ResultExt, Sender, config, http, pushers};
//!
//! struct Chat;
//!
//! impl Sender for Chat {
//!     fn send(message: Message) -> Result<Outcome, Failure> {
//!         let to = pushers::get(&message.pusher)?;
//!         let text: String = serde_json::from_str(&message.data).or_permanent()?;
//!         http::post("https://chat.example.com/v1/messages")
//!             .header("Authorization", &format!("Bearer {}", config::require("token")?))
//!             .json(&serde_json::json!({ "to": to.nickname, "text": text, "id": message.id }))
//!             .send()?
//!             .error_for_status()?;
//!         eprintln!("attempt {} for {}", message.attempt, message.pusher);
//!         Ok(Outcome::Done)
//!     }
//! }
//!
//! pusher_sender_sdk::export!(Chat as "chat");
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for `wasm32-wasip2` and put the `.wasm` into the worker's directory of senders, next to a
//! manifest that grants what it asks for: here `[http] allow = ["https://chat.example.com"]`, `[pushers] read = true`
//! and the secret `token`.
//!
//! * [`http`]: requests to the origins that the manifest allows.
//! * [`pushers`]: the recipients.
//! * [`config`]: the manifest's values and secrets.
//! * [`template`]: texts with the recipient's fields in them.
//! * [`Failure`]: how to say what went wrong. Any error becomes a temporary failure through `?`, which is tried again;
//!   [`ResultExt::or_permanent`] says that trying again cannot help.
//! * `println!` and `eprintln!` write log lines.
//!
//! There are no threads, files, sockets or environment variables. Every message may be given to a fresh instance.

#[doc(hidden)]
#[allow(clippy::all, clippy::needless_pass_by_value, clippy::semicolon_if_nothing_returned, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "sender-component",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "pusher_sender_sdk::bindings",
    });
}

pub mod config;
mod failure;
pub mod http;
pub mod pushers;
mod sender;
pub mod template;

pub use bindings::pusher::sender::types::{Message, Outcome};
pub use failure::{Failure, ResultExt};
pub use sender::Sender;
