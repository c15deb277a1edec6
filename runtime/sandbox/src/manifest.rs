//! What an operator writes beside a component: a TOML file that names the sender and grants it what it needs.
//!
//! ```toml
//! name = "sendmail"            # the channel; default: the name of this file
//! component = "sendmail.wasm"  # default: the name of this file with .wasm
//!
//! [http]
//! allow = ["https://api.sendgrid.com"]
//!
//! [pushers]
//! read = true
//!
//! [config]
//! from = { env = "SENDGRID_FROM" }
//!
//! [secrets]
//! api_key = { env = "SENDGRID_KEY" }
//!
//! [limits]
//! memory = "32MiB"
//! ```
//!
//! What is not granted is denied. Every key is documented on the field that holds it; one that is not known is an error
//! that names the file and the line.

mod headers;
mod origin;
mod reference;
mod section;
mod units;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pusher_core::SenderName;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use headers::basic_credentials;
pub use headers::{Header, HeaderSource, Headers};
pub use origin::Origin;
pub use reference::{reference, schema};
pub use section::{Breaker, Http, Limits, Pushers, Rate, Retry};
pub use units::{Bytes, Digest, Time};
pub use values::{ConfigValue, EnvValue, HeldSecret, Secret};

/// The largest file that is read as a manifest.
const MAX_FILE: Bytes = Bytes(1 << 20);

