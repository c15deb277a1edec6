//! A key and its secret, from wherever they are told, for those who sign requests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use periodic::{Clock, SystemClock};
use pusher_client::{Credentials, Scheme};
use pusher_core::signing::Secret;

use super::ConfigError;

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
        // A secret that was said, either way, stands for one in the file, either way.
        let said_secret = self.secret.is_some() || self.secret_file.is_some();
        let (text, path) = if said_secret { (self.secret, self.secret_file) } else { (file.secret, file.secret_file) };
        let (key, secret) = match (self.key.or(file.key), secret(text, path.as_deref())?) {
            (Some(key), Some(secret)) => (key, secret),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                let reason = "the key needs its secret: give --secret-file or PUSHER_SECRET";
                return Err(ConfigError::Missing { name: "--secret", reason });
            }
            (None, Some(_)) => {
                let reason = "the secret is of no use without its key: give --key or PUSHER_KEY";
                return Err(ConfigError::Missing { name: "--key", reason });
            }
        };
        let scheme = self.sign.or(file.sign).unwrap_or_default();
        let credentials = Credentials::new(&key, secret, scheme, Arc::new(|| SystemClock.now()));
        credentials.map(Some).map_err(|error| ConfigError::Value {
            name: "--key",
            value: key,
            reason: error.to_string(),
        })
    }
}

/// A secret that is given as it is or in a file, but not both. A file's last line end is no part of the secret.
///
/// # Errors
/// [`ConfigError`] if it is given both ways, or the file cannot be read or holds nothing.
pub(super) fn secret(text: Option<Secret>, path: Option<&Path>) -> Result<Option<Secret>, ConfigError> {
    let Some(path) = path else { return Ok(text) };
    let refuse =
        |reason: String| ConfigError::Value { name: "--secret-file", value: path.display().to_string(), reason };
    if text.is_some() {
        return Err(refuse("there is a --secret too; give one of the two".to_owned()));
    }
    let read = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let line = read.strip_suffix('\n').unwrap_or(&read);
    let secret = Secret::new(line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() { Err(refuse("the file is empty".to_owned())) } else { Ok(Some(secret)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(key: Option<&str>, secret: Option<&str>) -> SigningSettings {
        SigningSettings {
            key: key.map(ToOwned::to_owned),
            secret: secret.map(Secret::new),
            ..SigningSettings::default()
        }
    }

    #[test]
    fn a_key_and_its_secret_belong_together() {
        assert!(said(None, None).resolve(said(None, None)).unwrap().is_none());
        assert!(said(Some("k"), Some("s")).resolve(said(None, None)).unwrap().is_some());
        assert!(said(Some("k"), None).resolve(said(Some("other"), Some("s"))).unwrap().is_some());
        for (settings, name) in [(said(Some("k"), None), "--secret"), (said(None, Some("s")), "--key")] {
            let error = settings.resolve(said(None, None)).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn a_secret_can_lie_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let read = |content: &str| {
            std::fs::write(&path, content).unwrap();
            secret(None, Some(&path))
        };
        for content in ["s 1", "s 1\n", "s 1\r\n"] {
            assert_eq!(read(content).unwrap(), Some(Secret::new("s 1")), "{content:?}");
        }
        assert_eq!(read("s\n\n").unwrap(), Some(Secret::new("s\n")));
        assert!(read("\n").unwrap_err().to_string().contains("empty"));
        let both = secret(Some(Secret::new("s")), Some(&path)).unwrap_err().to_string();
        assert!(both.contains("--secret-file") && both.contains("one of the two"), "{both}");
        let absent = secret(None, Some(Path::new("/nonexistent/secret"))).unwrap_err().to_string();
        assert!(absent.contains("/nonexistent/secret"), "{absent}");
    }

    #[test]
    fn no_error_shows_a_secret() {
        let settings = said(Some("k\n"), Some("geheim"));
        assert!(!format!("{settings:?}").contains("geheim"));
        let error = settings.resolve(said(None, None)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }
}
