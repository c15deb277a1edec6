//! A recording: a file with a line of JSON for each request that a sender made, and what was answered.
//!
//! ```json
//! {"request":{"method":"POST","url":"https://…","headers":[["authorization","Bearer SECRET-token"]],"body":"…"},
//!  "response":{"status":202,"headers":[],"body":""}}
//! ```
//!
//! A body that is not text stands in Base64 under `bodyBase64`. Where there was no response, `error` says why.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pusher::sandbox::transport::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, TransportError};
use serde::{Deserialize, Serialize};

use super::scrub::Scrub;

/// One request and what came of it, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Sent,
    #[serde(flatten)]
    pub(super) answer: Answer,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    #[serde(flatten)]
    pub(super) body: Body,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    Response(Got),
    Error(NoResponse),
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    #[serde(flatten)]
    pub(super) body: Body,
}

/// Why there was no response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NoResponse {
    Private(String),
    Timeout,
    Connect(String),
    TooLarge(String),
    Other(String),
}

/// A body, which is text more often than not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Body {
    #[serde(rename = "body")]
    Text(String),
    #[serde(rename = "bodyBase64")]
    Base64(String),
}

impl Sent {
    /// What of a request is written down.
    pub(super) fn of(request: &Request, scrub: &Scrub) -> Self {
        Self {
            method: request.method.to_string(),
            url: scrub.text(request.url.as_str()),
            headers: headers(&request.headers, scrub),
            body: Body::of(&request.body, scrub),
        }
    }
}

impl Answer {
    /// What of an answer is written down.
    pub(super) fn of(answer: &Result<Response, TransportError>, scrub: &Scrub) -> Self {
        match answer {
            Ok(response) => Self::Response(Got {
                status: response.status.as_u16(),
                headers: headers(&response.headers, scrub),
                body: Body::of(&response.body, scrub),
            }),
            Err(error) => Self::Error(match error {
                TransportError::Private(reason) => NoResponse::Private(scrub.text(reason)),
                TransportError::Timeout => NoResponse::Timeout,
                TransportError::Connect(reason) => NoResponse::Connect(scrub.text(reason)),
                TransportError::TooLarge(reason) => NoResponse::TooLarge(scrub.text(reason)),
                TransportError::Other(reason) => NoResponse::Other(scrub.text(reason)),
            }),
        }
    }

    /// The answer again; `Err` of a sentence if what is written is none.
    pub(super) fn again(&self) -> Result<Result<Response, TransportError>, String> {
        let got = match self {
            Self::Response(got) => got,
            Self::Error(error) => {
                return Ok(Err(match error.clone() {
                    NoResponse::Private(reason) => TransportError::Private(reason),
                    NoResponse::Timeout => TransportError::Timeout,
                    NoResponse::Connect(reason) => TransportError::Connect(reason),
                    NoResponse::TooLarge(reason) => TransportError::TooLarge(reason),
                    NoResponse::Other(reason) => TransportError::Other(reason),
                }));
            }
        };
        let status = StatusCode::from_u16(got.status).map_err(|_| format!("{} is no status", got.status))?;
        let mut headers = HeaderMap::with_capacity(got.headers.len());
        for (name, value) in &got.headers {
            let wrong = || format!("{name:?} is no header");
            let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            headers.append(parsed, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?);
        }
        Ok(Ok(Response { status, headers, body: got.body.bytes()?.into() }))
    }

    /// For a line of a report.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Response(got) => got.status.to_string(),
            Self::Error(NoResponse::Timeout) => "no response in time".to_owned(),
            Self::Error(NoResponse::Connect(reason)) => format!("no connection: {reason}"),
            Self::Error(NoResponse::Private(reason) | NoResponse::TooLarge(reason) | NoResponse::Other(reason)) => {
                reason.clone()
            }
        }
    }
}

impl Body {
    fn of(bytes: &[u8], scrub: &Scrub) -> Self {
        match String::from_utf8(scrub.bytes(bytes)) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Base64(STANDARD.encode(error.as_bytes())),
        }
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Base64(text) => STANDARD.decode(text).map_err(|error| format!("bodyBase64 is no Base64: {error}")),
        }
    }
}

