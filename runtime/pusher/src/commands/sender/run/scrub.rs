//! Keeps secrets out of what is written down and shown: each value of `[secrets]` becomes a placeholder, in the forms in which
//! requests carry it. What a sender makes of a secret by a digest, such as a signature, does not give it away and stays.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pusher::sandbox::secret_forms;

/// How an `authorization` begins that holds a user and a password in Base64.
const BASIC: &str = "Basic ";

/// The shortest secret that can be hidden, in bytes.
pub(super) const MIN_BYTES: usize = 4;

/// What stands for the secret under this key. Of characters that no form, URL or JSON writes in another way.
pub(super) fn placeholder(key: &str) -> String {
    let key: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("SECRET-{key}")
}

/// What to look for, and what to put in its place.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    pairs: Vec<(String, String)>,
}

impl Scrub {
    /// Hides these secrets, which are given as key and value. One that is too short to be told from other text is not hidden.
    pub(super) fn new(secrets: &[(String, String)]) -> Self {
        let mut pairs = Vec::new();
        for (key, value) in secrets.iter().filter(|(_, value)| value.len() >= MIN_BYTES) {
            for form in secret_forms(value) {
                pairs.push((form, placeholder(key)));
            }
        }
        // A secret may be a part of another one.
        pairs.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
        Self { pairs }
    }

    /// The text without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        // Whole secrets are taken out and text is put in, so what is left is UTF-8.
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// The bytes without secrets.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut clean = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            match self.pairs.iter().find(|(form, _)| rest.starts_with(form.as_bytes())) {
                Some((form, placeholder)) => {
                    clean.extend_from_slice(placeholder.as_bytes());
                    rest = &rest[form.len()..];
                }
                None => {
                    clean.push(*first);
                    rest = &rest[1..];
                }
            }
        }
        clean
    }

    /// A header's value without secrets, those in Base64 included.
    pub(super) fn header(&self, value: &str) -> String {
        let decoded = value.strip_prefix(BASIC).and_then(|credentials| STANDARD.decode(credentials.trim()).ok());
        match decoded.map(|credentials| (self.bytes(&credentials), credentials)) {
            Some((clean, credentials)) if clean != credentials => format!("{BASIC}{}", STANDARD.encode(clean)),
            // The secret may be what is in Base64 already.
            _ => self.text(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(value: &str) -> Scrub {
        Scrub::new(&[("api.key".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_secret_is_hidden_in_every_form_in_which_requests_carry_it() {
        let scrub = scrub("a/b \"c\"+d");
        for (carried, hidden) in [
            ("Bearer a/b \"c\"+d", "Bearer SECRET-api_key"),
            ("k=a%2Fb+%22c%22%2Bd&x=1", "k=SECRET-api_key&x=1"),
            ("/a%2fb%20%22c%22%2bd/x", "/SECRET-api_key/x"),
            (r#"{"k":"a/b \"c\"+d"}"#, r#"{"k":"SECRET-api_key"}"#),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(scrub.text(carried), hidden);
        }
        assert_eq!(scrub.bytes(b"\xff a/b \"c\"+d \xfe"), b"\xff SECRET-api_key \xfe");
    }

    #[test]
    fn basic_authorization_is_looked_into() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(scrub("s3cret").header(&basic("me:s3cret")), basic("me:SECRET-api_key"));
        assert_eq!(scrub("s3cret").header(&basic("me:other")), basic("me:other"));
        assert_eq!(scrub("s3cret").header("Basic s3cret"), "Basic SECRET-api_key");
        assert_eq!(scrub("bWU6eA==").header("Basic bWU6eA=="), "Basic SECRET-api_key");
    }

    #[test]
    fn the_longer_of_two_secrets_comes_first_and_what_is_hidden_is_not_looked_into() {
        let secrets =
            [("a", "ECRET"), ("b", "ECRET-and-more"), ("c", "abc")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(Scrub::new(&secrets).text("ECRET-and-more ECRET abc ü"), "SECRET-b SECRET-a abc ü");
    }
}
