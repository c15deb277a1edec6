//! Keeps a sender's secrets out of what is kept of its words, and out of the log. A sender may put what a provider answered
//! into its reason, and providers like to repeat the key that they refuse. Senders shorten such answers first, so what they
//! have left of a secret counts, too.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use url::form_urlencoded;

use crate::manifest::{HeaderSource, Manifest, basic_credentials};

/// A shorter secret is none, and would be found in everything.
const MIN_SECRET: usize = 4;
/// The shortest beginning of a secret that counts as one where a text was cut, in bytes.
const MIN_CUT: usize = 4;
/// Elsewhere the sender may have put words of its own behind the cut. There the first half of a secret counts, which is held
/// to these bounds, in bytes: less is in everything, and more would give too much away.
const PART: (usize, usize) = (6, 12);
/// The shortest line that counts of a secret of several, as a private key is: the log goes by lines.
const MIN_SECRET_LINE: usize = 16;
/// The longest text that is looked at, in bytes; what is behind that is dropped. Much less is kept of any.
const MAX_TEXT: usize = 64 << 10;
/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// The values of one manifest's `[secrets]`, in every form in which they are sent.
pub(crate) struct Redactor {
    /// Longest first, because one may be a part of another.
    secrets: Vec<String>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} forms of secrets", self.secrets.len())
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
            let lines = value.lines().map(str::trim).filter(|line| line.len() >= MIN_SECRET_LINE);
            secrets.extend(lines.map(str::to_owned));
            secrets.extend(base64_forms(&value));
            secrets.extend(secret_forms(&value));
        }
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// The text without them, and without what is left of one that was cut.
    pub(crate) fn redact(&self, mut text: String) -> String {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), REDACTED);
            }
        }
        self.redact_parts(text)
    }

    fn redact_parts(&self, text: String) -> String {
        let end = text.trim_end_matches(is_closing).len();
        let (mut clean, mut kept, mut at) = (String::new(), 0, 0);
        while let Some(next) = text[at..].chars().next() {
            match self.part_at(&text, at, end) {
                Some(part) => {
                    clean.push_str(&text[kept..at]);
                    clean.push_str(REDACTED);
                    at += part;
                    kept = at;
                }
                None => at += next.len_utf8(),
            }
        }
        if kept == 0 {
            return text;
        }
        clean.push_str(&text[kept..]);
        clean
    }

    /// How many bytes of a secret begin at this place of a text whose last word ends at `end`, if they are enough to count.
    fn part_at(&self, text: &str, at: usize, end: usize) -> Option<usize> {
        let rest = &text[at..];
        let parts = self.secrets.iter().filter_map(|secret| {
            let same = rest.chars().zip(secret.chars()).take_while(|(found, wanted)| found == wanted);
            let part = same.map(|(c, _)| c.len_utf8()).sum::<usize>();
            let is_cut = || at + part >= end || rest[part..].starts_with('…') || rest[part..].starts_with("...");
            let counts = part >= (secret.len() / 2).clamp(PART.0, PART.1) || (part >= MIN_CUT && is_cut());
            counts.then_some(part)
        });
        parts.max()
    }

    /// How many bytes at the end of these may be the beginning of a secret whose rest is still to come.
    pub(crate) fn begun(&self, bytes: &[u8]) -> usize {
        let begun = self.secrets.iter().filter_map(|secret| {
            let longest = bytes.len().min(secret.len() - 1);
            (1..=longest).rev().find(|part| bytes.ends_with(&secret.as_bytes()[..*part]))
        });
        begun.max().unwrap_or(0)
    }
}

/// What is the same in the Base64 of all that has the secret in it, such as the Basic credentials that a sender makes
/// itself, wherever in it the secret stands.
fn base64_forms(value: &str) -> impl Iterator<Item = String> {
    // Three bytes are four characters. So many of those have bits of what stands before the secret, by its place.
    [(0, 0), (1, 2), (2, 3)].into_iter().filter_map(|(place, shared)| {
        let bytes = [&b"\0\0"[..place], value.as_bytes()].concat();
        let whole = bytes.len() * 4 / 3;
        let form = STANDARD_NO_PAD.encode(&bytes).get(shared..whole)?.to_owned();
        (form.len() >= MIN_SECRET).then_some(form)
    })
}

