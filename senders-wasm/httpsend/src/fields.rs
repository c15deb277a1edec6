//! What a template can name, and how it is escaped.
//!
//! The SDK's templates fill in the fields of a recipient, and escape nothing. So the fields are escaped before they are
//! given to it, and the rest (`Data`, `DataJSON`, `MessageID`) is set by a statement put in front of the template.

use pusher_sender_sdk::pushers::Pusher;
use pusher_sender_sdk::template::{Error, Template};
use pusher_sender_sdk::{Failure, Message};
use serde_json::Value;

/// How deep data may nest; the template language has a limit of its own, which this stays below.
const MAX_DEPTH: usize = 32;

/// What has to be done to a value before it may stand in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Nothing.
    None,
    /// As inside the quotes of a JSON string.
    Json,
    /// As in a part of a URL or of a form: everything but letters, digits and `-._~` is percent-encoded.
    Percent,
}

impl Escape {
    /// What a body of this type wants.
    pub(crate) fn of(content_type: &str) -> Self {
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/x-www-form-urlencoded" => Self::Percent,
            json if json == "application/json" || json.ends_with("+json") => Self::Json,
            _ => Self::None,
        }
    }

    fn apply(self, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Json => {
                let quoted = Value::from(text).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Percent => percent(text),
        }
    }
}

fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Everything that a template can name.
#[derive(Debug)]
pub(crate) struct Fields {
    pusher: Pusher,
    message_id: String,
    data: Value,
}

