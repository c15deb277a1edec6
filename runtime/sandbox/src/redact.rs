//! Keeps a sender's secrets out of what is kept of its words. A sender may put what a provider answered into its reason,
//! and providers like to repeat the key that they refuse.

use std::fmt;
use std::path::Path;

use url::form_urlencoded;

use crate::manifest::{HeaderSource, Manifest, basic_credentials};

/// A shorter secret is none, and would be found in everything.
const MIN_SECRET: usize = 4;
/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// The values of one manifest's `[secrets]`, in every form in which they are sent.
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
        let mut secrets = Vec::new();
        for (key, secret) in &manifest.secrets {
            let Ok(value) = secret.resolve(key, dir, env) else { continue };
            if value.len() < MIN_SECRET {
                continue;
            }
            for (_, header) in manifest.http.headers.iter() {
                if let HeaderSource::Basic { user, secret } = &header.source
                    && secret == key
                {
                    secrets.push(basic_credentials(user, &value));
                }
            }
            secrets.extend(secret_forms(&value));
        }
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
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

/// A secret as it is, in a form, in a URL, and in JSON: how it may stand in what is sent and answered.
#[must_use]
pub fn secret_forms(value: &str) -> Vec<String> {
    let form: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let url = form.replace('+', "%20");
    let json = serde_json::Value::from(value).to_string();
    let mut forms = vec![value.to_owned(), lower(&form), lower(&url), form, url, json[1..json.len() - 1].to_owned()];
    forms.sort();
    forms.dedup();
    forms
}

/// The same with the digits of `%2F` in lower case, as some write them.
fn lower(encoded: &str) -> String {
    let mut left = 0;
    let lower = |c: char| {
        left = if c == '%' { 3 } else { left - i32::from(left > 0) };
        if left > 0 { c.to_ascii_lowercase() } else { c }
    };
    encoded.chars().map(lower).collect()
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

    #[test]
    fn secrets_are_taken_out_in_the_forms_in_which_they_are_sent() {
        let text = "[http]\nallow = [\"https://a.example\"]\n[http.headers.\"https://a.example\"]\n\
                    authorization = { basic = \"me\", secret = \"key\" }\n[secrets]\nkey = { env = \"KEY\" }";
        let env = |_: &str| Some("a/b \"c\"+d".to_owned());
        let redactor = Redactor::of(&Manifest::parse(text).unwrap(), Path::new("."), &env);
        let credentials = basic_credentials("me", "a/b \"c\"+d");
        for told in ["a/b \"c\"+d", "a%2Fb+%22c%22%2Bd", "a%2fb%20%22c%22%2bd", r#"a/b \"c\"+d"#, credentials.as_str()]
        {
            assert_eq!(redactor.redact(format!("no: {told}.")), "no: [redacted].", "{told}");
        }
    }
}
