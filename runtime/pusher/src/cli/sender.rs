//! The arguments of `pusher sender …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pusher::core::{PusherId, Tag};

use super::api::SigningArgs;

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
    /// Send one message with a sender, as a worker would, and show what came of it.
    #[command(after_help = "Examples:
  pusher sender run hello.toml --data Hello --email ada@example.com
  pusher sender run hello.toml --data Hello --email ada@example.com --record hello.jsonl
  pusher sender run hello.toml --data Hello --email ada@example.com --replay hello.jsonl")]
    Run(Box<RunArgs>),
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

#[derive(Args)]
pub(crate) struct RunArgs {
    /// The manifest (NAME.toml), or the component (NAME.wasm).
    pub(crate) file: PathBuf,
    /// What to say, in the form that the sender takes; "-" reads it from standard input, every byte of it.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) data: String,
    /// The recipient's id.
    #[arg(long, value_name = "ID", default_value = "somebody")]
    pub(crate) pusher: PusherId,
    /// The recipient's e-mail address.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "api")]
    pub(crate) email: Option<String>,
    /// The name to address the recipient by.
    #[arg(long, value_name = "NAME", conflicts_with = "api")]
    pub(crate) nickname: Option<String>,
    /// The recipient's telephone number.
    #[arg(long, value_name = "NUMBER", conflicts_with = "api")]
    pub(crate) phone: Option<String>,
    /// A tag of the recipient's; may be given several times.
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "api")]
    pub(crate) tags: Vec<Tag>,
    /// Which attempt this is.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: u32,
    /// Make the sender's requests for real, to the origins that its manifest allows; this is the default.
    #[arg(long, group = "requests")]
    pub(crate) live: bool,
    /// Make them for real, and write them and what was answered to this file, without the secrets.
    #[arg(long, value_name = "FILE", group = "requests")]
    pub(crate) record: Option<PathBuf>,
    /// Make none, and answer from this file, which --record wrote; secrets that are missing are no obstacle.
    #[arg(long, value_name = "FILE", group = "requests")]
    pub(crate) replay: Option<PathBuf>,
    /// Ask this API server about recipients, and push there, instead of the recipient that is described here.
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub(crate) api: Option<String>,
    #[command(flatten)]
    pub(crate) signing: SigningArgs,
    /// Print JSON instead of a report.
    #[arg(long)]
    pub(crate) json: bool,
}
