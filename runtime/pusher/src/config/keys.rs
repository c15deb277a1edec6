//! Who may ask for what: the pairs of key and secret that `serve` takes, each with its scopes.

use std::path::PathBuf;
use std::str::FromStr;

use periodic::{Clock, SystemClock};
use pusher_api::Auth;
use pusher_api::auth::{KeyPair, Schemes, Scope, Scopes};
use pusher_core::signing::Secret;
use serde::Deserialize;

use super::ConfigError;
use super::pair::{OnePair, secret};

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
    let mut pairs = Vec::new();
    if let Some((key, secret)) = one.resolve()? {
        pairs.push(KeyPair::new(&key, secret, Scopes::ALL)?);
    }
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
