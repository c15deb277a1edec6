//! Who may ask for what: the pairs of key and secret that `serve` takes, each with its scopes.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use periodic::{Clock, SystemClock};
use pusher_api::Auth;
use pusher_api::auth::{KeyPair, Schemes, Scope, Scopes};
use pusher_core::signing::Secret;
use serde::Deserialize;

use super::ConfigError;

/// A pair in the file: a table of `[[serve.keys]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeySettings {
    /// What `X-App-Key` says.
    pub key: String,
    /// What signs; or else `secret_file`.
    pub secret: Option<Secret>,
    /// The file that holds what signs.
    pub secret_file: Option<PathBuf>,
    /// What may be done with the key. Default: everything.
    pub scopes: Option<Vec<Scope>>,
}

/// The pair of `--key` and `--secret`, which may do everything.
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

    fn resolve(self) -> Result<Option<KeyPair>, ConfigError> {
        match (self.key, secret(self.secret, self.secret_file.as_deref())?) {
            (None, None) => Ok(None),
            (Some(key), Some(secret)) => Ok(Some(KeyPair::new(&key, secret, Scopes::ALL)?)),
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

/// What lets only requests pass that one of all these pairs signed; `None` if there are no pairs, and anybody may ask for
/// anything.
pub(super) fn resolve(
    one: OnePair,
    several: Vec<KeySettings>,
    schemes: Option<&str>,
    nonces: usize,
) -> Result<Option<Auth>, ConfigError> {
    let schemes = schemes.map(|text| {
        let refused =
            |reason: &str| ConfigError::Value { name: "--schemes", value: text.into(), reason: reason.into() };
        Schemes::from_str(text).map_err(refused)
    });
    let schemes = schemes.transpose()?;
    let mut pairs: Vec<KeyPair> = one.resolve()?.into_iter().collect();
    for KeySettings { key, secret: text, secret_file, scopes } in several {
        let Some(secret) = secret(text, secret_file.as_deref())? else {
            let reason = "give it a secret or a secret-file".into();
            return Err(ConfigError::Value { name: "the key", value: key, reason });
        };
        pairs.push(KeyPair::new(&key, secret, scopes.map_or(Scopes::ALL, Scopes::from_iter))?);
    }
    match (pairs.is_empty(), schemes) {
        (true, None) => Ok(None),
        (true, Some(_)) => Err(ConfigError::Missing {
            name: "--key",
            reason: "--schemes says how requests are signed, and there is no key to sign them with",
        }),
        (false, schemes) => {
            let auth = Auth::new(pairs, || SystemClock.now())?.schemes(schemes.unwrap_or_default());
            Ok(Some(auth.nonces(nonces)))
        }
    }
}

/// A secret that is given as it is or in a file, but not both. A file's last line end is no part of the secret.
fn secret(text: Option<Secret>, path: Option<&Path>) -> Result<Option<Secret>, ConfigError> {
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
    use std::path::Path;

    use super::super::{File, ServeConfig, ServeSettings};

    /// The configuration of this file and these flags, as it is shown; or what is wrong with it.
    fn shown(said: ServeSettings, file: &str) -> Result<String, String> {
        let file = File::parse(file, Path::new("p.toml"));
        let config = file.and_then(|file| ServeConfig::resolve(said, file));
        let config = config.map_err(|error| format!("{error} {error:?}"))?;
        Ok(config.auth.map_or("nobody".into(), |auth| format!("{auth:?}")))
    }

    fn said(key: Option<&str>, secret: Option<&str>) -> ServeSettings {
        ServeSettings { key: key.map(Into::into), secret: secret.map(Into::into), ..ServeSettings::default() }
    }

    #[test]
    fn without_a_key_anybody_may_ask() {
        assert_eq!(shown(said(None, None), "").unwrap(), "nobody");
    }

    #[test]
    fn one_pair_may_do_everything_by_both_schemes() {
        let one = shown(said(Some("k"), Some("geheim")), "").unwrap();
        assert!(one.contains("\"k\"") && one.contains("Read, Write, Push") && one.contains("Both"), "{one}");
        assert!(!one.contains("geheim"), "{one}");
        assert!(shown(said(Some("k"), None), "[serve]\nkey = \"other\"\nsecret = \"s\"").unwrap().contains("\"k\""));
    }

    #[test]
    fn the_file_has_several_pairs_each_with_its_scopes() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "from a file\n").unwrap();
        let file = format!(
            "[serve]\nschemes = \"v2\"\n[[serve.keys]]\nkey = \"a\"\nsecret = \"geheim\"\n\
             [[serve.keys]]\nkey = \"b\"\nsecret-file = {secret:?}\nscopes = [\"read\", \"push\"]",
        );
        let all = shown(said(Some("k"), Some("s")), &file).unwrap();
        for part in ["\"k\"", "\"a\"", "\"b\"", "{Read, Push}", "V2"] {
            assert!(all.contains(part), "{part} in {all}");
        }
        assert!(!all.contains("geheim") && !all.contains("from a file"), "{all}");
    }

    #[test]
    fn pairs_that_cannot_be_are_refused_without_a_word_of_their_secrets() {
        let two = |second: &str| format!("[[serve.keys]]\nkey = \"a\"\nsecret = \"geheim\"\n[[serve.keys]]\n{second}");
        let none = || said(None, None);
        let schemes = |schemes: &str| ServeSettings { schemes: Some(schemes.into()), ..none() };
        for (flags, file, part) in [
            (said(Some("k"), None), String::new(), "--secret"),
            (said(None, Some("geheim")), String::new(), "--key"),
            (said(Some("k"), Some("")), String::new(), "the secret of the key \"k\" is empty"),
            (said(Some(""), Some("geheim")), String::new(), "cannot stand in a header"),
            (said(Some("a"), Some("geheim")), two("key = \"b\"\nsecret = \"x\""), "the key \"a\" is given twice"),
            (none(), two("key = \"a\"\nsecret = \"x\""), "the key \"a\" is given twice"),
            (none(), two("key = \"b\""), "give it a secret or a secret-file"),
            (none(), two("key = \"b\"\nsecret = \"geheim\"\nscopes = []"), "the key \"b\" has no scope"),
            (none(), two("key = \"b\"\nsecret = \"geheim\"\nscopes = [\"admin\"]"), "unknown variant `admin`"),
            (none(), two("key = \"b\"\nsecret-file = \"/nonexistent\""), "/nonexistent"),
            (none(), two("key = \"b\"\nsecret = \"geheim\"\nsecret-file = \"/nonexistent\""), "one of the two"),
            (none(), two("key = \"b\"\nsecrets = \"geheim\""), "unknown field `secrets`"),
            (none(), two("key = \"b\"\nsecret = \"geheim"), "line 6"),
            (schemes("v2"), String::new(), "there is no key"),
            (schemes("v3"), String::new(), "give v1, v2 or both"),
        ] {
            let error = shown(flags, &file).unwrap_err();
            assert!(error.contains(part), "{part} in {error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn settings_are_shown_without_secrets() {
        let file: File =
            toml::from_str("[serve]\nsecret = \"geheim\"\n[[serve.keys]]\nkey = \"a\"\nsecret = \"geheim\"").unwrap();
        let shown = format!("{:?} {file:?}", said(Some("k"), Some("geheim")));
        assert!(!shown.contains("geheim"), "{shown}");
    }
}
