//! JSON that remembers where each value was, so that a refusal can say where the query is wrong.

use super::QueryError;

/// A value, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) at: usize,
    pub(super) json: Json,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(Text),
    Array(Vec<Value>),
    /// In the order they came; of two with the same name the last counts, as in Go.
    Object(Vec<(String, Value)>),
}

/// A string, and where its characters came from.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Text {
    pub(super) text: String,
    /// Where each character was, and last the closing quote.
    places: Vec<usize>,
}

impl Text {
    /// Where the character at `offset` was.
    pub(super) fn place(&self, offset: usize) -> usize {
        self.places.get(offset).or(self.places.last()).copied().unwrap_or_default()
    }
}

impl Json {
    /// What it is called.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// How deep values may be nested: deeper than queries may, and far less than the stack allows.
const DEPTH: usize = 64;

/// Reads a JSON object; `None` if the text is not even meant as one, because it does not begin with `{"` or `{}`.
pub(super) fn read(chars: &[char]) -> Result<Option<Value>, QueryError> {
    let mut reader = Reader { chars, next: 0 };
    reader.space();
    let start = reader.next;
    if !reader.take('{') {
        return Ok(None);
    }
    reader.space();
    if !matches!(reader.peek(), Some('"' | '}')) {
        return Ok(None);
    }
    reader.next = start;
    let value = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(Some(value)),
        Some(_) => Err(reader.expected("the end of the query is expected after the JSON object")),
    }
}

struct Reader<'a> {
    chars: &'a [char],
    next: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.next).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let is = self.peek() == Some(c);
        self.next += usize::from(is);
        is
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next += 1;
        }
    }

    fn expected(&self, what: &str) -> QueryError {
        QueryError::at(self.next, what)
    }

    fn value(&mut self, depth: usize) -> Result<Value, QueryError> {
        if depth > DEPTH {
            return Err(self.expected("JSON may not be nested as deep as this"));
        }
        self.space();
        let at = self.next;
        let json = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"') => Json::Text(self.text()?),
            Some('-' | '0'..='9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Value { at, json })
    }

    fn object(&mut self, depth: usize) -> Result<Json, QueryError> {
        self.next += 1;
        let mut members = Vec::new();
        loop {
            self.space();
            if members.is_empty() && self.take('}') {
                return Ok(Json::Object(members));
            }
            if self.peek() != Some('"') {
                return Err(self.expected("a key in quotes is expected"));
            }
            let key = self.text()?.text;
            self.space();
            if !self.take(':') {
                return Err(self.expected("a : is expected after the key"));
            }
            let value = self.value(depth + 1)?;
            members.push((key, value));
            self.space();
            if self.take('}') {
                return Ok(Json::Object(members));
            }
            if !self.take(',') {
                return Err(self.expected("a , or } is expected"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, QueryError> {
        self.next += 1;
        let mut values = Vec::new();
        loop {
            self.space();
            if values.is_empty() && self.take(']') {
                return Ok(Json::Array(values));
            }
            values.push(self.value(depth + 1)?);
            self.space();
            if self.take(']') {
                return Ok(Json::Array(values));
            }
            if !self.take(',') {
                return Err(self.expected("a , or ] is expected"));
            }
        }
    }

    fn number(&mut self) -> Result<Json, QueryError> {
        let start = self.next;
        while matches!(self.peek(), Some('-' | '+' | '.' | 'e' | 'E' | '0'..='9')) {
            self.next += 1;
        }
        let number: String = self.chars[start..self.next].iter().collect();
        if !is_number(&number) {
            return Err(QueryError::at(start, "this is not a number"));
        }
        Ok(Json::Number(number))
    }

    fn word(&mut self) -> Result<Json, QueryError> {
        for (word, json) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))] {
            if self.chars[self.next..].iter().copied().take(word.len()).eq(word.chars()) {
                self.next += word.len();
                return Ok(json);
            }
        }
        Err(self.expected("a JSON value is expected"))
    }

    fn text(&mut self) -> Result<Text, QueryError> {
        let opening = self.next;
        self.next += 1;
        let mut text = Text::default();
        loop {
            let at = self.next;
            let Some(c) = self.peek() else {
                return Err(QueryError::at(opening, "this string is not closed; a \" is expected before the end"));
            };
            self.next += 1;
            text.places.push(at);
            match c {
                '"' => return Ok(text),
                '\\' => text.text.push(self.escape(at)?),
                c if c < ' ' => return Err(QueryError::at(at, "a control character in a string must be escaped")),
                c => text.text.push(c),
            }
        }
    }

    /// The character behind the `\` at `at`.
    fn escape(&mut self, at: usize) -> Result<char, QueryError> {
        let wrong = QueryError::at(at, "this escape is none of JSON's");
        let c = self.peek();
        self.next += 1;
        Ok(match c {
            Some('"' | '\\' | '/') => return c.ok_or(wrong),
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let first = self.hex().ok_or_else(|| wrong.clone())?;
                match char::from_u32(first) {
                    Some(c) => c,
                    // One half of a pair; Go puts U+FFFD where the other half is missing, and here that is refused.
                    None => self.low_surrogate(first).ok_or(wrong)?,
                }
            }
            _ => return Err(wrong),
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits: String = self.chars.get(self.next..self.next + 4)?.iter().collect();
        self.next += 4;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(&digits, 16).ok())?
    }

    fn low_surrogate(&mut self, high: u32) -> Option<char> {
        if !(self.take('\\') && self.take('u')) {
            return None;
        }
        let low = self.hex()?;
        let is_pair = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
        is_pair.then(|| char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)))?
    }
}

/// Is this a number as JSON writes them? However large: whoever uses it says what is too much.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (text, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(text, behind)| (text, Some(behind)));
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, behind)| (whole, Some(behind)));
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}
