//! What is asked of the server, and the one place where requests are built and signed.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request};
use url::{Url, form_urlencoded};

use crate::credentials::Credentials;
use crate::error::ClientError;

/// What must be encoded in a path segment: all but the unreserved characters (RFC 3986).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One operation: a request that can be built as often as it is tried.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    /// The parameters, urlencoded: the query of a GET, the body of anything else.
    parameters: String,
    /// Lines of JSON, for a call that sends them in the place of parameters.
    lines: Option<Bytes>,
    idempotent: bool,
}

impl Call {
    /// A call of `path`, whose names are [`segment`]s.
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self { method, path, parameters: String::new(), lines: None, idempotent: true }
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let parameters = std::mem::take(&mut self.parameters);
        self.parameters = form_urlencoded::Serializer::for_suffix(parameters, 0).append_pair(name, value).finish();
        self
    }

    /// Adds a parameter, if there is a value for it.
    pub(crate) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Sends lines of JSON.
    pub(crate) fn with_lines(mut self, lines: Bytes) -> Self {
        self.lines = Some(lines);
        self
    }

    /// Doing this twice may differ from doing it once.
    pub(crate) fn not_idempotent(mut self) -> Self {
        self.idempotent = false;
        self
    }

    /// Is doing this twice the same as doing it once?
    pub(crate) fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// The request, for the server at `base`; signed, if there is something to sign with. Every try asks for its own:
    /// a signature has the time in it, and a nonce counts once.
    pub(crate) fn request(&self, base: &Url, credentials: Option<&Credentials>) -> Result<Request, ClientError> {
        let mut request = self.unsigned(base)?;
        if let Some(credentials) = credentials {
            credentials.sign(&mut request, self.lines.is_none())?;
        }
        Ok(request)
    }

    fn unsigned(&self, base: &Url) -> Result<Request, ClientError> {
        let address = format!("{}{}", base.as_str().trim_end_matches('/'), self.path);
        let mut url =
            Url::parse(&address).map_err(|error| ClientError::BaseUrl { text: address, reason: error.to_string() })?;
        if self.method == Method::GET {
            url.set_query(Some(&self.parameters).filter(|query| !query.is_empty()).map(String::as_str));
            return Ok(Request::new(Method::GET, url));
        }
        let (content_type, body) = match &self.lines {
            Some(lines) => ("application/x-ndjson", Body::from(lines.clone())),
            None if self.parameters.is_empty() => return Ok(Request::new(self.method.clone(), url)),
            None => ("application/x-www-form-urlencoded", Body::from(self.parameters.clone())),
        };
        let mut request = Request::new(self.method.clone(), url);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        *request.body_mut() = Some(body);
        Ok(request)
    }
}

/// `name` as a path segment.
///
/// # Errors
/// [`ClientError::Unaddressable`] for `.` and `..`, which every URL library takes for something else, encoded or not.
pub(crate) fn segment(name: &str) -> Result<String, ClientError> {
    match name {
        "." | ".." => Err(ClientError::Unaddressable(name.to_owned())),
        _ => Ok(utf8_percent_encode(name, SEGMENT).to_string()),
    }
}
