//! Why there is no response, in the words of `wasi:http`.

use wasmtime_wasi_http::Error;

use crate::capabilities::http::{Invalid, MAX_HEADER_BYTES, MAX_REQUEST, Problem};
use crate::transport::{MAX_RESPONSE, TransportError};

/// How the system and the TLS library begin or end what they say about these; they have no types that could be asked for.
const NO_SUCH_NAME: &str = "failed to lookup address information";
const BAD_CERTIFICATE: &str = "invalid peer certificate";
const TIMED_OUT: [&str; 3] = ["deadline has elapsed", "timed out", "timed out)"];

pub(super) fn code(problem: Problem) -> Error {
    match problem {
        Problem::NotAllowed(_) => Error::HttpRequestDenied,
        Problem::Private(_) => Error::DestinationIpProhibited,
        Problem::Invalid(invalid) => match invalid {
            Invalid::Method(_) => Error::HttpRequestMethodInvalid,
            Invalid::LongUrl => Error::HttpRequestUriTooLong,
            Invalid::Url(_) => Error::HttpRequestUriInvalid,
            Invalid::Headers(_) => Error::HttpRequestHeaderSectionSize(Some(MAX_HEADER_BYTES as u32)),
            Invalid::Header { name, .. } => Error::HttpRequestHeaderSize { field_name: Some(name), field_size: None },
            Invalid::Body => Error::HttpRequestBodySize(Some(MAX_REQUEST as u64)),
        },
        Problem::Failed(error) => match error {
            TransportError::Timeout => Error::HttpResponseTimeout,
            TransportError::TooLarge(_) => Error::HttpResponseBodySize(Some(MAX_RESPONSE as u64)),
            TransportError::Connect(reason) => no_connection(reason),
            TransportError::Private(reason) | TransportError::Other(reason) => Error::InternalError(Some(reason)),
        },
    }
}

fn no_connection(reason: String) -> Error {
    if reason.starts_with(NO_SUCH_NAME) {
        Error::DnsError { rcode: Some(reason), info_code: None }
    } else if reason.starts_with(BAD_CERTIFICATE) {
        Error::TlsCertificateError
    } else if TIMED_OUT.iter().any(|end| reason.ends_with(end)) {
        Error::ConnectionTimeout
    } else {
        Error::ConnectionRefused
    }
}
