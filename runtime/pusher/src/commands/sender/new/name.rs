//! The name of a new sender: of its crate, its channel and its component's package at once.

use std::fmt;

use super::lock;

/// The longest name that a crate can have on a registry, in bytes.
const MAX_BYTES: usize = 64;

/// Words of Rust that no crate can be called, the reserved ones included, and crates that are always there.
const RESERVED: [&str; 57] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "component",
];

/// Words of lower-case letters and digits, each beginning with a letter, joined by dashes. Cargo takes more; a component's
/// package does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CrateName(String);

impl CrateName {
    /// Takes the text, or says what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !is_name(text) {
            let rule = "a sender's name is made of words of lower-case letters and digits that begin with a letter, joined \
                        by dashes, 64 bytes in all";
            let advice = suggestion(text).unwrap_or_else(|| "my-sender".to_owned());
            return Err(format!("{text:?} cannot be the name of a crate: {rule}; write it like \"{advice}\""));
        }
        if RESERVED.contains(&text) {
            return Err(format!("{text:?} is a word of Rust's own; write it like \"{text}-sender\""));
        }
        if lock::packages().any(|package| package == text) {
            return Err(format!(
                "{text:?} is the name of a library that the SDK uses; write it like \"{text}-sender\""
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// `template` with the name in the place of `@NAME@`, as a type of `@TYPE@`, as a file of cargo's of `@LIB@`, and as an
    /// environment variable of `@ENV@`.
    pub(super) fn put_into(&self, template: &str) -> String {
        let library = self.0.replace('-', "_");
        template
            .replace("@NAME@", &self.0)
            .replace("@TYPE@", &self.type_name())
            .replace("@ENV@", &library.to_ascii_uppercase())
            .replace("@LIB@", &library)
    }

    fn type_name(&self) -> String {
        let mut name = String::with_capacity(self.0.len());
        for word in self.0.split('-') {
            let (first, rest) = word.split_at(1);
            name.push_str(&first.to_ascii_uppercase());
            name.push_str(rest);
        }
        // It must not be taken for what the template uses.
        match name.as_str() {
            "Failure" | "Message" | "Outcome" | "Pusher" | "Response" | "Result" | "Sender" | "String" | "Value"
            | "Option" | "Some" | "Ok" | "Err" | "None" => name + "Sender",
            _ => name,
        }
    }
}

impl fmt::Display for CrateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.len() <= MAX_BYTES && text.split('-').all(is_word)
}

/// The nearest text that can be a name.
fn suggestion(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.map(|word| word.to_ascii_lowercase()).filter(|word| !word.is_empty());
    let mut name = String::new();
    for word in words {
        if !name.is_empty() && word.starts_with(|c: char| c.is_ascii_lowercase()) {
            name.push('-');
        }
        name.push_str(&word);
    }
    let name = name.trim_start_matches(|c: char| c.is_ascii_digit());
    is_name(name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_words_joined_by_dashes() {
        for good in ["a", "hello", "my-sender", "sms2", "a-b2-c"] {
            assert!(CrateName::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-a", "a-", "a--b", "Hello", "my_sender", "2fa", "a-2", "a b", "a/b", "..", "é", &"a".repeat(65)]
        {
            assert!(CrateName::parse(bad).unwrap_err().contains("write it like \""), "{bad}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_comes_with_one_that_can() {
        for (bad, good) in
            [("My_Sender", "my-sender"), ("2fa codes", "fa-codes"), ("a-2", "a2"), ("../x", "x"), ("", "my-sender")]
        {
            assert!(CrateName::parse(bad).unwrap_err().ends_with(&format!("write it like \"{good}\"")), "{bad}");
        }
        for taken in ["fn", "serde", "pusher-sender-sdk"] {
            let error = CrateName::parse(taken).unwrap_err();
            assert!(error.ends_with(&format!("write it like \"{taken}-sender\"")), "{error}");
        }
    }

    #[test]
    fn a_type_is_called_as_types_are_and_not_as_one_that_is_there() {
        let name = |text| CrateName::parse(text).unwrap().put_into("@TYPE@ @LIB@ @ENV@");
        assert_eq!(name("my-sms2"), "MySms2 my_sms2 MY_SMS2");
        assert_eq!(name("sender"), "SenderSender sender SENDER");
    }
}
