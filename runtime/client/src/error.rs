//! Why an operation was not done, and how that is read from an answer.

use reqwest::StatusCode;
use serde::Deserialize;

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server says that there is no such recipient; its sentence.
    #[error("{0}")]
    NotFound(String),
    /// The server says that the request is wrong. Asking again is no use.
    #[error("refused with status {status}: {sentence}")]
    Refused {
        /// The HTTP status, 4xx.
        status: u16,
        /// Why, in the server's words.
        sentence: String,
    },
    /// The server cannot do it just now: it is stopping or too busy. Whether it was done is not known.
    #[error("the API server is not available: {0}")]
    Unavailable(String),
    /// The server serves as many requests as it can. This one was not done.
    #[error("the API server is too busy: {0}")]
    TooBusy(String),
    /// The server did not do it in the time that it gives itself. Whether it was done is not known.
    #[error("the API server was too late: {0}")]
    TooLate(String),
    /// The server failed; its log says more.
    #[error("the API server failed with status {status}: {sentence}")]
    Failed {
        /// The HTTP status, 5xx.
        status: u16,
        /// What failed, in the server's words.
        sentence: String,
    },
    /// The server was not reached or did not answer in time. Whether it was done is not known.
    #[error("the API server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The answer is not one of a pusher API server.
    #[error("the answer is not one of a pusher API server: {0}")]
    Unexpected(String),
    /// The request cannot be signed. It was not sent.
    #[error("the request cannot be signed: {0}")]
    Signing(String),
    /// A name that cannot stand in a URL, so that the server cannot be asked about it.
    #[error("the name {0:?} cannot stand in a URL")]
    Unaddressable(String),
    /// The server's address is not one.
    #[error("{text:?} is not the address of an API server: {reason}; write it like http://localhost:6000")]
    BaseUrl {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// What an answer says that is not a success.
    pub(crate) fn from_answer(status: StatusCode, body: &[u8]) -> Self {
        let said = sentence(body);
        let known = said.is_some();
        let sentence = said.unwrap_or_else(|| String::from_utf8_lossy(body).trim().chars().take(200).collect());
        match status {
            // Without a sentence it is the path that is not found: the address is not that of an API server.
            StatusCode::NOT_FOUND if known => Self::NotFound(sentence),
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable(sentence),
            StatusCode::GATEWAY_TIMEOUT => Self::TooLate(sentence),
            StatusCode::TOO_MANY_REQUESTS => Self::TooBusy(sentence),
            _ if status.is_client_error() => Self::Refused { status: status.as_u16(), sentence },
            _ if status.is_server_error() => Self::Failed { status: status.as_u16(), sentence },
            _ => Self::Unexpected(format!("status {status}")),
        }
    }
}

/// What the server says went wrong: an `{"err": …}`, or a list of what does not bind.
fn sentence(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Refusal {
        Sentence { err: String },
        Binding(Vec<BindingError>),
    }
    #[derive(Deserialize)]
    struct BindingError {
        #[serde(default, rename = "fieldNames")]
        fields: Vec<String>,
        message: String,
    }
    match serde_json::from_slice(body).ok()? {
        Refusal::Sentence { err } => Some(err),
        Refusal::Binding(errors) => {
            let one = |error: BindingError| match error.fields.as_slice() {
                [] => error.message,
                fields => format!("{}: {}", fields.join(", "), error.message),
            };
            Some(errors.into_iter().map(one).collect::<Vec<_>>().join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let read = |status, body: &str| {
            ClientError::from_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes()).to_string()
        };
        for (status, body, said) in [
            (404, r#"{"err":"pusher x not exists."}"#, "pusher x not exists."),
            (404, "404 page not found\n", "refused with status 404: 404 page not found"),
            (406, r#"{"err":"not such pusher x"}"#, "refused with status 406: not such pusher x"),
            (
                400,
                r#"[{"fieldNames":["data"],"classification":"RequiredError","message":"Required"},{"message":"more"}]"#,
                "refused with status 400: data: Required; more",
            ),
            (503, r#"{"err":"stopping"}"#, "the API server is not available: stopping"),
            (429, r#"{"err":"ask again"}"#, "the API server is too busy: ask again"),
            (504, r#"{"err":"not served within 30 s"}"#, "the API server was too late: not served within 30 s"),
            (507, r#"{"err":"full"}"#, "the API server failed with status 507: full"),
            (302, "", "the answer is not one of a pusher API server: status 302 Found"),
        ] {
            assert_eq!(read(status, body), said);
        }
    }
}
