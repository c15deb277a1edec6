//! A guest's request, checked and made into the transport's.

use bytes::Bytes;
use url::Url;

use crate::transport::{HeaderMap, HeaderName, HeaderValue, Method, RESERVED, Request};

/// Largest body of a request, in bytes.
pub(crate) const MAX_REQUEST: usize = 1 << 20;
/// Most headers in a request.
const MAX_HEADERS: usize = 100;
/// Most bytes of all names and values together: more than servers take (8 to 32 KiB).
pub(crate) const MAX_HEADER_BYTES: usize = 64 << 10;
/// Longest URL, in bytes. Servers and proxies take about this much.
const MAX_URL: usize = 8 << 10;
/// Longest method, in bytes. The registry's longest has 17.
const MAX_METHOD: usize = 64;

/// Why a request is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("{0:?} is not a method that can be used")]
    Method(String),
    #[error("the URL has more than {MAX_URL} bytes")]
    LongUrl,
    #[error("{0}")]
    Url(String),
    #[error("there are more than {0}")]
    Headers(String),
    #[error("the header {name:?} {why}")]
    Header { name: String, why: &'static str },
    #[error("the request is larger than {MAX_REQUEST} bytes")]
    Body,
}

/// Makes the transport's request, as yet without a body.
pub(super) fn check<'a>(
    method: &str,
    url: &str,
    headers: impl ExactSizeIterator<Item = (&'a str, &'a [u8])> + Clone,
) -> Result<Request, Invalid> {
    let (method, url, headers) = (check_method(method)?, check_url(url)?, check_headers(headers)?);
    Ok(Request { method, url, headers, body: Bytes::new() })
}

/// Is a body of so many bytes not too large?
pub(super) fn check_body(bytes: usize) -> Result<(), Invalid> {
    if bytes > MAX_REQUEST { Err(Invalid::Body) } else { Ok(()) }
}

fn check_method(text: &str) -> Result<Method, Invalid> {
    match Method::from_bytes(text.as_bytes()) {
        // Servers differ in whether case counts.
        Ok(method) if text.len() <= MAX_METHOD && !text.eq_ignore_ascii_case("CONNECT") => Ok(method),
        _ => Err(Invalid::Method(excerpt(text))),
    }
}

fn check_url(text: &str) -> Result<Url, Invalid> {
    if text.len() > MAX_URL {
        return Err(Invalid::LongUrl);
    }
    let url = Url::parse(text).map_err(|error| Invalid::Url(format!("the URL is not one: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        let scheme = excerpt(url.scheme());
        return Err(Invalid::Url(format!("{scheme:?} is not a scheme that can be used; use http or https")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Invalid::Url("the URL holds a user or password; send them in a header".to_owned()));
    }
    Ok(url)
}

fn check_headers<'a>(pairs: impl ExactSizeIterator<Item = (&'a str, &'a [u8])> + Clone) -> Result<HeaderMap, Invalid> {
    if pairs.len() > MAX_HEADERS {
        return Err(Invalid::Headers(format!("{MAX_HEADERS} headers")));
    }
    if pairs.clone().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_HEADER_BYTES {
        return Err(Invalid::Headers(format!("{MAX_HEADER_BYTES} bytes of headers")));
    }
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let wrong = |why| Invalid::Header { name: excerpt(name), why };
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("is not a name"))?;
        if RESERVED.contains(&parsed) {
            return Err(wrong("is the host's to set"));
        }
        // The value may be a token: it is not told.
        let value = HeaderValue::from_bytes(value)
            .map_err(|_| wrong("has a value that no header can have, such as one with a line end"))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

/// The beginning of a text that the guest may have made very long.
fn excerpt(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_METHOD)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> Result<Request, Invalid> {
        check(method, url, headers.iter().map(|(name, value)| (*name, value.as_bytes())))
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
            assert!(request(method, url, &headers).is_err(), "{method:?} {url} {headers:?}");
        }
    }
}
