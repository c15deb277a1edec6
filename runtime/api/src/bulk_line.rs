//! One line of a bulk request: a recipient as a JSON object. A key that is given is set, a key that is absent leaves what
//! is there, and `null` is the empty value of its key, so that what a list replies can be sent back. Other keys are
//! refused: a misspelt one would otherwise be passed over in silence, line after line.

use std::fmt;
use std::marker::PhantomData;

use pusher_core::{ContactFields, MAX_SENDERS, MAX_TAGS, PusherFields, PusherId, SenderName, Tag};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

/// Reads a line that is not empty.
///
/// # Errors
/// A sentence that says what is wrong with it, and where.
pub(crate) fn parse(line: &[u8], max_bytes: usize) -> Result<(PusherId, PusherFields), String> {
    if line.len() > max_bytes {
        return Err(format!("the line is longer than the limit of {max_bytes} bytes"));
    }
    if line[0] != b'{' {
        return Err("the line is no JSON object".into());
    }
    let Line { id, email, nickname, phone_number, created_at, senders, tags } =
        serde_json::from_slice(line).map_err(|error| sentence(&error))?;
    let contact = ContactFields { email, nickname, phone_number, created_at };
    let contact = contact.checked().map_err(|error| format!("the line is no pusher: {error}"))?;
    Ok((id, PusherFields { contact, senders: senders.map(|list| list.0), tags: tags.map(|list| list.0) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    id: PusherId,
    #[serde(default, deserialize_with = "given")]
    email: Option<String>,
    #[serde(default, deserialize_with = "given")]
    nickname: Option<String>,
    #[serde(default, deserialize_with = "given")]
    phone_number: Option<String>,
    #[serde(default, deserialize_with = "given")]
    created_at: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    senders: Option<List<SenderName, MAX_SENDERS>>,
    #[serde(default, deserialize_with = "given")]
    tags: Option<List<Tag, MAX_TAGS>>,
}

/// A value that is there; `null` is the empty one.
fn given<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Some(Option::<T>::deserialize(deserializer)?.unwrap_or_default()))
}

/// At most `MAX` words, the same one twice counted twice, so that a line cannot make more of itself than it is.
struct List<W, const MAX: usize>(Vec<W>);

impl<W, const MAX: usize> Default for List<W, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, W: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<W, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor::<W, MAX>(PhantomData)).map(Self)
    }
}

struct ListVisitor<W, const MAX: usize>(PhantomData<W>);

impl<'de, W: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<W, MAX> {
    type Value = Vec<W>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<W>, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = seq.next_element()? {
            if words.len() == MAX {
                return Err(A::Error::custom(format!("the list is longer than {MAX}, which is the limit")));
            }
            words.push(word);
        }
        Ok(words)
    }
}

/// What serde says, with the place as a place in the line.
fn sentence(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match said.strip_suffix(&place) {
        Some(reason) => format!("the line is no pusher: {reason} (at byte {})", error.column()),
        None => format!("the line is no pusher: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(PusherId, PusherFields), String> {
        parse(line.as_bytes(), 1000)
    }

    #[test]
    fn what_is_given_is_set_and_what_is_absent_is_left() {
        let (id, fields) = read(r#"{"tags":["a","b"],"email":"","createdAt":-5,"id":"日本"}"#).unwrap();
        assert_eq!(id.as_str(), "日本");
        let contact = ContactFields { email: Some(String::new()), created_at: Some(-5), ..ContactFields::default() };
        assert_eq!(fields.contact, contact);
        assert_eq!((fields.senders, fields.tags.map(|tags| tags.len())), (None, Some(2)));
        assert_eq!(read(r#"{"id":"x"}"#).unwrap().1, PusherFields::default());
    }

    #[test]
    fn null_is_the_empty_value() {
        let (_, fields) = read(
            r#"{"id":"x","email":null,"nickname":null,"phoneNumber":null,"senders":null,"tags":null,"createdAt":null}"#,
        )
        .unwrap();
        let empty = || Some(String::new());
        let contact = ContactFields { email: empty(), nickname: empty(), phone_number: empty(), created_at: Some(0) };
        assert_eq!(fields, PusherFields { contact, senders: Some(vec![]), tags: Some(vec![]) });
    }

    #[test]
    fn what_is_no_recipient_is_refused_with_the_reason_and_the_place() {
        let many = |count: usize| vec![r#""x""#; count].join(",");
        for (line, reason) in [
            ("lupino", "the line is no JSON object"),
            (r#"["x"]"#, "the line is no JSON object"),
            ("{}", "missing field `id`"),
            (r#"{"id":null}"#, "invalid type: null, expected a string (at byte 10)"),
            (r#"{"id":""}"#, "pusher is empty"),
            (r#"{"id":5}"#, "invalid type: integer `5`, expected a string"),
            (r#"{"id":"x","mail":"y"}"#, "unknown field `mail`, expected one of `id`, `email`"),
            (r#"{"id":"x","id":"y"}"#, "duplicate field `id`"),
            (r#"{"id":"x","email":5}"#, "invalid type: integer `5`, expected a string"),
            (r#"{"id":"x","createdAt":"5"}"#, "invalid type: string \"5\", expected i64"),
            (r#"{"id":"x","createdAt":1.5}"#, "invalid type: floating point `1.5`, expected i64"),
            (r#"{"id":"x","createdAt":9223372036854775808}"#, "expected i64"),
            (r#"{"id":"x","tags":"y"}"#, "expected a list of strings"),
            (r#"{"id":"x","tags":["y",1]}"#, "invalid type: integer `1`, expected a string"),
            (r#"{"id":"x","tags":[""]}"#, "tag is empty"),
            (r#"{"id":"x","senders":["dead:x"]}"#, "reserved"),
            (r#"{"id":"x""#, "EOF while parsing an object"),
            (r#"{"id":"x"} {"id":"y"}"#, "trailing characters"),
            (&format!(r#"{{"id":"x","senders":[{}]}}"#, many(65)), "the list is longer than 64, which is the limit"),
            (&format!(r#"{{"id":"{}"}}"#, "x".repeat(223)), "pusher is 223 bytes long; the limit is 222"),
            (&format!(r#"{{"id":"{}"}}"#, "x".repeat(1000)), "the line is longer than the limit of 1000 bytes"),
        ] {
            let said = read(line).unwrap_err();
            assert!(said.contains(reason), "{line}: {said}");
        }
        assert!(parse(b"{\"id\":\"\xff\"}", 99).unwrap_err().contains("unicode"));
        assert!(read(&format!(r#"{{"id":"x","senders":[{}]}}"#, many(64))).is_ok());
    }
}
