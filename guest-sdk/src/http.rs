//! Requests to the outside: build one, send it, look at the response.
//!
//! ```no_run
//! # use pusher_sender_sdk::{Failure, http};
//! # fn example() -> Result<(), Failure> {
//! let response = http::post("https://api.example.com/messages").form(&[("to", "+44 20"), ("text", "hello")]).send()?;
//! println!("{}", response.error_for_status()?.text());
//! # Ok(())
//! # }
//! ```

mod date;
mod form;
mod response;

use std::time::Duration;

use serde::Serialize;

pub use crate::bindings::pusher::sender::http::Error;
pub use response::Response;

use crate::bindings::pusher::sender::http as host;

/// A request in the making.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send`"]
pub struct Request {
    request: host::Request,
    /// What went wrong while building; told by `send`, so that building stays a chain.
    broken: Option<String>,
}

/// A `GET` request.
pub fn get(url: &str) -> Request {
    request("GET", url)
}

/// A `POST` request.
pub fn post(url: &str) -> Request {
    request("POST", url)
}

/// A request with any method.
pub fn request(method: &str, url: &str) -> Request {
    let request = host::Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
    };
    Request { request, broken: None }
}

impl Request {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body. The host takes up to 1 MiB.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = body.into();
        self.header("content-type", content_type)
    }

    /// Sets the body to `value` as JSON.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.broken = Some(format!("the body cannot be written as JSON: {error}"));
                self
            }
        }
    }

    /// Sets the body to these names and values as an HTML form is sent (`application/x-www-form-urlencoded`).
    pub fn form(self, pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> Self {
        self.body("application/x-www-form-urlencoded", form::encode(pairs))
    }

    /// Gives up after this long. Without it, or if it is longer, the exchange may take what is left of the send's own
    /// time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.request.timeout = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends the request and waits for the whole response, whatever its status.
    ///
    /// # Errors
    /// [`Error`], which `?` makes a temporary failure.
    pub fn send(self) -> Result<Response, Error> {
        match self.broken {
            Some(reason) => Err(Error::Invalid(reason)),
            None => host::send(&self.request).map(Response::from),
        }
    }
}
