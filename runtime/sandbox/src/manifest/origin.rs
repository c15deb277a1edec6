//! Origins: where a sender may send requests to.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use url::{Host, Url};

/// An origin: scheme (`https` or `http`), host and port, as in `"https://api.example.com"` or `"http://localhost:8080"`.
/// `"https://*.example.com"` stands for every host below `example.com`, not for that itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", title = "origin", extend("pattern" = "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+/?$"))]
pub struct Origin {
    secure: bool,
    host: Host<String>,
    port: u16,
    /// Does it stand for the hosts below `host`, rather than for `host`?
    below: bool,
}

impl Origin {
    /// Is this a URL of this origin?
    #[must_use]
    pub fn covers(&self, url: &Url) -> bool {
        let Some(host) = url.host() else { return false };
        let scheme = if self.secure { "https" } else { "http" };
        url.scheme() == scheme
            && url.port_or_known_default() == Some(self.port)
            && match (&self.host, host) {
                (Host::Domain(domain), Host::Domain(name)) if self.below => {
                    name.strip_suffix(domain.as_str()).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
                }
                (own, host) => *own == host,
            }
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |why: &str| {
            Err(format!(
                "{text:?} is not an origin{why}; write it like \"https://api.example.com\" or \"https://*.example.com\""
            ))
        };
        let below = text.contains("://*.");
        let Ok(url) = Url::parse(&text.replacen("://*.", "://", 1)) else { return wrong("") };
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return wrong(": its scheme is neither https nor http"),
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return wrong(": a path is not part of one");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong(": a user is not part of one");
        }
        let (Some(host), Some(port)) = (url.host().map(|host| host.to_owned()), url.port_or_known_default()) else {
            return wrong("");
        };
        match &host {
            Host::Domain(name) if name.contains('*') => wrong(": a * stands only at the beginning of the host"),
            Host::Domain(name) if below && !name.trim_end_matches('.').contains('.') => {
                wrong(": everything below a top-level domain is too much")
            }
            Host::Ipv4(_) | Host::Ipv6(_) if below => wrong(": there is nothing below an address"),
            _ => Ok(Self { secure, host, port, below }),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", if self.below { "*." } else { "" }, self.host)?;
        if self.port == if self.secure { 443 } else { 80 } { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(origin: &str, url: &str) -> bool {
        Origin::try_from(origin.to_owned()).unwrap().covers(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(covers("https://api.example.com", "https://API.example.com/v3/mail?x=1"));
        assert!(covers("https://api.example.com/", "https://api.example.com:443/"));
        assert!(covers("http://localhost:8080", "http://localhost:8080/"));
        assert!(covers("http://[::1]", "http://[0:0::1]/"));
        assert!(covers("http://127.0.0.1", "http://127.1/"));
        for url in [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://example.com/",
            "https://x.api.example.com/",
            "https://api.example.com.evil.com/",
            "https://api.example.com./",
            "https://evil.com/?https://api.example.com",
        ] {
            assert!(!covers("https://api.example.com", url), "{url}");
        }
    }

    #[test]
    fn a_star_stands_for_what_is_below() {
        assert!(covers("https://*.example.com", "https://a.example.com/"));
        assert!(covers("https://*.example.com", "https://a.b.example.com/"));
        for url in ["https://example.com/", "https://badexample.com/", "https://.example.com/", "http://a.example.com/"]
        {
            assert!(!covers("https://*.example.com", url), "{url}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "*",
            "api.example.com",
            "https://",
            "ftp://example.com",
            "https://example.com/path",
            "https://example.com/?q",
            "https://user@example.com",
            "https://*.com",
            "https://*",
            "https://a.*.com",
            "https://*.127.0.0.1",
            "https://*.*.example.com",
        ] {
            assert!(Origin::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_prints_as_it_is_written() {
        for text in
            ["https://api.example.com", "https://*.example.com", "http://localhost:8080", "https://example.com:80"]
        {
            assert_eq!(Origin::try_from(text.to_owned()).unwrap().to_string(), text);
        }
    }
}
