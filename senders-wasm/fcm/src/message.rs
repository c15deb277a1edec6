//! The data of a message, and the request it becomes.

use serde_json::{Map, Value, json};

/// The fields that say where a message goes; it has one of them.
const TARGETS: [&str; 3] = ["token", "topic", "condition"];
/// The fields of the short form, besides the target.
const SHORT: [&str; 3] = ["title", "body", "data"];

/// What an application pushes: FCM's `Message`, with or without a target.
#[derive(Debug, PartialEq)]
pub(crate) struct Data {
    message: Map<String, Value>,
}

impl Data {
    /// Reads the data of a message: the short form or `{"message": …}`, and a target in either.
    pub(crate) fn parse(data: &str) -> Result<Self, String> {
        let mut fields: Map<String, Value> =
            serde_json::from_str(data).map_err(|error| format!("the data is no JSON object: {error}"))?;
        let targets: Vec<_> = TARGETS.iter().filter_map(|name| fields.remove_entry(*name)).collect();
        let mut message = match fields.remove("message") {
            None => short(&mut fields)?,
            Some(Value::Object(message)) => message,
            Some(_) => return Err("the data's \"message\" is no JSON object".to_owned()),
        };
        if let Some(unknown) = fields.keys().next() {
            return Err(format!(
                "the data has {unknown:?}, which is unknown here; \"message\" takes all that FCM does"
            ));
        }
        for (name, value) in targets {
            if message.insert(name.clone(), value).is_some() {
                return Err(format!("the data has two {name:?}"));
            }
        }
        let targets: Vec<_> = TARGETS.iter().filter_map(|name| Some((name, message.get(*name)?))).collect();
        if targets.len() > 1 {
            return Err("the data has more than one of \"token\", \"topic\" and \"condition\"".to_owned());
        }
        for (name, value) in targets {
            if value.as_str().is_none_or(str::is_empty) {
                return Err(format!("the data's {name:?} is no text"));
            }
        }
        Ok(Self { message })
    }

    /// Does it say itself where it goes?
    pub(crate) fn has_target(&self) -> bool {
        TARGETS.iter().any(|name| self.message.contains_key(*name))
    }

    /// The body of the request: for the device with this token, or for the target it has.
    pub(crate) fn body(&self, token: Option<&str>) -> Value {
        let mut message = self.message.clone();
        if let Some(token) = token {
            message.insert("token".to_owned(), token.into());
        }
        json!({ "message": message })
    }
}

/// `{"title", "body", "data"}` as FCM wants it. What it uses is taken out of `fields`.
fn short(fields: &mut Map<String, Value>) -> Result<Map<String, Value>, String> {
    let [title, body, data] = SHORT.map(|name| fields.remove(name));
    let mut notification = Map::new();
    for (name, value) in [("title", title), ("body", body)] {
        match value {
            None => {}
            Some(Value::String(text)) => _ = notification.insert(name.to_owned(), text.into()),
            Some(_) => return Err(format!("the data's {name:?} is no text")),
        }
    }
    let mut message = Map::new();
    if !notification.is_empty() {
        message.insert("notification".to_owned(), notification.into());
    }
    match data {
        None => {}
        Some(Value::Object(data)) => {
            if let Some((name, _)) = data.iter().find(|(_, value)| !value.is_string()) {
                return Err(format!("the value of {name:?} in the data's \"data\" is no text; FCM takes only texts"));
            }
            message.insert("data".to_owned(), data.into());
        }
        Some(_) => return Err("the data's \"data\" is no JSON object".to_owned()),
    }
    if message.is_empty() {
        return Err("the message is empty: the data has no \"title\", \"body\", \"data\" or \"message\"".to_owned());
    }
    Ok(message)
}

