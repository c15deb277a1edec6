//! The commands that are clients of the REST API: `push`, `pushall`, `cancel`, `pushers …`, `deliveries …` and `pushalls …`; `periodic …`, a client of a
//! Periodic server; and `sender …`, which needs no server. Each file below is one command; what they share is here: the client, where their words go, and how they end.

pub(crate) mod cancel;
mod data;
pub(crate) mod deliveries;
mod explain;
mod output;
pub(crate) mod periodic;
mod progress;
pub(crate) mod push;
pub(crate) mod pushall;
pub(crate) mod pushalls;
pub(crate) mod pushers;
pub(crate) mod sender;
mod table;
pub(crate) mod time;
mod wait;

use std::io;

use ::periodic::{Clock, SystemClock};
use pusher::client::{Client, ClientError, Options};
use pusher::config::ApiConfig;

use output::Output;

/// What every command has at hand.
pub(crate) struct Context {
    client: Client,
    config: ApiConfig,
    out: Output,
}

/// How a command ended that did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The arguments say nothing that can be done.
    #[error("{0}")]
    Usage(String),
    /// It was refused, or it failed.
    #[error("{0}")]
    Failed(String),
    /// Nobody takes what it says. A pipe that was closed is no fault: `| head` does that.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl Context {
    /// A client of the server that `config` names. With `json`, what it says is for programs.
    ///
    /// # Errors
    /// [`CommandError::Failed`] if the TLS library cannot be set up.
    pub(crate) fn new(config: ApiConfig, json: bool) -> Result<Self, CommandError> {
        let options = Options { credentials: config.credentials.clone(), ..Options::default() };
        let client = Client::new(config.api.clone(), options).map_err(|error| explain::explain(&error, &config))?;
        Ok(Self { client, config, out: Output::new(json) })
    }

    /// Ends well: everything that was said has gone out.
    ///
    /// # Errors
    /// If it cannot.
    pub(crate) fn finish(mut self) -> Result<(), CommandError> {
        self.out.flush()
    }

    /// What a person is told when the client failed.
    #[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
    fn failed(&self, error: ClientError) -> CommandError {
        explain::explain(&error, &self.config)
    }
}

/// Now, in Unix seconds.
fn now() -> i64 {
    SystemClock.now()
}
