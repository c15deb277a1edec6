//! `params` as applications of the Go program write them: JSON with the recipient's fields filled in.
//!
//! The forms are those of the SDK's `template`, whose engine would make the component several times as large:
//! `{{.X}}`, `{{$.X}}`, `{{if .X}} … {{else if .X}} … {{else}} … {{end}}`, `{{range .X}} … {{.}} … {{else}} … {{end}}`,
//! `{{- … -}}` and comments. Unlike in the Go program a value is escaped for the JSON string that it stands in, so that
//! a name with a quotation mark is a name.

use pusher_sender_sdk::pushers::Pusher;

/// How deep `if` and `range` may stand in one another.
const DEPTH: usize = 16;

/// Fills a recipient's fields in.
///
/// The error is the second half of a sentence about the text.
pub(crate) fn fill_in(text: &str, pusher: &Pusher) -> Result<String, String> {
    let mut writer = Writer { tokens: tokens(text)?, pusher, depth: 0, out: String::with_capacity(text.len()) };
    let end = writer.block(0, None, true)?;
    match writer.tokens.get(end) {
        None => Ok(writer.out),
        Some(_) => Err("have an {{else}} or {{end}} that belongs to nothing".to_owned()),
    }
}

enum Token<'a> {
    Text(&'a str),
    /// The words between `{{` and `}}`; none for a comment.
    Action(Vec<&'a str>),
}

/// White space to Go.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some((mut before, mut inner)) = rest.split_once("{{") {
        // Go asks for white space between a dash and what it trims for.
        if let Some(trimmed) = inner.strip_prefix('-').filter(|inner| inner.starts_with(SPACE)) {
            before = before.trim_end_matches(SPACE);
            inner = trimmed;
        }
        tokens.push(Token::Text(before));
        let comment = inner.trim_start_matches(SPACE).strip_prefix("/*").map(|comment| comment.split_once("*/"));
        if let Some(comment) = comment {
            inner = comment.ok_or("have a comment that does not end")?.1;
        }
        let (mut action, after) = inner.split_once("}}").ok_or("have a {{ without its }}")?;
        rest = after;
        if let Some(trimmed) = action.strip_suffix('-').filter(|action| action.ends_with(SPACE)) {
            action = trimmed;
            rest = rest.trim_start_matches(SPACE);
        }
        let words: Vec<_> = action.split_ascii_whitespace().collect();
        if words.is_empty() != comment.is_some() {
            return Err(format!("have {{{{{action}}}}}, which means nothing"));
        }
        tokens.push(Token::Action(words));
    }
    tokens.push(Token::Text(rest));
    Ok(tokens)
}

/// A recipient's field.
enum Value<'a> {
    Text(&'a str),
    Number(i64),
    List(&'a [String]),
}

struct Writer<'a> {
    tokens: Vec<Token<'a>>,
    pusher: &'a Pusher,
    depth: usize,
    out: String,
}

