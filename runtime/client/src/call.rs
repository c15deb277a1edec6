//! What is asked of the server, and the one place where requests are built and signed.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Method, Request};
use serde::Serialize;
use url::{Url, form_urlencoded};

use crate::credentials::Credentials;
use crate::error::ClientError;
use crate::once::IdempotencyKey;

/// What must be encoded in a path segment: all but the unreserved characters (RFC 3986).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One operation: a request that can be built as often as it is tried.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    /// The parameters, urlencoded: the query of a GET, the body of anything else.
    parameters: String,
    /// JSON, for a call that sends it in the place of parameters: its content type and itself.
    json: Option<(&'static str, Bytes)>,
    key: Option<IdempotencyKey>,
    idempotent: bool,
}

impl Call {
    /// A call of `path`, whose names are [`segment`]s.
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self { method, path, parameters: String::new(), json: None, key: None, idempotent: true }
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
        self.json = Some(("application/x-ndjson", lines));
        self
    }

    /// Sends a JSON object.
    pub(crate) fn with_json(mut self, object: &impl Serialize) -> Result<Self, ClientError> {
        let text = serde_json::to_vec(object).map_err(|error| ClientError::Unexpected(error.to_string()))?;
        self.json = Some(("application/json", text.into()));
        Ok(self)
    }

    /// The server does it once, however often it is sent with this key.
    pub(crate) fn once(mut self, key: &IdempotencyKey) -> Self {
        self.key = Some(key.clone());
        self.idempotent = true;
        self
    }

    /// Does the server see to it that it is done once?
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
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
            credentials.sign(&mut request, self.json.is_none())?;
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
        let (content_type, body) = match &self.json {
            Some((content_type, json)) => (*content_type, Body::from(json.clone())),
            None if self.parameters.is_empty() => return Ok(Request::new(self.method.clone(), url)),
            None => ("application/x-www-form-urlencoded", Body::from(self.parameters.clone())),
        };
        let mut request = Request::new(self.method.clone(), url);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(key) = &self.key {
            request.headers_mut().insert(IDEMPOTENCY_KEY, key.header().clone());
        }
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
