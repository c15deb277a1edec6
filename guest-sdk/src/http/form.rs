//! Names and values as an HTML form sends them (WHATWG URL, `application/x-www-form-urlencoded`).

use std::fmt::Write;

/// Encodes pairs in order.
pub(super) fn encode(pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        escape(name.as_ref(), &mut out);
        out.push('=');
        escape(value.as_ref(), &mut out);
    }
    out
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn what_means_something_in_a_form_is_escaped() {
        assert_eq!(encode(&[("a", "1&2=3"), ("b c", "+ü~")]), "a=1%262%3D3&b+c=%2B%C3%BC%7E");
        assert_eq!(encode(&[("empty", "")]), "empty=");
        assert_eq!(encode(&[] as &[(&str, &str)]), "");
    }
}
