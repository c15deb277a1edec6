//! A guest's request, checked and made into the transport's.

use ::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use ::http::header::{TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use url::Url;

use super::MAX_REQUEST;
use crate::bindings::http::{self, Error};
use crate::transport::{HeaderMap, HeaderName, HeaderValue, Method, Request};

/// Most headers in a request.
const MAX_HEADERS: usize = 100;
/// Most bytes of all names and values together: more than servers take (8 to 32 KiB).
const MAX_HEADER_BYTES: usize = 64 << 10;
/// Longest URL, in bytes. Servers and proxies take about this much.
const MAX_URL: usize = 8 << 10;
/// Longest method, in bytes. The registry's longest has 17.
const MAX_METHOD: usize = 64;
/// Headers that are about the connection, which is the host's.
const RESERVED: [HeaderName; 13] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Makes the transport's request.
pub(super) fn check(request: http::Request) -> Result<Request, Error> {
    if request.body.len() > MAX_REQUEST {
        return Err(Error::TooLarge(format!("the request is larger than {MAX_REQUEST} bytes")));
    }
    Ok(Request {
        method: method(&request.method)?,
        url: url(&request.url)?,
        headers: headers(&request.headers)?,
        body: request.body.into(),
    })
}

fn method(text: &str) -> Result<Method, Error> {
    match Method::from_bytes(text.as_bytes()) {
        // Servers differ in whether case counts.
        Ok(method) if text.len() <= MAX_METHOD && !text.eq_ignore_ascii_case("CONNECT") => Ok(method),
        _ => Err(Error::Invalid(format!("{:?} is not a method that can be used", excerpt(text)))),
    }
}

fn url(text: &str) -> Result<Url, Error> {
    if text.len() > MAX_URL {
        return Err(Error::Invalid(format!("the URL has more than {MAX_URL} bytes")));
    }
    let url = Url::parse(text).map_err(|error| Error::Invalid(format!("the URL is not one: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Invalid(format!(
            "{:?} is not a scheme that can be used; use http or https",
            excerpt(url.scheme())
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Invalid("the URL holds a user or password; send them in a header".to_owned()));
    }
    Ok(url)
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, Error> {
    if pairs.len() > MAX_HEADERS {
        return Err(Error::Invalid(format!("there are more than {MAX_HEADERS} headers")));
    }
    if pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_HEADER_BYTES {
        return Err(Error::Invalid(format!("there are more than {MAX_HEADER_BYTES} bytes of headers")));
    }
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let wrong = |why: &str| Error::Invalid(format!("the header {:?} {why}", excerpt(name)));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("is not a name"))?;
        if RESERVED.contains(&parsed) {
            return Err(wrong("is the host's to set"));
        }
        // The value may be a token: it is not told.
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| wrong("has a value that no header can have, such as one with a line end"))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// The beginning of a text that the guest may have made very long.
fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_METHOD)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> Result<Request, Error> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        check(http::Request { method: method.into(), url: url.into(), headers, body: vec![], timeout: None })
    }

    #[test]
    fn a_good_request_goes_through() {
        let request = request("PATCH", "https://a.example/x?y#z", &[("x-a", "1"), ("X-A", "2"), ("x-u", "ü")]).unwrap();
        assert_eq!(request.headers.get_all("x-a").iter().count(), 2);
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_request() {
        let url = "https://a.example/";
        for (method, url, headers) in [
            ("GET\r\nX: y", url, [("a", "b")]),
            ("CONNECT", url, [("a", "b")]),
            ("", url, [("a", "b")]),
            ("GET", "/relative", [("a", "b")]),
            ("GET", "file:///etc/passwd", [("a", "b")]),
            ("GET", "https://user:pass@a.example/", [("a", "b")]),
            ("GET", "https://a.example@/", [("a", "b")]),
            ("GET", url, [("a", "b\r\nc: d")]),
            ("GET", url, [("a", "b\nc")]),
            ("GET", url, [("a", "\0")]),
            ("GET", url, [("a b", "c")]),
            ("GET", url, [("a\r\nb", "c")]),
            ("GET", url, [("Host", "internal")]),
            ("GET", url, [("content-length", "5")]),
            ("GET", url, [("Transfer-Encoding", "chunked")]),
            ("GET", url, [("keep-alive", "1")]),
        ] {
            assert!(matches!(request(method, url, &headers), Err(Error::Invalid(_))), "{method:?} {url} {headers:?}");
        }
    }
}
