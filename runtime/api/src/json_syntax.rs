//! What Go's JSON scanner says of a text that is not JSON, so that a malformed body is refused in the same words.
//!
//! Only called once a body has been found wrong; how it is wrong is all this says.

/// Go's complaint about the first value in `text`; `None` if Go's scanner would let it pass.
pub(crate) fn complaint(text: &[u8]) -> Option<String> {
    Scanner { rest: text }.value().err()
}

/// A container that has been entered and not left.
#[derive(Clone, Copy)]
enum In {
    Array,
    Object,
}

struct Scanner<'a> {
    rest: &'a [u8],
}

type Scanned = Result<(), String>;

impl Scanner<'_> {
    /// One value with all that is in it. Nesting is kept in a list, so that no body can exhaust the call stack.
    fn value(&mut self) -> Scanned {
        let mut nesting = Vec::new();
        loop {
            match self.skip_space()? {
                b'{' => {
                    self.next()?;
                    if self.skip_space()? != b'}' {
                        nesting.push(In::Object);
                        self.key()?;
                        continue;
                    }
                    self.next()?;
                }
                b'[' => {
                    self.next()?;
                    if self.skip_space()? != b']' {
                        nesting.push(In::Array);
                        continue;
                    }
                    self.next()?;
                }
                _ => self.scalar()?,
            }
            if self.leave(&mut nesting)? {
                return Ok(());
            }
        }
    }

    /// After a value: leaves the containers that end with it, up to the next comma. True if none is left.
    fn leave(&mut self, nesting: &mut Vec<In>) -> Result<bool, String> {
        while let Some(container) = nesting.last() {
            self.skip_space()?;
            match (container, self.next()?) {
                (In::Object, b'}') | (In::Array, b']') => _ = nesting.pop(),
                (In::Array, b',') => return Ok(false),
                (In::Object, b',') => return self.key().map(|()| false),
                (In::Array, byte) => return Err(invalid(byte, "after array element")),
                (In::Object, byte) => return Err(invalid(byte, "after object key:value pair")),
            }
        }
        Ok(true)
    }

    /// A key and the colon after it.
    fn key(&mut self) -> Scanned {
        self.skip_space()?;
        match self.next()? {
            b'"' => self.string()?,
            byte => return Err(invalid(byte, "looking for beginning of object key string")),
        }
        self.skip_space()?;
        match self.next()? {
            b':' => Ok(()),
            byte => Err(invalid(byte, "after object key")),
        }
    }

    /// A value that holds no other.
    fn scalar(&mut self) -> Scanned {
        match self.next()? {
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' => match self.next()? {
                first @ b'0'..=b'9' => self.number(first),
                byte => Err(invalid(byte, "in numeric literal")),
            },
            first @ b'0'..=b'9' => self.number(first),
            byte => Err(invalid(byte, "looking for beginning of value")),
        }
    }

    /// The rest of a string after its opening quote.
    fn string(&mut self) -> Scanned {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next()?;
                            if !byte.is_ascii_hexdigit() {
                                return Err(invalid(byte, "in \\u hexadecimal character escape"));
                            }
                        }
                    }
                    byte => return Err(invalid(byte, "in string escape code")),
                },
                byte @ ..0x20 => return Err(invalid(byte, "in string literal")),
                _ => {}
            }
        }
    }

    /// The rest of a number after its first digit. What follows it is not its concern, the end of the text included.
    fn number(&mut self, first: u8) -> Scanned {
        if first != b'0' {
            self.skip_digits();
        }
        if self.rest.first() == Some(&b'.') {
            self.next()?;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.rest.first(), Some(b'e' | b'E')) {
            self.next()?;
            if matches!(self.rest.first(), Some(b'+' | b'-')) {
                self.next()?;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self, context: &str) -> Scanned {
        let byte = self.next()?;
        if !byte.is_ascii_digit() {
            return Err(invalid(byte, context));
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        let end = self.rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
    }

    /// The rest of `word` after its first letter.
    fn literal(&mut self, word: &str) -> Scanned {
        for expected in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                let expected = char::from(expected);
                return Err(invalid(byte, &format!("in literal {word} (expecting '{expected}')")));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<u8, String> {
        let Some((&byte, rest)) = self.rest.split_first() else { return Err("unexpected EOF".to_owned()) };
        self.rest = rest;
        Ok(byte)
    }

    /// Passes over white space; the byte that comes next.
    fn skip_space(&mut self) -> Result<u8, String> {
        let start = self.rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
        self.rest = &self.rest[start.unwrap_or(self.rest.len())..];
        self.rest.first().copied().ok_or_else(|| "unexpected EOF".to_owned())
    }
}

fn invalid(byte: u8, context: &str) -> String {
    // As Go: a byte is shown as the character of that number, whatever text it was part of.
    let shown = match byte {
        b'\'' => r"\'".to_owned(),
        b'"' => "\"".to_owned(),
        b'\\' => r"\\".to_owned(),
        b'\n' => r"\n".to_owned(),
        b'\r' => r"\r".to_owned(),
        b'\t' => r"\t".to_owned(),
        0x20..=0x7e | 0xa1..=0xac | 0xae..=0xff => char::from(byte).to_string(),
        ..=0x7f => format!("\\x{byte:02x}"),
        _ => format!("\\u{byte:04x}"),
    };
    format!("invalid character '{shown}' {context}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_those_of_gos_scanner() {
        for (text, said) in [
            ("hello", "invalid character 'h' looking for beginning of value"),
            ("{pusher:1}", "invalid character 'p' looking for beginning of object key string"),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (r#"{"a":1 "b":2}"#, r#"invalid character '"' after object key:value pair"#),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            (r#"{"a":[1,]}"#, "invalid character ']' looking for beginning of value"),
            (r#"{"a":[1 2]}"#, "invalid character '2' after array element"),
            ("{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
            ("{\"a\":\"\n\"}", r"invalid character '\n' in string literal"),
            (r#"{"a":"\q"}"#, "invalid character 'q' in string escape code"),
            (r#"{"a":"\u12x4"}"#, r"invalid character 'x' in \u hexadecimal character escape"),
            (r#"{"a":01}"#, "invalid character '1' after object key:value pair"),
            (r#"{"a":1.}"#, "invalid character '}' after decimal point in numeric literal"),
            (r#"{"a":-}"#, "invalid character '}' in numeric literal"),
            (r#"{"a":nul}"#, "invalid character '}' in literal null (expecting 'l')"),
            ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
            (r#"{"a":"#, "unexpected EOF"),
            (r#"{"a":"b"#, "unexpected EOF"),
            ("[1,[2", "unexpected EOF"),
        ] {
            assert_eq!(complaint(text.as_bytes()).as_deref(), Some(said), "{text}");
        }
    }

    #[test]
    fn of_json_there_is_nothing_to_complain() {
        for text in [r#"{"a":[1,-2.5e+3,{"b":{}},[]],"c":"\u00e9\n","d":null,"e":true} rest"#, "0", "[]", " \"x\""] {
            assert_eq!(complaint(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        assert_eq!(complaint(&b"[".repeat(1_000_000)).as_deref(), Some("unexpected EOF"));
    }
}
