//! The words of Twilio's Messages API, and how a message becomes a request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How many characters a message may have.
const MAX_TEXT: usize = 1600;
/// Twilio's error "too many requests".
const TOO_MANY: u32 = 20429;

/// What an application pushes.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) text: String,
    pub(crate) to: Option<String>,
}

impl Data {
    /// Reads the data of a message: a JSON object, or else a text.
    pub(crate) fn parse(data: &str) -> Result<Self, String> {
        let data = match serde_json::from_str::<Map<String, Value>>(data) {
            Err(_) => Self { text: data.to_owned(), to: None },
            Ok(object) => {
                serde_json::from_value(object.into()).map_err(|error| format!("the data is no message: {error}"))?
            }
        };
        let length = data.text.chars().count();
        if data.text.trim().is_empty() {
            return Err("the message has no text".to_owned());
        }
        if length > MAX_TEXT {
            return Err(format!("the text has {length} characters; Twilio takes {MAX_TEXT}"));
        }
        if data.to.as_ref().is_some_and(|to| to.trim().is_empty()) {
            return Err("the data's \"to\" is empty".to_owned());
        }
        Ok(data)
    }
}

/// Who a message comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum From {
    MessagingService(String),
    Number(String),
}

impl From {
    /// The messaging service, or else the number.
    pub(crate) fn choose(service: String, number: String) -> Result<Self, String> {
        if !service.is_empty() {
            Ok(Self::MessagingService(service))
        } else if !number.is_empty() {
            Ok(Self::Number(number))
        } else {
            Err("the manifest has neither \"from\" nor \"messaging_service_sid\" in [config]".to_owned())
        }
    }

    /// The form of the request.
    pub(crate) fn form<'a>(&'a self, to: &'a str, text: &'a str) -> [(&'static str, &'a str); 3] {
        let from = match self {
            Self::MessagingService(sid) => ("MessagingServiceSid", sid.as_str()),
            Self::Number(number) => ("From", number.as_str()),
        };
        [("To", to), from, ("Body", text)]
    }
}

/// Where an account's messages are made.
pub(crate) fn url(base: &str, account: &str) -> String {
    format!("{}/2010-04-01/Accounts/{account}/Messages.json", base.trim_end_matches('/'))
}

/// The header that says who asks (RFC 7617).
pub(crate) fn login(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A refusal: `{"code": 21211, "message": …, "more_info": …, "status": 400}`.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: Option<u32>,
    message: String,
}

fn refusal(body: &[u8]) -> Option<Refusal> {
    serde_json::from_slice(body).ok()
}

/// Does Twilio ask to slow down, whatever the status says?
pub(crate) fn is_limited(body: &[u8]) -> bool {
    refusal(body).is_some_and(|refusal| refusal.code == Some(TOO_MANY))
}

/// What Twilio says is wrong.
pub(crate) fn reason(body: &[u8]) -> Option<String> {
    let Refusal { code, message } = refusal(body)?;
    Some(code.map_or_else(|| message.clone(), |code| format!("{message} (error {code})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_twilios() {
        assert_eq!(url("http://a/", "AC1"), "http://a/2010-04-01/Accounts/AC1/Messages.json");
        assert_eq!(login("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let number = From::choose(String::new(), "+1".into()).unwrap();
        assert_eq!(number.form("+2", "hi"), [("To", "+2"), ("From", "+1"), ("Body", "hi")]);
    }

    #[test]
    fn a_messaging_service_wins_over_a_number() {
        let from = From::choose("MG1".into(), "+1".into()).unwrap();
        assert_eq!(from.form("+2", "hi")[1], ("MessagingServiceSid", "MG1"));
        assert!(From::choose(String::new(), String::new()).is_err());
    }

    #[test]
    fn data_is_a_text_or_an_object() {
        let data = |text: &str, to: Option<&str>| Ok(Data { text: text.into(), to: to.map(Into::into) });
        assert_eq!(Data::parse("hi"), data("hi", None));
        assert_eq!(Data::parse("7"), data("7", None));
        assert_eq!(Data::parse(r#"{"text": "hi", "to": "+1"}"#), data("hi", Some("+1")));
        for bad in ["", " ", "{}", r#"{"text": ""}"#, r#"{"text": "hi", "to": ""}"#, r#"{"text": "hi", "to": 1}"#] {
            assert!(Data::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_has_1600_characters_at_most() {
        assert!(Data::parse(&"é".repeat(1600)).is_ok());
        assert_eq!(Data::parse(&"é".repeat(1601)).unwrap_err(), "the text has 1601 characters; Twilio takes 1600");
    }

    #[test]
    fn a_refusal_says_why() {
        let body = br#"{"code": 21211, "message": "Invalid 'To' Phone Number", "more_info": "x", "status": 400}"#;
        assert_eq!(reason(body).as_deref(), Some("Invalid 'To' Phone Number (error 21211)"));
        assert!(!is_limited(body));
        assert_eq!(reason(br#"{"code": null, "message": "no"}"#).as_deref(), Some("no"));
        assert_eq!(reason(b"<html>"), None);
        assert!(is_limited(br#"{"code": 20429, "message": "Too Many Requests", "status": 429}"#));
    }
}
