//! What a person is told when a Periodic server was not reached, or refused: what failed, on what, and what to do.

use periodic::{ClientError, RunError};
use pusher::config::PeriodicConfig;

use crate::commands::CommandError;
use crate::commands::table::shown;

/// What to do where it is not known what was done.
const LOOK: &str = "whether it was done is not known; look before you do it again";

/// The sentence for `error`, of the server that `config` names.
pub(super) fn client(error: &ClientError, config: &PeriodicConfig) -> CommandError {
    let server = &config.endpoint;
    CommandError::Failed(match error {
        ClientError::Unreachable { reason, .. } => format!(
            "the Periodic server at {server} cannot be reached: {reason}; start it with \"pusher serve\" or \"pusher \
             periodicd\", or name another with --periodic"
        ),
        ClientError::Refused => format!("refused by {server}: role or identity may not do that; {}", advice(config)),
        ClientError::Lost => format!("the connection to {server} broke before it answered; {LOOK}"),
        ClientError::Timeout => format!("{server} did not answer in time; {LOOK}"),
        ClientError::TooLarge { size, max } => {
            format!("the answer of {server} has {size} bytes, over the limit of {max}; raise it with --max-payload")
        }
        ClientError::TooSlow => "the job says more than standard output takes; write it to a file".to_owned(),
        ClientError::Unexpected(reason) => {
            format!("what answers at {server} is no Periodic server of today: {reason}; name another with --periodic")
        }
        ClientError::Invalid(_) | ClientError::Closed => error.to_string(),
    })
}

/// The sentence for a server that was to be ended.
pub(super) fn shutdown(error: &ClientError, config: &PeriodicConfig) -> CommandError {
    match error {
        ClientError::Refused => CommandError::Failed(format!(
            "{} does not let this client end it; stop its process with SIGTERM instead",
            config.endpoint
        )),
        other => client(other, config),
    }
}

/// The sentence for a job of `func` without a result.
pub(super) fn run(error: &RunError, func: &str, config: &PeriodicConfig) -> CommandError {
    CommandError::Failed(match error {
        RunError::NoWorker => format!(
            "no worker at {} can do {}, or it was refused: role or identity may not run it; \"pusher periodic status\" shows \
             the workers, {}",
            config.endpoint,
            shown(func),
            advice(config)
        ),
        RunError::Failed => "the job failed: its worker said so, put it off, or went away".to_owned(),
        RunError::Removed => "the job was removed before it was done".to_owned(),
        RunError::Expired => "the job was not done in time; give it more with --timeout".to_owned(),
        RunError::Client(error) => return client(error, config),
    })
}

/// What to do about a refusal.
fn advice(config: &PeriodicConfig) -> &'static str {
    match config.link.identity {
        None => "--identity-name and --identity-token say who you are",
        Some(_) => "is the token right, and does the server's auth file allow it to this --identity-name?",
    }
}
