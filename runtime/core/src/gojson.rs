//! JSON as Go's encoder writes it, for replies and workloads that must be the Go program's byte for byte.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// Serialises `value` compactly, with `<`, `>`, `&`, U+2028 and U+2029 escaped as `\u003c` and so on.
///
/// # Errors
/// If `value` has no JSON form (a map whose keys are not text).
pub fn to_string(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut out = Vec::with_capacity(128);
    value.serialize(&mut Serializer::with_formatter(&mut out, GoFormatter))?;
    // The serialiser writes text only; a failure here would be a bug in it, and is reported rather than hidden.
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = special.chars();
            if let Some(c) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_and_line_separators_are_escaped_as_in_go() {
        let text = "ニック <b>&\"'\u{2028}\u{2029}\n";
        assert_eq!(to_string(&text).unwrap(), r#""ニック \u003cb\u003e\u0026\"'\u2028\u2029\n""#);
    }
}