impl<'a> Writer<'a> {
    /// Goes through the tokens from `at` to the `else` or `end` that they do not hold the beginning of, or to the last,
    /// and answers where that is. Nothing is written or looked up unless `on`. `item` is what a `range` is at.
    fn block(&mut self, mut at: usize, item: Option<&'a str>, on: bool) -> Result<usize, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("are more than {DEPTH} blocks deep"));
        }
        while let Some(token) = self.tokens.get(at) {
            match token {
                Token::Text(text) if on => self.out.push_str(text),
                Token::Text(_) => {}
                Token::Action(words) => match words[..] {
                    ["else", ..] | ["end"] => break,
                    ["if", name] => at = self.branches(at, name, item, on)?,
                    ["range", name] => at = self.range(at, name, item, on)?,
                    [name] if on => {
                        let value = self.value(name, item)?;
                        self.write(&value);
                    }
                    [] | [_] => {}
                    _ => return Err(format!("have {{{{{}}}}}, which is not understood", words.join(" "))),
                },
            }
            at += 1;
        }
        self.depth -= 1;
        Ok(at)
    }

    /// An `if` at `at`; where its `end` is.
    fn branches(&mut self, mut at: usize, name: &'a str, item: Option<&'a str>, on: bool) -> Result<usize, String> {
        let mut when = on && self.holds(name, item)?;
        let mut taken = when;
        let mut last = false;
        loop {
            at = self.block(at + 1, item, when)?;
            match self.words(at)[..] {
                ["end"] => return Ok(at),
                ["else"] if !last => {
                    when = on && !taken;
                    last = true;
                }
                ["else", "if", name] if !last => when = on && !taken && self.holds(name, item)?,
                _ => return Err("have an {{if}} without its {{end}}".to_owned()),
            }
            taken |= when;
        }
    }

    /// A `range` at `at`; where its `end` is.
    fn range(&mut self, at: usize, name: &'a str, item: Option<&'a str>, on: bool) -> Result<usize, String> {
        let items = match on.then(|| self.value(name, item)).transpose()? {
            Some(Value::List(items)) => items,
            None => &[],
            Some(_) => return Err(format!("range over {name}, which is no list")),
        };
        let mut end = match items {
            [] => self.block(at + 1, None, false)?,
            _ => at,
        };
        for item in items {
            end = self.block(at + 1, Some(item), true)?;
        }
        if self.words(end)[..] == ["else"] {
            end = self.block(end + 1, item, on && items.is_empty())?;
        }
        match self.words(end)[..] {
            ["end"] => Ok(end),
            _ => Err("have a {{range}} without its {{end}}".to_owned()),
        }
    }

    fn words(&self, at: usize) -> Vec<&'a str> {
        match self.tokens.get(at) {
            Some(Token::Action(words)) => words.clone(),
            _ => Vec::new(),
        }
    }

    fn value(&self, name: &str, item: Option<&'a str>) -> Result<Value<'a>, String> {
        let field = match (name, item) {
            (".", Some(item)) => return Ok(Value::Text(item)),
            (_, None) => name.strip_prefix('$').unwrap_or(name),
            // The dot is a text, which has no fields.
            (_, Some(_)) => name.strip_prefix('$').unwrap_or_default(),
        };
        Ok(match field {
            ".ID" => Value::Text(&self.pusher.id),
            ".Email" => Value::Text(&self.pusher.email),
            ".NickName" => Value::Text(&self.pusher.nickname),
            ".PhoneNumber" => Value::Text(&self.pusher.phone_number),
            ".CreatedAt" => Value::Number(self.pusher.created_at),
            ".Senders" => Value::List(&self.pusher.senders),
            ".Tags" => Value::List(&self.pusher.tags),
            _ => return Err(format!("name {name}, which is no field")),
        })
    }

    /// Is the field there: not empty, not 0?
    fn holds(&self, name: &str, item: Option<&'a str>) -> Result<bool, String> {
        Ok(match self.value(name, item)? {
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => number != 0,
            Value::List(items) => !items.is_empty(),
        })
    }

    /// Writes a value as Go does, escaped for a JSON string.
    fn write(&mut self, value: &Value<'_>) {
        let text = match value {
            Value::Text(text) => (*text).to_owned(),
            Value::Number(number) => number.to_string(),
            Value::List(items) => format!("[{}]", items.join(" ")),
        };
        let quoted = serde_json::Value::String(text).to_string();
        self.out.push_str(&quoted[1..quoted.len() - 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pusher() -> Pusher {
        Pusher {
            id: "lupino".into(),
            email: "a@b.c".into(),
            nickname: "Lu \"<&>\" Pino\\".into(),
            phone_number: String::new(),
            senders: vec!["sendmail".into(), "sendsms".into()],
            tags: vec![],
            created_at: 1_456_403_493,
        }
    }

    fn filled(text: &str) -> String {
        fill_in(text, &pusher()).unwrap()
    }

    #[test]
    fn fields_are_filled_in_as_json_texts() {
        assert_eq!(
            filled(r#"{"id":"{{.ID}}","name":"{{ .NickName }}","since":"{{$.CreatedAt}}"}"#),
            r#"{"id":"lupino","name":"Lu \"<&>\" Pino\\","since":"1456403493"}"#
        );
        assert_eq!(filled("{{.Senders}} {{.Tags}} [{{.PhoneNumber}}]"), "[sendmail sendsms] [] []");
        assert_eq!(filled(r#"{"a":{"b":"c"}}"#), r#"{"a":{"b":"c"}}"#);
    }

    #[test]
    fn conditions_ask_whether_a_field_is_there() {
        assert_eq!(filled("{{if .ID}}a{{end}}{{if .PhoneNumber}}b{{end}}{{if .CreatedAt}}c{{end}}"), "ac");
        assert_eq!(filled("{{if .Tags}}a{{else if .Email}}b{{else if .ID}}c{{else}}d{{end}}"), "b");
        assert_eq!(filled("{{if .Tags}}a{{else if .PhoneNumber}}b{{else}}c{{end}}d"), "cd");
        assert_eq!(filled("{{if .ID}}a{{if .Tags}}b{{else}}c{{end}}{{else}}d{{if .ID}}e{{end}}{{end}}f"), "acf");
        assert_eq!(filled("{{if .Tags}}{{.Nothing}}{{range .ID}}{{end}}{{end}}"), "");
    }

    #[test]
    fn ranges_go_through_a_list() {
        assert_eq!(filled("{{range .Senders}}<{{.}} of {{$.ID}}>{{end}}"), "<sendmail of lupino><sendsms of lupino>");
        assert_eq!(filled("{{range .Tags}}x{{else}}none{{end}}."), "none.");
        assert_eq!(filled("{{range .Senders}}{{if .}}y{{end}}{{else}}none{{end}}."), "yy.");
        assert_eq!(
            filled("{{range .Senders}}{{range $.Senders}}{{.}} {{end}}{{.}};{{end}}"),
            "sendmail sendsms sendmail;sendmail sendsms sendsms;"
        );
    }

    #[test]
    fn white_space_and_comments_are_left_out_where_told() {
        assert_eq!(filled("a \n{{- .ID -}}\n b\n"), "alupinob\n");
        assert_eq!(filled("a {{- /* }} */ -}} b{{/* at all */}}"), "ab");
    }

    #[test]
    fn anything_else_is_an_error() {
        let deep = "{{if .ID}}".repeat(20) + &"{{end}}".repeat(20);
        for text in [
            "{{",
            "{{}}",
            "{{.ID",
            "{{ID}}",
            "{{.}}",
            "{{.ID.X}}",
            "{{.ID | len}}",
            "{{if}}x{{end}}",
            "{{if .ID}}",
            "{{end}}",
            "{{else}}",
            "{{range .Senders}}",
            "{{range .Tags}}{{else}}",
            "{{range .ID}}{{end}}",
            "{{range .Senders}}{{.ID}}{{end}}",
            "{{range .Tags}}{{else if .ID}}{{end}}",
            "{{if .ID}}a{{else}}b{{else}}c{{end}}",
            "{{if .ID}}a{{else}}b{{else if .ID}}c{{end}}",
            "{{with .ID}}{{.}}{{end}}",
            "{{/* open",
            "{{-.ID}}",
            "{{.Nickname}}",
            &deep,
        ] {
            assert!(fill_in(text, &pusher()).is_err(), "{text}");
        }
    }
}