/// May it stand behind the last word of a text: a mark that says it was cut, or the end of what the text is quoted in?
fn is_closing(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '…' | '.' | ',' | ';' | '"' | '\'' | '`' | '\\' | ')' | ']' | '}' | '>' | '\u{fffd}')
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
        assert_eq!(format!("{redactor:?}"), "8 forms of secrets");
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

    /// Of one secret that a header carries, as Basic and plain.
    fn redactor(value: &'static str) -> Redactor {
        let text = "[http]\nallow = [\"https://a.example\"]\n[http.headers.\"https://a.example\"]\n\
                    authorization = { basic = \"me\", secret = \"key\" }\n[secrets]\nkey = { env = \"KEY\" }";
        Redactor::of(&Manifest::parse(text).unwrap(), Path::new("."), &|_| Some(value.to_owned()))
    }

    #[test]
    fn what_a_cut_has_left_of_a_secret_is_taken_out_at_every_length() {
        let secret = "SECRET/TOKEN+0123456789é日本 end";
        let redactor = redactor(secret);
        for form in secret_forms(secret) {
            for part in (MIN_CUT..form.len()).filter(|part| form.is_char_boundary(*part)) {
                let part = &form[..part];
                for rest in ["", "…", "...", "\"", "\\\")", " }\n", "… (cut)", "... and so on"] {
                    let told = redactor.redact(format!("401: Bearer {part}{rest}"));
                    // What closes a text may be a part of the secret itself.
                    assert!(told.starts_with("401: Bearer [redacted]"), "{told}");
                    assert!(rest.ends_with(told.strip_prefix("401: Bearer [redacted]").unwrap()), "{told}");
                }
                if part.len() >= PART.1 {
                    assert_eq!(redactor.redact(format!("{part}~ (401)")), "[redacted]~ (401)");
                }
            }
        }
        // As a sender cuts it that counts characters.
        let answer = format!("{}authorization: Bearer {secret}", "x".repeat(250));
        for characters in 276..answer.chars().count() {
            let told = redactor.redact(answer.chars().take(characters).collect());
            assert!(told.ends_with("authorization: Bearer [redacted]"), "{told}");
        }
    }

    #[test]
    fn secrets_are_taken_out_of_base64_that_the_sender_made_and_cut() {
        let secret = "SECRETTOKEN0123456789abcdef";
        let redactor = redactor(secret);
        for user in ["", "a", "ab", "abc", "me", "AC0123456789"] {
            for end in ["", "!", "!!"] {
                let made = basic_credentials(user, &format!("{secret}{end}"));
                // Characters that are the user's, if only in part.
                let others = ((user.len() + 1) * 4).div_ceil(3);
                for cut in others + MIN_CUT..=made.len() {
                    let told = redactor.redact(made[..cut].to_owned());
                    let (before, behind) = told.split_once(REDACTED).unwrap();
                    assert!(before.len() <= others && behind.len() <= 6, "{}: {told}", &made[..cut]);
                }
            }
        }
    }

    #[test]
    fn words_that_begin_as_a_secret_does_are_left_alone() {
        let redactor = redactor("https://hooks.example/T0123");
        for text in ["the http status, an https URL, https://a.example/", "http: no", "htt", "ends in htt…", ""] {
            assert_eq!(redactor.redact(text.into()), text);
        }
        assert_eq!(redactor.redact("https://hooks.example/T9".into()), "[redacted]9");
    }

    #[test]
    fn of_a_secret_of_several_lines_each_is_one() {
        let redactor = redactor("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhk\nshort\n");
        assert_eq!(redactor.redact("it is MIIEvQIBADANBgkqhk, short".into()), "it is [redacted], short");
    }

    #[test]
    fn what_may_be_the_beginning_of_a_secret_is_known_at_the_end_of_bytes() {
        let redactor = redactor("tokentok9");
        for (bytes, begun) in
            [("a token", 5), ("tokentok", 8), ("tokentok9", 0), ("tot", 1), ("", 0), ("none of it.", 0)]
        {
            assert_eq!(redactor.begun(bytes.as_bytes()), begun, "{bytes}");
        }
    }

    #[test]
    fn a_text_of_any_length_takes_little_time() {
        let redactor = redactor("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
        assert!(redactor.redact("a".repeat(2 << 20)).len() <= MAX_TEXT);
    }
}
