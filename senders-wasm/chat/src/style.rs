//! The words of the three webhooks, and how a text becomes a request.

use serde_json::{Map, Value, json};

/// How many characters Discord takes.
const DISCORD_TEXT: usize = 2000;

/// Whose webhook it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Slack,
    Discord,
    Teams,
}

impl Style {
    /// Reads the manifest's `style`.
    pub(crate) fn parse(style: &str) -> Result<Self, String> {
        match style {
            "slack" => Ok(Self::Slack),
            "discord" => Ok(Self::Discord),
            "teams" => Ok(Self::Teams),
            _ => Err(format!("the manifest's style is {style:?}, which is none of slack, discord and teams")),
        }
    }

    /// The body of the request that posts `text`.
    pub(crate) fn body(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Slack => Ok(json!({ "text": text })),
            Self::Discord => discord(text),
            Self::Teams => Ok(teams(text)),
        }
    }
}

fn discord(text: &str) -> Result<Value, String> {
    let length = text.chars().count();
    if length > DISCORD_TEXT {
        return Err(format!("the text has {length} characters; Discord takes {DISCORD_TEXT}"));
    }
    // Nothing is a mention: `@everyone` in the data must not ring everyone's bell.
    Ok(json!({ "content": text, "allowed_mentions": { "parse": [] } }))
}

fn teams(text: &str) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": [{ "type": "TextBlock", "text": text, "wrap": true }],
            },
        }],
    })
}

/// The text in a message's data: `text` if the data is a JSON object, otherwise all of it.
pub(crate) fn text(data: &str) -> Result<String, String> {
    let text = match serde_json::from_str::<Map<String, Value>>(data) {
        Err(_) => data,
        Ok(object) => match object.get("text") {
            Some(Value::String(text)) => return not_empty(text),
            Some(_) => return Err("the data's \"text\" is not a string".to_owned()),
            None => return Err("the data is a JSON object without \"text\"".to_owned()),
        },
    };
    not_empty(text)
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("the message has no text".to_owned()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_gets_the_text() {
        assert_eq!(Style::Slack.body("a \"b\"").unwrap().to_string(), r#"{"text":"a \"b\""}"#);
    }

    #[test]
    fn discord_gets_the_text_and_no_mentions() {
        assert_eq!(
            Style::Discord.body("hi @everyone").unwrap().to_string(),
            r#"{"allowed_mentions":{"parse":[]},"content":"hi @everyone"}"#
        );
    }

    #[test]
    fn discord_takes_2000_characters_and_not_one_more() {
        assert!(Style::Discord.body(&"é".repeat(2000)).is_ok());
        let error = Style::Discord.body(&"é".repeat(2001)).unwrap_err();
        assert_eq!(error, "the text has 2001 characters; Discord takes 2000");
    }

    #[test]
    fn teams_gets_an_adaptive_card() {
        assert_eq!(
            Style::Teams.body("hi").unwrap(),
            json!({"type":"message","attachments":[{
                "contentType":"application/vnd.microsoft.card.adaptive",
                "contentUrl":null,
                "content":{
                    "$schema":"http://adaptivecards.io/schemas/adaptive-card.json",
                    "type":"AdaptiveCard",
                    "version":"1.2",
                    "body":[{"type":"TextBlock","text":"hi","wrap":true}]
                }
            }]})
        );
    }

    #[test]
    fn a_style_is_one_of_three() {
        assert_eq!(Style::parse("teams"), Ok(Style::Teams));
        assert!(Style::parse("Slack").unwrap_err().contains("\"Slack\""));
    }

    #[test]
    fn data_is_a_text_or_an_object_with_one() {
        assert_eq!(text("disk full"), Ok("disk full".into()));
        assert_eq!(text(r#"{"text": "disk full", "host": "a"}"#), Ok("disk full".into()));
        for plain in ["7", "\"quoted\"", "{not json", "[1]"] {
            assert_eq!(text(plain), Ok(plain.into()));
        }
        for bad in ["", " \n", "{}", r#"{"text": ""}"#, r#"{"text": 7}"#] {
            assert!(text(bad).is_err(), "{bad}");
        }
    }
}