/// A sender's manifest. Each key and section is told in the words of its field here and in
/// [`docs/manifest.md`](reference()), which is made of them.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(description = "What a sender is called, made of, granted and held to.")]
pub struct Manifest {
    /// The channel: the name applications push to. It wins over the name that the component gives itself, so that several
    /// channels can share one component. Default: the manifest's file name without `.toml`.
    #[schemars(with = "Option<String>", length(min = 1))]
    pub name: Option<SenderName>,
    /// The component's file, relative to the manifest's directory. Default: the manifest's file name with `.wasm`.
    pub component: Option<PathBuf>,
    /// The SHA-256 of the component's file in hex. If it is given, a file with another one is refused. Default: any.
    pub sha256: Option<Digest>,
    /// `[http]`: requests to the outside. Default: none.
    #[serde(default)]
    pub http: Http,
    /// `[pushers]`: what the sender may do with recipients. Default: nothing.
    #[serde(default)]
    pub pushers: Pushers,
    /// `[config]`: values that the sender can ask for, `key = "value"` or `key = { env = "…", default = "…" }`.
    /// Default: none.
    #[serde(default)]
    pub config: BTreeMap<String, ConfigValue>,
    /// `[secrets]`: values that must not stand in a file that people share, `key = { env = "…" }` or
    /// `key = { file = "…" }`. The sender asks for them as for those in `[config]`. Default: none.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// `[limits]`: what one send may use. A send that goes over a limit is ended and tried again by the retry schedule.
    /// Default: as each key says.
    #[serde(default)]
    pub limits: Limits,
    /// `[retry]`: when to try a message again that failed. Default: as each key says.
    #[serde(default)]
    pub retry: Retry,
    /// `[breaker]`: when messages are held back because they only fail. Then one at a time is tried, and the others wait,
    /// without that counting as an attempt. Each worker counts alone: one that finds the provider down holds its own
    /// messages back. Default: as each key says.
    #[serde(default)]
    pub breaker: Breaker,
    /// `[rate]`: how many messages the sender is given a second. What is above waits, without that counting as an attempt.
    /// Each worker counts alone, from its own start: for N workers write an Nth of what the provider allows. Default: as
    /// many as there are.
    pub rate: Option<Rate>,
    /// Refuse a component that imports files or sockets? Such interfaces are there, because toolchains import them unasked,
    /// and nothing is behind them: this is for who wants a sender not even to try. Default: false.
    #[serde(default)]
    pub strict: bool,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("the manifest cannot be read: {0}")]
    Unreadable(String),
    /// The file says something that is not understood.
    #[error("line {line}: {problem}")]
    Wrong {
        /// Where, counted from 1.
        line: usize,
        /// What, and what to write instead.
        problem: String,
    },
    /// An entry of a file of hooks says something that is not understood.
    #[error("entry {number}: {problem}")]
    Hook {
        /// Which, counted from 1.
        number: usize,
        /// What, and what to write instead.
        problem: String,
    },
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] if the file cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let unreadable = |error: std::io::Error| ManifestError::Unreadable(error.to_string());
        if fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE.0 {
            return Err(ManifestError::Unreadable(format!("it is larger than {MAX_FILE}")));
        }
        Self::parse(&fs::read_to_string(path).map_err(unreadable)?)
    }

    /// The files that secrets are read from, relative to the manifest's directory.
    pub fn secret_files(&self) -> impl Iterator<Item = &Path> {
        self.secrets.values().filter_map(|secret| match secret {
            Secret::File(path) => Some(path.as_path()),
            Secret::Env(_) | Secret::Held(_) => None,
        })
    }

    /// The secrets that the sender is told, by their keys: all but those that the host puts into headers.
    pub fn told_secrets(&self) -> impl Iterator<Item = (&String, &Secret)> {
        self.secrets.iter().filter(|(key, _)| !self.http.headers.uses(key))
    }

    /// Is there anything that the `config` capability would tell the sender?
    pub(crate) fn tells(&self) -> bool {
        !self.config.is_empty() || self.told_secrets().next().is_some()
    }

    /// Parses the text of a manifest.
    ///
    /// # Errors
    /// [`ManifestError::Wrong`] with the line.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let wrong = |at: usize, problem: &str| {
            let line = text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
            // A key can have any character in it, and is told as it is.
            let problem = problem.trim().replace('\n', ", ").replace(char::is_control, "\u{fffd}");
            ManifestError::Wrong { line, problem }
        };
        let manifest: Self =
            toml::from_str(text).map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message()))?;
        manifest
            .http
            .headers
            .check(&manifest.http.allow, &manifest.secrets)
            .map_err(|(at, problem)| wrong(at, &problem))?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        Manifest::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_that_says_nothing_grants_nothing() {
        let manifest = Manifest::parse("").unwrap();
        assert!(manifest.http.allow.is_empty() && !manifest.http.private);
        assert!(!manifest.pushers.read && !manifest.pushers.push && !manifest.pushers.fan_out);
        assert!(manifest.config.is_empty() && manifest.secrets.is_empty());
        assert_eq!(manifest.limits, Limits::default());
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line_and_what_is_known() {
        assert_eq!(
            wrong("name = \"a\"\n\n[http]\nalow = []"),
            "line 4: unknown field `alow`, expected one of `allow`, `private`, `headers`"
        );
        assert!(wrong("colour = 1").starts_with("line 1: unknown field `colour`, expected one of `name`, `component`"));
        assert!(wrong("[limits]\nmemory = \"1MiB\"\nfuel = 1").starts_with("line 3: unknown field `fuel`"));
        assert!(wrong("[secrets]\na = { env = \"A\", file = \"b\" }").starts_with("line 2: "));
        assert!(wrong("[config]\na = { environment = \"A\" }").starts_with("line 2: unknown field `environment`"));
    }

    #[test]
    fn a_value_that_is_not_one_is_an_error_with_its_line_and_what_to_write() {
        assert_eq!(
            wrong("[limits]\n\ncpu = \"fast\""),
            "line 3: \"fast\" is not a time; write it like \"200ms\", \"30s\", \"5m\", \"2h\" or \"1d\""
        );
        assert_eq!(
            wrong("[limits]\nmemory = \"64\""),
            "line 2: \"64\" is not a size; write it like \"512B\", \"16KiB\", \"64MiB\" or \"1GiB\""
        );
        assert!(wrong("[limits]\nconcurrency = 0").starts_with("line 2: "));
        assert!(wrong("[limits]\nreuse = 0").starts_with("line 2: "));
        assert_eq!(
            wrong("[limits]\nreuse = 10001"),
            "line 2: reuse = 10001 is more messages than an instance may send; write at most 10000"
        );
        // In a list it is the line where the list begins.
        assert!(
            wrong("[http]\nallow = [\n\"api.example.com\"]")
                .starts_with("line 2: \"api.example.com\" is not an origin")
        );
        assert!(wrong("name = \"\"").starts_with("line 1: sender is empty"));
        assert!(wrong("sha256 = \"abc\"").starts_with("line 1: \"abc\" is not a SHA-256"));
        assert!(wrong("[retry]\njitter = 2.0").starts_with("line 2: "));
        assert!(wrong("[secrets]\na = \"plain\"").starts_with("line 2: a secret does not stand in the manifest"));
    }
}