fn headers(headers: &HeaderMap, scrub: &Scrub) -> Vec<(String, String)> {
    let pairs = headers.iter().map(|(name, value)| (name, String::from_utf8_lossy(value.as_bytes())));
    pairs.map(|(name, value)| (name.to_string(), scrub.header(&value))).collect()
}

/// The recording as a file has it.
pub(super) fn write(exchanges: &[Exchange]) -> Result<String, serde_json::Error> {
    let lines = exchanges.iter().map(|exchange| Ok(serde_json::to_string(exchange)? + "\n"));
    lines.collect()
}

/// Reads what [`write()`] wrote, or says what is wrong and on which line.
pub(super) fn read(text: &str) -> Result<Vec<Exchange>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(at, line): (usize, &str)| {
        let exchange: Exchange = serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))?;
        exchange.answer.again().map_err(|reason| format!("line {}: {reason}", at + 1))?.ok();
        Ok(exchange)
    };
    lines.map(parse).collect()
}

/// How a request differs from the one that was recorded, a line for each part; nothing if it does not.
pub(super) fn differences(recorded: &Sent, sent: &Sent) -> Vec<String> {
    let mut lines = Vec::new();
    let mut compare = |part: &str, recorded: &str, sent: &str| {
        if recorded != sent {
            lines.push(format!("{part} recorded: {recorded}"));
            lines.push(format!("{part} now:      {sent}"));
        }
    };
    compare("method", &recorded.method, &sent.method);
    compare("url", &recorded.url, &sent.url);
    compare("headers", &pairs(&recorded.headers), &pairs(&sent.headers));
    compare("body", text(&recorded.body), text(&sent.body));
    lines
}

fn pairs(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}

fn text(body: &Body) -> &str {
    match body {
        Body::Text(text) | Body::Base64(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(answer: &Result<Response, TransportError>) -> Exchange {
        let request = Request {
            method: "POST".parse().unwrap(),
            url: "https://a.example/s3cret?x=1".parse().unwrap(),
            headers: HeaderMap::from_iter([(
                HeaderName::from_static("authorization"),
                HeaderValue::from_static("Bearer s3cret"),
            )]),
            body: "{\"key\":\"s3cret\"}".into(),
        };
        let scrub = Scrub::new(&[("key".to_owned(), "s3cret".to_owned())]);
        Exchange { request: Sent::of(&request, &scrub), answer: Answer::of(answer, &scrub) }
    }

    fn response(body: &'static [u8]) -> Response {
        let headers = [("x-a", "1"), ("x-a", "2")];
        let headers = headers.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        Response { status: StatusCode::ACCEPTED, headers: headers.into_iter().collect(), body: body.into() }
    }

    #[test]
    fn what_was_recorded_is_answered_again_and_holds_no_secret() {
        for answer in [
            Ok(response(b"text")),
            Ok(response(b"\xff\x00")),
            Err(TransportError::Timeout),
            Err(TransportError::Connect("refused".into())),
        ] {
            let recorded = exchange(&answer);
            let text = write(std::slice::from_ref(&recorded)).unwrap();
            assert!(!text.contains("s3cret") && text.contains("SECRET-key"), "{text}");
            assert_eq!(text.lines().count(), 1);
            let read = read(&text).unwrap();
            assert_eq!(read, [recorded]);
            assert_eq!(read[0].answer.again().unwrap(), answer);
        }
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let good = write(&[exchange(&Ok(response(b"")))]).unwrap();
        assert!(read(&format!("{good}\n{{}}\n")).unwrap_err().starts_with("line 3: "));
        let bad = good.replace("202", "99");
        assert_eq!(read(&bad).unwrap_err(), "line 1: 99 is no status");
    }

    #[test]
    fn a_difference_is_told_part_by_part() {
        let recorded = exchange(&Ok(response(b""))).request;
        assert!(differences(&recorded, &recorded).is_empty());
        let sent = Sent { method: "PUT".into(), ..recorded.clone() };
        assert_eq!(differences(&recorded, &sent), ["method recorded: POST", "method now:      PUT"]);
        let sent = Sent { body: Body::Text("{}".into()), ..recorded.clone() };
        assert_eq!(differences(&recorded, &sent)[1], "body now:      {}");
        let sent = Sent { headers: vec![], ..recorded.clone() };
        assert_eq!(differences(&recorded, &sent)[0], "headers recorded: authorization: Bearer SECRET-key");
    }
}
