//! The arguments of `pusher sender …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum SenderCommand {
    /// Make a crate to begin with: a small sender in Rust, its manifest, and the SDK, which build where they stand.
    #[command(after_help = "Examples:
  pusher sender new hello
  pusher sender new hello --dir ~/senders")]
    New(NewArgs),
    /// Look at senders without running them: what they are, ask for and are granted, and whether a worker would load them.
    #[command(after_help = "Examples:
  pusher sender check hello.toml
  pusher sender check senders/ --json")]
    Check(CheckArgs),
}

#[derive(Args)]
pub(crate) struct NewArgs {
    /// The sender's name, as in my-sender: of the crate, the directory and the channel.
    pub(crate) name: String,
    /// Where to make the crate's directory; it must be there [default: .]
    #[arg(long, value_name = "PARENT")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Manifests (NAME.toml), components (NAME.wasm), or directories of them.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print JSON, an object on a line for each sender, instead of a report.
    #[arg(long)]
    pub(crate) json: bool,
}
