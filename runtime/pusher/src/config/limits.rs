//! What requests and connections may take: the table `[serve.limits]` of the file.

use std::time::Duration;

use pusher_api::Limits;
use pusher_api::auth::DEFAULT_NONCES;
use pusher_sandbox::manifest::{Bytes, Time};
use serde::Deserialize;

use super::ConfigError;
use crate::http::Connections;

/// Longest body that can be allowed: each is held in memory, for every request at once.
const MAX_BODY: u64 = 1 << 30;

/// What may be said about limits; `None`: nothing was said.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitSettings {
    /// [`Limits::body`], as in `"2MiB"`.
    pub body: Option<Bytes>,
    /// [`Limits::timeout`], as in `"30s"`.
    pub timeout: Option<Time>,
    /// [`Limits::concurrent`].
    pub requests: Option<usize>,
    /// [`Connections::most`].
    pub connections: Option<usize>,
    /// [`Connections::idle`], as in `"60s"`.
    pub idle: Option<Time>,
    /// How many nonces are remembered at once of each key; [`DEFAULT_NONCES`] unless said otherwise.
    pub nonces: Option<usize>,
}

impl LimitSettings {
    /// What holds for requests, for connections and for nonces.
    pub(super) fn resolve(self) -> Result<(Limits, Connections, usize), ConfigError> {
        let (limits, connections) = (Limits::default(), Connections::default());
        let limits = Limits {
            body: self.body.map_or(Ok(limits.body), body)?,
            timeout: self.timeout.map_or(limits.timeout, Time::duration),
            concurrent: at_least_one("requests", self.requests, limits.concurrent)?,
            ..limits
        };
        let connections = Connections {
            most: at_least_one("connections", self.connections, connections.most)?,
            idle: idle(self.idle.map(Time::duration), connections.idle, limits.timeout)?,
        };
        Ok((limits, connections, at_least_one("nonces", self.nonces, DEFAULT_NONCES)?))
    }
}

fn refused(name: &'static str, value: &impl ToString, reason: impl Into<String>) -> ConfigError {
    ConfigError::Value { name, value: value.to_string(), reason: reason.into() }
}

fn at_least_one(name: &'static str, said: Option<usize>, default: usize) -> Result<usize, ConfigError> {
    match said.unwrap_or(default) {
        0 => Err(refused(name, &0, "give a number from 1")),
        number => Ok(number),
    }
}

fn body(said: Bytes) -> Result<usize, ConfigError> {
    let bytes = usize::try_from(said.0).ok().filter(|_| (1..=MAX_BODY).contains(&said.0));
    bytes.ok_or_else(|| refused("body", &said, "give a size from 1B to 1GiB"))
}

/// A request must have had its time before its connection is taken for idle.
fn idle(said: Option<Duration>, default: Duration, timeout: Duration) -> Result<Duration, ConfigError> {
    match said {
        None => Ok(default.max(timeout * 2)),
        Some(idle) if idle > timeout => Ok(idle),
        Some(idle) => {
            let reason = format!("give more than the timeout of a request, which is {timeout:?}");
            Err(refused("idle", &format_args!("{idle:?}"), reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<(Limits, Connections, usize), String> {
        let settings: LimitSettings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let (limits, connections, nonces) = resolve("").unwrap();
        assert_eq!((limits.body, limits.timeout, limits.concurrent), (2 << 20, Duration::from_secs(30), 1024));
        assert_eq!((connections, nonces), (Connections::default(), DEFAULT_NONCES));
    }

    #[test]
    fn every_limit_can_be_said() {
        let said = "body = \"16KiB\"\ntimeout = \"5s\"\nrequests = 7\nconnections = 8\nidle = \"6s\"\nnonces = 9";
        let (limits, connections, nonces) = resolve(said).unwrap();
        assert_eq!((limits.body, limits.timeout, limits.concurrent), (16 << 10, Duration::from_secs(5), 7));
        assert_eq!((connections.most, connections.idle, nonces), (8, Duration::from_secs(6), 9));
    }

    #[test]
    fn a_longer_timeout_is_given_a_longer_idle_time() {
        assert_eq!(resolve("timeout = \"5m\"").unwrap().1.idle, Duration::from_secs(600));
    }

    #[test]
    fn limits_that_cannot_be_are_refused_by_name() {
        for (said, name) in [
            ("body = \"0B\"", "body"),
            ("body = \"2GiB\"", "body"),
            ("body = 5", "body"),
            ("timeout = \"0s\"", "not a time"),
            ("requests = 0", "requests"),
            ("connections = 0", "connections"),
            ("idle = \"30s\"", "idle"),
            ("nonces = 0", "nonces"),
            ("conections = 5", "conections"),
        ] {
            let error = resolve(said).unwrap_err();
            assert!(error.contains(name), "{said}: {error}");
        }
    }
}
