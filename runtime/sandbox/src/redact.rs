//! Keeps a sender's secrets out of what is kept of its words. A sender may put what a provider answered into its reason,
//! and providers like to repeat the key that they refuse.

use std::fmt;
use std::path::Path;

use crate::manifest::Manifest;

/// A shorter secret is none, and would be found in everything.
const MIN_SECRET: usize = 4;
/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// The values of one manifest's `[secrets]`.
pub(crate) struct Redactor {
    /// Longest first, because one may be a part of another.
    secrets: Vec<String>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.secrets.len())
    }
}

impl Redactor {
    /// Of the secrets that can be had. Whoever needs one that cannot says so.
    pub(crate) fn of(manifest: &Manifest, dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let resolved = manifest.secrets.iter().filter_map(|(key, secret)| secret.resolve(key, dir, env).ok());
        let mut secrets: Vec<_> = resolved.filter(|secret| secret.len() >= MIN_SECRET).collect();
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    /// The text without them.
    pub(crate) fn redact(&self, mut text: String) -> String {
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), REDACTED);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_nothing_else() {
        let text = "[secrets]\nlong = { env = \"LONG\" }\npart = { env = \"PART\" }\nshort = { env = \"SHORT\" }\nno = { env = \"NO\" }";
        let env = |name: &str| match name {
            "LONG" => Some("key-0123".to_owned()),
            "PART" => Some("0123".to_owned()),
            "SHORT" => Some("k".to_owned()),
            _ => None,
        };
        let redactor = Redactor::of(&Manifest::parse(text).unwrap(), Path::new("."), &env);
        assert_eq!(
            redactor.redact("the key key-0123 is not 0123, ok?".into()),
            "the key [redacted] is not [redacted], ok?"
        );
        assert_eq!(format!("{redactor:?}"), "2 secrets");
    }
}
