//! The words of the Bot API, and how a message becomes a request.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How many characters a message may have.
const MAX_TEXT: usize = 4096;
/// How much of a reason is told, in characters.
const EXCERPT: usize = 300;

/// A chat: its number, or the public name of a channel or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum ChatId {
    Number(i64),
    Name(String),
}

impl ChatId {
    /// Reads `123456`, `-1001234567890` or `@channel`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the data has no \"chat_id\", and the recipient has no phone number to hold one".to_owned());
        }
        if text.starts_with('@') {
            return Ok(Self::Name(text.to_owned()));
        }
        // A number with a plus is a telephone's, which Telegram does not send to.
        match text.parse() {
            Ok(number) if !text.starts_with('+') => Ok(Self::Number(number)),
            _ => Err("the recipient's phone number is neither a chat's number nor an @name".to_owned()),
        }
    }
}

/// What an application pushes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) text: String,
    pub(crate) chat_id: Option<ChatId>,
}

impl Data {
    /// Reads the data of a message: a JSON object, or else a text.
    pub(crate) fn parse(data: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Fields {
            text: String,
            chat_id: Option<ChatId>,
        }
        let data = match serde_json::from_str::<Map<String, Value>>(data) {
            Err(_) => Self { text: data.to_owned(), chat_id: None },
            Ok(object) => {
                let fields: Fields = serde_json::from_value(object.into())
                    .map_err(|error| format!("the data is no message: {error}"))?;
                Self { text: fields.text, chat_id: fields.chat_id }
            }
        };
        let length = data.text.chars().count();
        if data.text.trim().is_empty() {
            return Err("the message has no text".to_owned());
        }
        if length > MAX_TEXT {
            return Err(format!("the text has {length} characters; Telegram takes {MAX_TEXT}"));
        }
        Ok(data)
    }
}

/// The body of `sendMessage`.
#[derive(Debug, Serialize)]
pub(crate) struct SendMessage {
    pub(crate) chat_id: ChatId,
    pub(crate) text: String,
}

/// Where `sendMessage` is. The address holds the token, so it must not be told.
pub(crate) fn url(base: &str, token: &str) -> String {
    format!("{}/bot{token}/sendMessage", base.trim_end_matches('/'))
}

/// What Telegram answers; empty if it is not Telegram's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    ok: bool,
    description: String,
    parameters: Parameters,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Parameters {
    retry_after: Option<u32>,
}

impl Answer {
    /// Reads a body such as `{"ok": false, "error_code": 429, "description": …, "parameters": {"retry_after": 5}}`.
    pub(crate) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// Does it say that the message is sent?
    pub(crate) fn is_ok(&self) -> bool {
        self.ok
    }

    /// How many seconds Telegram asks to wait, if it does.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        self.parameters.retry_after.filter(|_| !self.ok)
    }

    /// Why Telegram refused. Only its own words are told: another server might print the address, and the token in it.
    pub(crate) fn reason(&self, token: &str) -> String {
        if self.description.is_empty() {
            return "the answer is not Telegram's".to_owned();
        }
        self.description.replace(token, "…").chars().take(EXCERPT).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_send_message() {
        assert_eq!(url("http://a/", "1:x"), "http://a/bot1:x/sendMessage");
        let body = |chat_id| serde_json::to_string(&SendMessage { chat_id, text: "hi".into() }).unwrap();
        assert_eq!(body(ChatId::Number(-100)), r#"{"chat_id":-100,"text":"hi"}"#);
        assert_eq!(body(ChatId::Name("@news".into())), r#"{"chat_id":"@news","text":"hi"}"#);
    }

    #[test]
    fn data_is_a_text_or_an_object() {
        let data = |text: &str, chat_id| Ok(Data { text: text.into(), chat_id });
        assert_eq!(Data::parse("hi"), data("hi", None));
        assert_eq!(Data::parse("7"), data("7", None));
        assert_eq!(Data::parse(r#"{"text": "hi"}"#), data("hi", None));
        assert_eq!(Data::parse(r#"{"text": "hi", "chat_id": 7}"#), data("hi", Some(ChatId::Number(7))));
        assert_eq!(Data::parse(r#"{"text": "hi", "chat_id": "@a"}"#), data("hi", Some(ChatId::Name("@a".into()))));
        for bad in ["", " ", "{}", r#"{"text": ""}"#, r#"{"text": 1}"#, r#"{"text": "hi", "chat_id": [1]}"#] {
            assert!(Data::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_has_4096_characters_at_most() {
        assert!(Data::parse(&"é".repeat(4096)).is_ok());
        assert_eq!(Data::parse(&"é".repeat(4097)).unwrap_err(), "the text has 4097 characters; Telegram takes 4096");
    }

    #[test]
    fn a_phone_number_may_hold_a_chat() {
        assert_eq!(ChatId::parse(" 123456 "), Ok(ChatId::Number(123_456)));
        assert_eq!(ChatId::parse("-1001234567890"), Ok(ChatId::Number(-1_001_234_567_890)));
        assert_eq!(ChatId::parse("@news"), Ok(ChatId::Name("@news".into())));
        for phone in ["", "+447700900000", "07700 900000", "news"] {
            assert!(ChatId::parse(phone).is_err(), "{phone}");
        }
    }

    #[test]
    fn an_answer_says_what_went_wrong_and_how_long_to_wait() {
        let answer = Answer::read(
            br#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5","parameters":{"retry_after":5}}"#,
        );
        assert_eq!(answer.retry_after(), Some(5));
        let answer =
            Answer::read(br#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#);
        assert_eq!((answer.is_ok(), answer.retry_after()), (false, None));
        assert_eq!(answer.reason("1:x"), "Forbidden: bot was blocked by the user");
        assert!(Answer::read(br#"{"ok":true,"result":{"message_id":1}}"#).is_ok());
    }

    #[test]
    fn the_token_is_cut_out_of_a_reason() {
        assert_eq!(Answer { description: "no bot1:x here".into(), ..Answer::default() }.reason("1:x"), "no bot… here");
    }

    #[test]
    fn another_servers_words_are_not_told() {
        for body in ["", "Cannot POST /bot1:x/sendMessage", r#"{"message": "no /bot1:x/sendMessage"}"#, "[]"] {
            assert_eq!(Answer::read(body.as_bytes()).reason("1:x"), "the answer is not Telegram's", "{body}");
        }
    }
}
