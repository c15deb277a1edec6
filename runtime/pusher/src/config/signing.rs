//! What the commands sign their requests with, and a worker its own.

use std::path::PathBuf;
use std::sync::Arc;

use periodic::{Clock, SystemClock};
use pusher_client::{Credentials, Scheme};
use pusher_core::signing::Secret;

use super::ConfigError;
use super::pair::OnePair;

/// What may be said about the key to sign with; `None`: nothing was said.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is documented where it is parsed, as a flag")]
pub struct SigningSettings {
    pub key: Option<String>,
    pub secret: Option<Secret>,
    pub secret_file: Option<PathBuf>,
    pub sign: Option<Scheme>,
}

impl SigningSettings {
    /// What to sign with, by what was said over what is in the file; `None`: nothing, for a server without keys.
    pub(super) fn resolve(self, file: Self) -> Result<Option<Credentials>, ConfigError> {
        let scheme = self.sign.or(file.sign).unwrap_or_default();
        let Some((key, secret)) = self.pair().or(file.pair()).resolve()? else { return Ok(None) };
        let credentials = Credentials::new(&key, secret, scheme, Arc::new(|| SystemClock.now()));
        credentials.map(Some).map_err(|error| ConfigError::Value {
            name: "--key",
            value: key,
            reason: error.to_string(),
        })
    }

    fn pair(self) -> OnePair {
        OnePair { key: self.key, secret: self.secret, secret_file: self.secret_file }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(key: &str, secret: &str) -> SigningSettings {
        SigningSettings { key: Some(key.into()), secret: Some(secret.into()), ..SigningSettings::default() }
    }

    #[test]
    fn nothing_is_signed_unless_there_is_a_key() {
        let nothing = SigningSettings::default;
        assert!(nothing().resolve(nothing()).unwrap().is_none());
        assert!(said("k", "s").resolve(nothing()).unwrap().is_some());
        assert!(nothing().resolve(said("k", "s")).unwrap().is_some());
    }

    #[test]
    fn new_requests_are_signed_by_the_second_scheme_unless_the_first_is_wanted() {
        let shown = |sign| format!("{:?}", SigningSettings { sign, ..said("k", "s") }.resolve(said("k", "s")).unwrap());
        assert!(shown(None).contains("V2") && shown(Some(Scheme::V1)).contains("V1"));
    }

    #[test]
    fn no_error_shows_a_secret() {
        for settings in [said("k\n", "geheim"), said("", "geheim")] {
            assert!(!format!("{settings:?}").contains("geheim"));
            let error = settings.resolve(SigningSettings::default()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("geheim"));
        }
    }
}
