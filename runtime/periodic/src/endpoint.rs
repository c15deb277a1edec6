//! Where a Periodic server listens: `tcp://host:port`, `tls://host:port` or `unix:///path`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// An address in the form that every Periodic program takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `tcp://host:port`. Without a host (`tcp://:5000`) a listener takes every interface and a client the local host.
    Tcp {
        /// A name or an address; IPv6 without its brackets.
        host: String,
        /// Never 0, except to let a listener choose.
        port: u16,
    },
    /// `tls://host:port`: the same, with TLS over it. A client wants a certificate for this host.
    Tls {
        /// As with TCP.
        host: String,
        /// As with TCP.
        port: u16,
    },
    /// `unix:///path`.
    Unix(PathBuf),
}

/// What is wrong with the text of an [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address ({reason}); write tcp://host:port, tls://host:port or unix:///path")]
pub struct EndpointError {
    text: String,
    reason: &'static str,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = |reason| EndpointError { text: text.to_owned(), reason };
        if let Some(path) = text.strip_prefix("unix://") {
            return if path.is_empty() { Err(wrong("the path is missing")) } else { Ok(Self::Unix(path.into())) };
        }
        let (tls, address) = match (text.strip_prefix("tcp://"), text.strip_prefix("tls://")) {
            (Some(address), _) => (false, address),
            (_, Some(address)) => (true, address),
            _ => return Err(wrong("the scheme is none of tcp, tls and unix")),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?;
        let port = port.parse().map_err(|_| wrong("the port is not a number up to 65535"))?;
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.strip_suffix(']').ok_or_else(|| wrong("a bracket is not closed"))?,
            None if host.contains(':') => return Err(wrong("an IPv6 address goes in brackets")),
            None => host,
        };
        let host = host.to_owned();
        Ok(if tls { Self::Tls { host, port } } else { Self::Tcp { host, port } })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Tls { host, port } => ("tls", host, port),
            Self::Unix(path) => return write!(f, "unix://{}", path.display()),
        };
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_they_were_written() {
        for text in [
            "tcp://localhost:5000",
            "tcp://:5000",
            "tcp://[::1]:5000",
            "tls://h:1",
            "tls://[::1]:1",
            "unix:///tmp/periodic.sock",
        ] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for text in [
            "",
            "localhost:5000",
            "udp://x:1",
            "tcp://x",
            "tcp://x:y",
            "tcp://::1:5",
            "tcp://[::1:5",
            "tls://x",
            "unix://",
        ] {
            let error = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
