//! The commands for authors of senders: `sender new`, `sender check` and `sender run`.

mod check;
pub(crate) mod lines;
mod new;
mod recipient;
mod run;

use std::sync::Arc;

use pusher::config::File;
use pusher::environment;
use pusher::sandbox::{Deps, Sandbox, SandboxConfig};

use super::CommandError;
use crate::cli::sender::SenderCommand;
use lines::Lines;
use recipient::Recipient;

/// How many instances there can be at once: a command makes one after the other.
const MAX_SENDS: usize = 4;

/// Does what the command says.
pub(crate) async fn run(command: SenderCommand, file: File, lines: Lines) -> Result<(), CommandError> {
    match command {
        SenderCommand::New(args) => new::run(args),
        SenderCommand::Check(args) => check::run(args).await,
        SenderCommand::Run(args) => run::run(*args, file, lines).await,
    }
}

/// A sandbox as a worker has it, without a cache, so that what is compiled is compiled now.
fn config() -> SandboxConfig {
    SandboxConfig { max_sends: MAX_SENDS, ..SandboxConfig::default() }
}

/// The sandbox for senders that are given no message.
fn sandbox() -> Result<Sandbox, CommandError> {
    Sandbox::new(config(), Deps { pushers: Arc::new(Recipient::nobody()), env: environment() })
        .map_err(|error| CommandError::Failed(error.to_string()))
}