impl Fields {
    /// The fields of one message to one recipient.
    pub(crate) fn new(pusher: Pusher, message: &Message) -> Result<Self, Failure> {
        let data = serde_json::from_str(&message.data).unwrap_or_else(|_| Value::from(message.data.as_str()));
        if depth(&data) > MAX_DEPTH {
            return Err(Failure::permanent(format!("the data nests deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { pusher, message_id: message.id.clone(), data })
    }

    /// The recipient's field of this name, if it is one that a recipient may lack.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        match name {
            "Email" => Some(&self.pusher.email),
            "NickName" => Some(&self.pusher.nickname),
            "PhoneNumber" => Some(&self.pusher.phone_number),
            _ => None,
        }
    }

    /// Parses a template and gives what fills it in, so that a caller can tell the two errors apart: the first is the
    /// manifest's fault, the second the message's.
    pub(crate) fn fill_in(&self, text: &str, escape: Escape) -> Result<Result<String, Error>, Error> {
        // Many values are no templates; they go as they are, and the data is not read for them.
        if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
            return Ok(Ok(text.to_owned()));
        }
        let mut set = String::new();
        let json = match escape {
            // JSON may stand in JSON as it is.
            Escape::Json => self.data.to_string(),
            _ => escape.apply(&self.data.to_string()),
        };
        let rest = [
            ("Data", escaped(&self.data, escape)),
            ("DataJSON", json.into()),
            ("MessageID", escape.apply(&self.message_id).into()),
        ];
        for (name, value) in &rest {
            set.push_str(&format!("{{% set {name} = "));
            literal(value, &mut set);
            set.push_str(" %}");
        }
        let template = Template::jinja(&format!("{set}{text}"))?;
        Ok(template.render(&self.escaped_pusher(escape)))
    }

    fn escaped_pusher(&self, escape: Escape) -> Pusher {
        let Pusher { id, email, nickname, phone_number, senders, tags, created_at } = &self.pusher;
        let all = |list: &[String]| list.iter().map(|item| escape.apply(item)).collect();
        Pusher {
            id: escape.apply(id),
            email: escape.apply(email),
            nickname: escape.apply(nickname),
            phone_number: escape.apply(phone_number),
            senders: all(senders),
            tags: all(tags),
            created_at: *created_at,
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The value with every text in it escaped; the names of members stay, so that templates find them.
fn escaped(value: &Value, escape: Escape) -> Value {
    match value {
        Value::String(text) => escape.apply(text).into(),
        Value::Array(items) => items.iter().map(|item| escaped(item, escape)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), escaped(value, escape))).collect(),
        other => other.clone(),
    }
}

/// The value as the template language writes it: as JSON does, but for `null`.
fn literal(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("none"),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                literal(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (name, value) in members {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                literal(value, out);
                out.push(',');
            }
            out.push('}');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn fields(data: &str) -> Fields {
        let pusher = Pusher {
            id: "a/b".into(),
            email: "ada@example.com".into(),
            nickname: "Ada \"A\"\n".into(),
            phone_number: String::new(),
            senders: vec![],
            tags: vec!["vip".into(), "x\"y".into()],
            created_at: 7,
        };
        let message = Message {
            id: "job 1".into(),
            sender: "httpsend".into(),
            pusher: "a/b".into(),
            data: data.into(),
            attempt: 1,
        };
        Fields::new(pusher, &message).unwrap()
    }

    fn filled(text: &str, data: &str, escape: Escape) -> String {
        fields(data).fill_in(text, escape).unwrap().unwrap()
    }

    #[test]
    fn a_template_sees_the_recipient_the_data_and_the_message() {
        let text = "{{ Email }} {{ CreatedAt }} {{ Data.a }} {{ Data.b[1] }} {{ MessageID }}";
        assert_eq!(filled(text, r#"{"a": "x", "b": [1, 2.5]}"#, Escape::None), "ada@example.com 7 x 2.5 job 1");
        assert_eq!(
            filled("{{ Data }}|{{ DataJSON }}", "plain \"text\"", Escape::None),
            r#"plain "text"|"plain \"text\"""#
        );
        assert_eq!(filled("\n{{ Data.n is none }}\n", r#"{"n": null}"#, Escape::None), "\nTrue\n");
        assert_eq!(filled("{{ Data.a }} {{ Data.b }}", r#"{"a": -5, "b": 0.5}"#, Escape::None), "-5 0.5");
        assert_eq!(filled("{{ Data.a|lower }}", r#"{"a": true}"#, Escape::None), "true");
    }

    #[test]
    fn what_is_filled_in_is_escaped_for_its_place() {
        let text = "{{ NickName }}|{{ Data.t }}";
        let data = r#"{"t": "a\"\\ &\té"}"#;
        assert_eq!(filled(text, data, Escape::Json), r#"Ada \"A\"\n|a\"\\ &\té"#);
        assert_eq!(filled(text, data, Escape::Percent), "Ada%20%22A%22%0A|a%22%5C%20%26%09%C3%A9");
        assert_eq!(filled("{{ ID }} {{ MessageID }}", "", Escape::Percent), "a%2Fb job%201");
        assert_eq!(filled("{% for tag in Tags %}\"{{ tag }}\" {% endfor %}", "", Escape::Json), r#""vip" "x\"y" "#);
    }

    #[test]
    fn json_in_json_stands_as_it_is() {
        let data = r#"{"t":"a\"b","u":[null]}"#;
        assert_eq!(filled("{{ DataJSON }}", data, Escape::Json), data);
        assert_eq!(filled("{{ DataJSON }}", "[1]", Escape::Percent), "%5B1%5D");
    }

    #[test]
    fn data_cannot_be_a_template() {
        for data in ["{{ Email }}", "%} {{ Email }}", "\" %}{{ Email }}", "{# x #}", "\\\" %}{{ Email }}"] {
            assert_eq!(filled("{{ Data }}", data, Escape::None), data);
        }
        let nested = r#"{"\" %}{{ Email }}": "'%}{{ Email }}"}"#;
        assert_eq!(
            filled("{% for name in Data %}{{ Data[name] }}{% endfor %}", nested, Escape::None),
            "'%}{{ Email }}"
        );
    }

    #[test]
    fn the_manifests_fault_and_the_messages_are_told_apart() {
        assert!(fields("{}").fill_in("{{ Email", Escape::None).is_err());
        assert!(fields("{}").fill_in("{{ Data.text }}", Escape::None).unwrap().is_err());
        assert!(fields("").fill_in("{{ Nickname }}", Escape::None).unwrap().is_err());
        assert_eq!(filled("{{ Data.text|default('-') }}", "{}", Escape::None), "-");
    }

    #[test]
    fn data_nests_only_so_deep() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(filled("{{ DataJSON }}", &nested(MAX_DEPTH), Escape::Json), nested(MAX_DEPTH));
        let message = Message {
            id: String::new(),
            sender: String::new(),
            pusher: String::new(),
            data: nested(MAX_DEPTH + 1),
            attempt: 1,
        };
        assert!(Fields::new(fields("").pusher, &message).is_err());
    }

    #[test]
    fn the_type_of_a_body_says_how_to_escape() {
        assert_eq!(Escape::of("application/json; charset=utf-8"), Escape::Json);
        assert_eq!(Escape::of("Application/Problem+JSON"), Escape::Json);
        assert_eq!(Escape::of("application/x-www-form-urlencoded"), Escape::Percent);
        assert_eq!(Escape::of("text/plain"), Escape::None);
    }
}
