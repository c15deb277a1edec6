//! What the commands that are clients of the REST API need to know.

use std::path::PathBuf;

use pusher_client::{Credentials, Scheme, base_url};
use pusher_core::signing::Secret;
use serde::Deserialize;
use url::Url;

use super::signing::SigningSettings;
use super::{ConfigError, DEFAULT_HOST, File};

/// What may be said on the command line about the API server; `None`: nothing was said.
#[derive(Debug, Default)]
pub struct ApiSettings {
    /// Its base URL.
    pub api: Option<String>,
    /// What to sign with.
    pub signing: SigningSettings,
}

/// The same in the file: `[client]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is documented where it is parsed, as a flag")]
pub struct ClientSettings {
    pub api: Option<String>,
    pub key: Option<String>,
    pub secret: Option<Secret>,
    pub secret_file: Option<PathBuf>,
    pub sign: Option<Scheme>,
}

/// Where the API server is, and whom to speak for.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The base URL of the API server.
    pub api: Url,
    /// What to sign with, if the server has keys.
    pub credentials: Option<Credentials>,
}

impl ApiConfig {
    /// Joins what was said to what was in the file and to the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that cannot be.
    pub fn resolve(said: ApiSettings, file: File) -> Result<Self, ConfigError> {
        let ClientSettings { api, key, secret, secret_file, sign } = file.client;
        Ok(Self {
            api: address(said.api.or(api))?,
            credentials: said.signing.resolve(SigningSettings { key, secret, secret_file, sign })?,
        })
    }
}

/// The base URL of the API server.
pub(super) fn address(said: Option<String>) -> Result<Url, ConfigError> {
    let said = said.unwrap_or_else(|| format!("http://{DEFAULT_HOST}"));
    base_url(&said).map_err(|error| ConfigError::Value { name: "--api", reason: error.to_string(), value: said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_wins_over_the_file_and_that_over_the_default() {
        let file = |text| toml::from_str::<File>(text).unwrap();
        let nothing = ApiConfig::resolve(ApiSettings::default(), File::default()).unwrap();
        assert_eq!((nothing.api.as_str(), nothing.credentials.is_none()), ("http://localhost:6000/", true));
        let text = "[client]\napi = \"http://file:1\"\nkey = \"k\"\nsecret = \"s\"\nsign = \"v1\"";
        let config = ApiConfig::resolve(ApiSettings::default(), file(text)).unwrap();
        assert_eq!((config.api.as_str(), config.credentials.is_some()), ("http://file:1/", true));
        let said = ApiSettings { api: Some("said:2".into()), ..ApiSettings::default() };
        assert_eq!(ApiConfig::resolve(said, file(text)).unwrap().api.as_str(), "http://said:2/");
        assert!(toml::from_str::<File>("[client]\nsign = \"v3\"").is_err());
    }

    #[test]
    fn an_address_that_is_none_is_refused_by_name() {
        let said = ApiSettings { api: Some("ftp://x".into()), ..ApiSettings::default() };
        let error = ApiConfig::resolve(said, File::default()).unwrap_err().to_string();
        assert!(error.starts_with("--api"), "{error}");
    }
}