/// The registration tokens among a recipient's tags: what follows the channel's name and a colon.
pub(crate) fn devices<'a>(channel: &str, tags: &'a [String]) -> Vec<&'a str> {
    let token = |tag: &'a String| tag.strip_prefix(channel)?.strip_prefix(':').filter(|token| !token.is_empty());
    tags.iter().filter_map(token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(data: &str, token: Option<&str>) -> Value {
        Data::parse(data).unwrap().body(token)
    }

    #[test]
    fn the_short_form_is_a_notification_and_data() {
        assert_eq!(
            body(r#"{"title": "Hi", "body": "there", "data": {"a": "1"}}"#, Some("t")),
            json!({"message": {"notification": {"title": "Hi", "body": "there"}, "data": {"a": "1"}, "token": "t"}})
        );
        assert_eq!(
            body(r#"{"body": "x"}"#, Some("t")),
            json!({"message": {"notification": {"body": "x"}, "token": "t"}})
        );
        assert_eq!(body(r#"{"data": {}}"#, Some("t")), json!({"message": {"data": {}, "token": "t"}}));
    }

    #[test]
    fn a_message_is_given_as_it_is() {
        let data = r#"{"message": {"android": {"ttl": "60s"}, "notification": {"title": "Hi", "image": "u"}}}"#;
        assert_eq!(
            body(data, Some("t")),
            json!({"message": {"android": {"ttl": "60s"}, "notification": {"title": "Hi", "image": "u"}, "token": "t"}})
        );
    }

    #[test]
    fn data_may_name_its_target() {
        for (data, target, value) in [
            (r#"{"title": "x", "topic": "news"}"#, "topic", "news"),
            (r#"{"message": {"notification": {"title": "x"}}, "token": "abc"}"#, "token", "abc"),
            (
                r#"{"message": {"notification": {"title": "x"}, "condition": "'a' in topics"}}"#,
                "condition",
                "'a' in topics",
            ),
        ] {
            let data = Data::parse(data).unwrap();
            assert!(data.has_target());
            assert_eq!(data.body(None), json!({"message": {"notification": {"title": "x"}, target: value}}));
        }
        assert!(!Data::parse(r#"{"title": "x"}"#).unwrap().has_target());
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (data, reason) in [
            ("hi", "the data is no JSON object: expected value at line 1 column 1"),
            ("{}", "the message is empty: the data has no \"title\", \"body\", \"data\" or \"message\""),
            (r#"{"topic": "x"}"#, "the message is empty: the data has no \"title\", \"body\", \"data\" or \"message\""),
            (r#"{"title": 1}"#, "the data's \"title\" is no text"),
            (r#"{"data": {"n": 1}}"#, "the value of \"n\" in the data's \"data\" is no text; FCM takes only texts"),
            (r#"{"data": "x"}"#, "the data's \"data\" is no JSON object"),
            (r#"{"message": "x"}"#, "the data's \"message\" is no JSON object"),
            (r#"{"title": "x", "topic": ""}"#, "the data's \"topic\" is no text"),
            (r#"{"message": {"token": null}}"#, "the data's \"token\" is no text"),
            (r#"{"message": {"token": "a"}, "token": "b"}"#, "the data has two \"token\""),
            (
                r#"{"message": {"token": "a"}, "topic": "b"}"#,
                "the data has more than one of \"token\", \"topic\" and \"condition\"",
            ),
            (
                r#"{"message": {}, "title": "x"}"#,
                "the data has \"title\", which is unknown here; \"message\" takes all that FCM does",
            ),
            (
                r#"{"titel": "x", "body": "y"}"#,
                "the data has \"titel\", which is unknown here; \"message\" takes all that FCM does",
            ),
        ] {
            assert_eq!(Data::parse(data).unwrap_err(), reason, "{data}");
        }
    }

    #[test]
    fn devices_are_the_tags_of_this_channel() {
        let tags = ["vip", "fcm:a:APA91b", "fcm2:x", "fcm:", "fcm:b"].map(str::to_owned);
        assert_eq!(devices("fcm", &tags), ["a:APA91b", "b"]);
        assert_eq!(devices("other", &tags), [""; 0]);
    }
}
