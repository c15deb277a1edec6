//! What a person is told when the API server was not reached, or refused: what failed, on what, and what to do.

use std::error::Error;

use pusher::client::ClientError;
use pusher::config::ApiConfig;

use super::CommandError;

/// What to do where it is not known what was done.
const LOOK: &str = "look before you do it again";

/// The sentence for `error`, of the server that `config` names.
pub(crate) fn explain(error: &ClientError, config: &ApiConfig) -> CommandError {
    let api = config.api.as_str().trim_end_matches('/');
    CommandError::Failed(match error {
        ClientError::Unreachable(error) if error.is_connect() => format!(
            "the API server at {api} cannot be reached: {}; start it with \"pusher serve\", or name another with --api",
            reason(error)
        ),
        ClientError::Unreachable(error) if error.is_timeout() => {
            format!("the API server at {api} did not answer in time; whether it was done is not known; {LOOK}")
        }
        ClientError::Unreachable(error) => format!(
            "the connection to the API server at {api} broke: {}; whether it was done is not known; {LOOK}",
            reason(error)
        ),
        ClientError::Refused { sentence, .. } => {
            format!("refused: {sentence}{}", advice(sentence, config.credentials.is_some()))
        }
        ClientError::Unavailable(sentence) | ClientError::TooBusy(sentence) => {
            format!("the API server at {api} cannot do it now: {sentence}; try again a little later")
        }
        ClientError::TooLate(sentence) => format!("the API server at {api} was too late: {sentence}; {LOOK}"),
        ClientError::Failed { sentence, .. } => {
            format!("the API server at {api} failed: {sentence}; its log says more")
        }
        ClientError::Unexpected(reason) => {
            format!("what answers at {api} is no pusher API server: {reason}; name the right one with --api")
        }
        ClientError::NotFound(sentence) => sentence.clone(),
        ClientError::Signing(_) | ClientError::Unaddressable(_) | ClientError::BaseUrl { .. } => error.to_string(),
    })
}

/// What to do about a signature that the server does not take.
fn advice(sentence: &str, signed: bool) -> &'static str {
    match sentence {
        "Invalid X-App-Key" if !signed => "; the server wants signed requests: give --key and --secret-file",
        "Invalid X-App-Key" => "; the server does not know this --key",
        "Invalid X-Request-Time" => "; is the clock of this machine right?",
        "Invalid X-Request-Signature" => "; is this the secret of this --key?",
        "404 page not found" => "; is this --api a pusher API server, and as new as this program?",
        _ if sentence.starts_with("Invalid X-Request-Signature: this server takes") => "; give --sign",
        _ => "",
    }
}

/// The innermost reason: those around it only say that something failed.
fn reason(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_signature_comes_with_advice() {
        assert_eq!(advice("pusher is required.", false), "");
        assert!(advice("Invalid X-App-Key", false).contains("--secret-file"));
        assert!(advice("Invalid X-App-Key", true).contains("--key"));
        assert!(advice("Invalid X-Request-Time", true).contains("clock"));
        assert!(advice("Invalid X-Request-Signature", true).contains("secret"));
        assert!(advice("Invalid X-Request-Signature: this server takes v1 signatures only", true).contains("--sign"));
    }
}
