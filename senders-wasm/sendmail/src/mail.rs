//! The words of SendGrid's API, and how a message becomes a mail.

use pusher_sender_sdk::pushers::Pusher;
use pusher_sender_sdk::template::{self, Template};
use serde::{Deserialize, Serialize};

/// What an application pushes.
#[derive(Debug, Deserialize)]
pub(crate) struct Data {
    subject: String,
    text: String,
}

impl Data {
    /// Reads the data of a message.
    pub(crate) fn parse(data: &str) -> Result<Self, String> {
        let data: Self = serde_json::from_str(data).map_err(|error| format!("the data is no mail: {error}"))?;
        // SendGrid refuses both; saying so here says it better.
        match (data.subject.is_empty(), data.text.is_empty()) {
            (true, _) => Err("the mail has no subject".to_owned()),
            (_, true) => Err("the mail has no text".to_owned()),
            _ => Ok(data),
        }
    }
}

/// Somebody's address.
#[derive(Debug, Serialize)]
pub(crate) struct Address {
    email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

impl Address {
    /// An address with a name, which may be empty.
    pub(crate) fn new(email: String, name: String) -> Self {
        Self { email, name }
    }
}

#[derive(Debug, Serialize)]
struct Personalization {
    to: [Address; 1],
}

#[derive(Debug, Serialize)]
struct Content {
    r#type: &'static str,
    value: String,
}

/// The body of `POST /v3/mail/send`.
#[derive(Debug, Serialize)]
pub(crate) struct Mail {
    personalizations: [Personalization; 1],
    from: Address,
    subject: String,
    content: [Content; 1],
}

/// The mail to one recipient.
pub(crate) fn compose(from: Address, pusher: &Pusher, data: &Data) -> Mail {
    let text = fill_in(&data.text, pusher).unwrap_or_else(|error| {
        eprintln!("{error}; the text is sent as it stands");
        data.text.clone()
    });
    Mail {
        personalizations: [Personalization { to: [Address::new(pusher.email.clone(), pusher.nickname.clone())] }],
        from,
        subject: data.subject.clone(),
        content: [Content { r#type: "text/html", value: text }],
    }
}

fn fill_in(text: &str, pusher: &Pusher) -> Result<String, template::Error> {
    Template::go(text)?.render(pusher)
}

/// What SendGrid says is wrong, out of a body such as `{"errors": [{"message": …, "field": …}]}`.
pub(crate) fn reason(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        message: String,
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    let messages: Vec<_> = body.errors.into_iter().map(|error| error.message).collect();
    (!messages.is_empty()).then(|| messages.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pusher() -> Pusher {
        Pusher {
            id: "1".into(),
            email: "ada@example.com".into(),
            nickname: "Ada".into(),
            phone_number: String::new(),
            senders: vec![],
            tags: vec![],
            created_at: 0,
        }
    }

    fn composed(text: &str) -> String {
        let data = Data { subject: "{{.ID}}".into(), text: text.into() };
        let mail = compose(Address::new("us@example.com".into(), String::new()), &pusher(), &data);
        serde_json::to_string(&mail).unwrap()
    }

    #[test]
    fn the_text_is_a_template_and_the_subject_is_not() {
        assert_eq!(
            composed("<b>{{.NickName}}</b>"),
            r#"{"personalizations":[{"to":[{"email":"ada@example.com","name":"Ada"}]}],"from":{"email":"us@example.com"},"subject":"{{.ID}}","content":[{"type":"text/html","value":"<b>Ada</b>"}]}"#
        );
    }

    #[test]
    fn a_text_that_is_no_template_is_sent_as_it_stands() {
        assert!(composed("{{.NickName}} {{oops").contains("{{.NickName}} {{oops"));
    }

    #[test]
    fn data_needs_a_subject_and_a_text() {
        assert!(Data::parse(r#"{"subject": "s", "text": "t", "createdAt": 1}"#).is_ok());
        for data in ["", "1", "{}", r#"{"subject": "", "text": "t"}"#, r#"{"subject": "s", "text": ""}"#] {
            assert!(Data::parse(data).is_err(), "{data}");
        }
    }

    #[test]
    fn the_providers_reason_is_found() {
        let body = br#"{"errors":[{"message":"bad from","field":"from"},{"message":"bad to"}]}"#;
        assert_eq!(reason(body).as_deref(), Some("bad from; bad to"));
        assert_eq!(reason(b"<html>"), None);
        assert_eq!(reason(br#"{"errors":[]}"#), None);
    }
}
