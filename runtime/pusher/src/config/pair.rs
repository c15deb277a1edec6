//! A key and its secret, from wherever they are told: for `serve`, which checks signatures, and for those who sign.

use std::path::{Path, PathBuf};

use pusher_core::signing::Secret;

use super::ConfigError;

/// The pair of `--key` and `--secret` or `--secret-file`.
#[derive(Default)]
pub(super) struct OnePair {
    pub(super) key: Option<String>,
    pub(super) secret: Option<Secret>,
    pub(super) secret_file: Option<PathBuf>,
}

impl OnePair {
    /// What was said, over what is in the file. A secret that was said, either way, stands for one in the file, either
    /// way.
    pub(super) fn or(self, file: Self) -> Self {
        let said = self.secret.is_some() || self.secret_file.is_some();
        let (secret, secret_file) =
            if said { (self.secret, self.secret_file) } else { (file.secret, file.secret_file) };
        Self { key: self.key.or(file.key), secret, secret_file }
    }

    /// The key and its secret; `None` if there is neither.
    ///
    /// # Errors
    /// [`ConfigError`] if one of the two is missing, or the secret cannot be had.
    pub(super) fn resolve(self) -> Result<Option<(String, Secret)>, ConfigError> {
        match (self.key, secret(self.secret, self.secret_file.as_deref())?) {
            (None, None) => Ok(None),
            (Some(key), Some(secret)) => Ok(Some((key, secret))),
            (Some(_), None) => Err(ConfigError::Missing {
                name: "--secret",
                reason: "the key needs its secret: give --secret-file or PUSHER_SECRET",
            }),
            (None, Some(_)) => Err(ConfigError::Missing {
                name: "--key",
                reason: "the secret is of no use without its key: give --key or PUSHER_KEY",
            }),
        }
    }
}

/// A secret that is given as it is or in a file, but not both. A file's last line end is no part of the secret.
///
/// # Errors
/// [`ConfigError`] if it is given both ways, or the file cannot be read.
pub(super) fn secret(text: Option<Secret>, path: Option<&Path>) -> Result<Option<Secret>, ConfigError> {
    let Some(path) = path else { return Ok(text) };
    let refused = |reason| ConfigError::Value { name: "--secret-file", value: path.display().to_string(), reason };
    if text.is_some() {
        return Err(refused("the secret is given as it is, too; give one of the two".into()));
    }
    let read = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    let line = read.strip_suffix('\n').unwrap_or(&read);
    Ok(Some(Secret::new(line.strip_suffix('\r').unwrap_or(line))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: Option<&str>, secret: Option<&str>) -> OnePair {
        OnePair { key: key.map(Into::into), secret: secret.map(Into::into), secret_file: None }
    }

    #[test]
    fn a_key_and_its_secret_belong_together() {
        assert_eq!(pair(None, None).resolve().unwrap(), None);
        assert_eq!(pair(Some("k"), Some("s")).resolve().unwrap(), Some(("k".into(), "s".into())));
        for (alone, missing) in [(pair(Some("k"), None), "--secret"), (pair(None, Some("s")), "--key")] {
            let error = alone.resolve().unwrap_err().to_string();
            assert!(error.starts_with(missing), "{error}");
        }
    }

    #[test]
    fn what_is_said_wins_over_the_file() {
        let said = pair(Some("k"), None).or(pair(Some("other"), Some("s")));
        assert_eq!(said.resolve().unwrap(), Some(("k".into(), "s".into())));
        let file = || OnePair { key: Some("k".into()), secret: None, secret_file: Some("/nonexistent".into()) };
        let said = pair(None, Some("said")).or(file());
        assert_eq!(said.resolve().unwrap(), Some(("k".into(), "said".into())), "the file's secret-file does not count");
        assert!(pair(None, None).or(file()).resolve().unwrap_err().to_string().contains("/nonexistent"));
    }

    #[test]
    fn a_secret_can_lie_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (content, read) in [("s 1", "s 1"), ("s 1\n", "s 1"), ("s 1\r\n", "s 1"), ("s\n\n", "s\n"), ("\n", "")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(secret(None, Some(&path)).unwrap(), Some(Secret::new(read)), "{content:?}");
        }
        let both = secret(Some("geheim".into()), Some(&path)).unwrap_err().to_string();
        assert!(both.contains("--secret-file") && both.contains("one of the two"), "{both}");
        assert!(!both.contains("geheim"), "{both}");
    }
}
