//! One exchange through `wasi:http`, step by step.

use std::time::Duration;

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::{OutputStream, StreamError};

/// How a request ends.
pub(crate) enum Body {
    /// There is none.
    None,
    /// So many bytes, written after the request has begun.
    Written(usize),
    /// Some bytes, and no end.
    Unfinished,
    /// Some bytes, and then the body is dropped without an end.
    GivenUp,
    /// Some bytes, and trailers.
    Trailers,
}

/// A request in the making.
pub(crate) struct Request {
    method: Method,
    scheme: Scheme,
    authority: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
    patience: Option<Duration>,
}

impl Request {
    pub(crate) fn to(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self::of(scheme, authority, path)
    }

    pub(crate) fn of(scheme: &str, authority: &str, path: &str) -> Self {
        Self {
            method: Method::Get,
            scheme: match scheme {
                "http" => Scheme::Http,
                "https" => Scheme::Https,
                other => Scheme::Other(other.to_owned()),
            },
            authority: authority.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Body::None,
            patience: None,
        }
    }

    pub(crate) fn method(self, method: &str) -> Self {
        let method = match method {
            "POST" => Method::Post,
            "CONNECT" => Method::Connect,
            other => Method::Other(other.to_owned()),
        };
        Self { method, ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// Hands the request to the host, then writes the body.
    pub(crate) fn begin(self) -> Result<Begun, String> {
        let fields = Fields::new();
        for (name, value) in &self.headers {
            fields.append(name, value.as_bytes()).map_err(|error| format!("{error:?}"))?;
        }
        let request = OutgoingRequest::new(fields);
        request.set_method(&self.method).map_err(|()| "the method is refused")?;
        request.set_scheme(Some(&self.scheme)).map_err(|()| "the scheme is refused")?;
        request.set_authority(Some(&self.authority)).map_err(|()| "the authority is refused")?;
        request.set_path_with_query(Some(&self.path)).map_err(|()| "the path is refused")?;
        let body = match self.body {
            Body::None => None,
            _ => Some(request.body().map_err(|()| "there is no body")?),
        };
        let options = self.patience.map(|patience| {
            let options = RequestOptions::new();
            let _ = options.set_first_byte_timeout(Some(patience.as_nanos() as u64));
            options
        });
        let future = handle(request, options).map_err(|error| format!("{error:?}"))?;
        let left = body.map(|body| write(body, &self.body)).transpose()?.flatten();
        Ok(Begun { future, _body: left })
    }

    /// The status and the body.
    pub(crate) fn fetch(self) -> Result<(u16, String), String> {
        let begun = self.begin()?;
        let response = begun.response()?;
        let status = response.status();
        let body = response.consume().map_err(|()| "there is no body")?;
        let stream = body.stream().map_err(|()| "there is no stream")?;
        let mut bytes = Vec::new();
        loop {
            match stream.blocking_read(64 << 10) {
                Ok(part) => bytes.extend(part),
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
            }
        }
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// A request that the host has; `_body` is what was not finished of it.
pub(crate) struct Begun {
    future: FutureIncomingResponse,
    _body: Option<OutgoingBody>,
}

impl Begun {
    /// Waits for the response.
    pub(crate) fn response(&self) -> Result<IncomingResponse, String> {
        self.future.subscribe().block();
        match self.future.get() {
            Some(Ok(response)) => response.map_err(|error| format!("{error:?}")),
            _ => Err("there is no response".to_owned()),
        }
    }

    /// Waits for the response, and what its status is.
    pub(crate) fn status(self) -> Result<u16, String> {
        Ok(self.response()?.status())
    }
}

/// Writes a body; what is returned is not finished.
fn write(body: OutgoingBody, what: &Body) -> Result<Option<OutgoingBody>, String> {
    let bytes = vec![b'x'; if let Body::Written(bytes) = what { *bytes } else { 2 }];
    let stream = body.write().map_err(|()| "there is no stream to write to")?;
    for part in bytes.chunks(4096) {
        stream.blocking_write_and_flush(part).map_err(|error| format!("writing fails: {error:?}"))?;
    }
    drop(stream);
    let trailers = match what {
        Body::Unfinished => return Ok(Some(body)),
        Body::GivenUp => return Ok(None),
        Body::Trailers => {
            let trailers = Fields::new();
            let _ = trailers.append("x-trailer", b"1");
            Some(trailers)
        }
        Body::None | Body::Written(_) => None,
    };
    // What is said here is said of the request as well.
    let _ = OutgoingBody::finish(body, trailers);
    Ok(None)
}

/// Makes so many bodies, and writes into each what the host takes before the request is sent: so many bytes in all.
pub(crate) fn fill_bodies(count: usize) -> u64 {
    // A stream goes before the body that it belongs to.
    let mut kept: Vec<(OutputStream, OutgoingBody, OutgoingRequest)> = Vec::new();
    let mut taken = 0;
    for _ in 0..count {
        let request = OutgoingRequest::new(Fields::new());
        let Ok(body) = request.body() else { break };
        let Ok(stream) = body.write() else { break };
        while let Ok(bytes @ 1..) = stream.check_write() {
            if stream.write(&vec![b'x'; usize::try_from(bytes).unwrap_or(0)]).is_err() {
                break;
            }
            taken += bytes;
        }
        kept.push((stream, body, request));
    }
    taken
}
