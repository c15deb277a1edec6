//! How a message becomes a request, and what is told of the answer.

use pusher_sender_sdk::Failure;
use pusher_sender_sdk::template::Error;
use serde::de::IgnoredAny;

use crate::fields::{Escape, Fields};

/// How much of an answer is told, in characters.
const EXCERPT: usize = 300;
/// A header's value that is shorter than this is no secret, and would be found everywhere in an answer.
const MIN_SECRET: usize = 8;

/// What the manifest says.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) url: String,
    pub(crate) method: String,
    pub(crate) content_type: String,
    pub(crate) body: Option<String>,
    pub(crate) required: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// A request; its method and the type of its body are the manifest's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Composed {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
}

/// The names in a list, between spaces or commas.
pub(crate) fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split([' ', ',']).filter(|name| !name.is_empty())
}

/// The request for one message.
pub(crate) fn compose(settings: &Settings, fields: &Fields, data: &str) -> Result<Composed, Failure> {
    for name in names(&settings.required) {
        match fields.optional(name) {
            None => return Err(format!("the manifest requires {name:?}, which is no field of a recipient"))?,
            Some("") => return Err(Failure::permanent(format!("the recipient has no {name}"))),
            Some(_) => {}
        }
    }
    let url = filled(fields.fill_in(&settings.url, Escape::Percent), "url")?;
    check_url(&url)?;
    let headers = settings.headers.iter().map(|(name, text)| header(fields, name, text)).collect::<Result<_, _>>()?;
    Ok(Composed { url, headers, body: body(settings, fields, data)? })
}

fn filled(result: Result<Result<String, Error>, Error>, key: &str) -> Result<String, Failure> {
    result
        .map_err(|error| Failure::temporary(format!("{key} in the manifest: {error}")))?
        .map_err(|error| Failure::permanent(format!("{key} in the manifest: {error}")))
}

/// Refuses what would lead elsewhere than the template says: an id that is `..` climbs a level.
fn check_url(url: &str) -> Result<(), Failure> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(Failure::permanent("the url has a segment that is \".\" or \"..\""));
    }
    Ok(())
}

/// A header. Its value may hold a secret, so no failure tells it.
fn header(fields: &Fields, name: &str, text: &str) -> Result<(String, String), Failure> {
    let value = match fields.fill_in(text, Escape::None) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) => return Err(Failure::permanent(format!("header_{name} in the manifest cannot be filled in"))),
        Err(_) => return Err(Failure::temporary(format!("header_{name} in the manifest is no template"))),
    };
    if value.contains(|c: char| c.is_ascii_control() && c != '\t') {
        return Err(Failure::permanent(format!("the header {name:?} would have a line end or the like in it")));
    }
    Ok((name.to_owned(), value))
}

/// The body: what the manifest says, or else the data as it is; a request that only asks has none unless told.
fn body(settings: &Settings, fields: &Fields, data: &str) -> Result<Option<String>, Failure> {
    let escape = Escape::of(&settings.content_type);
    let body = match &settings.body {
        Some(text) => filled(fields.fill_in(text, escape), "body")?,
        None if matches!(settings.method.as_str(), "GET" | "HEAD") => String::new(),
        None => data.to_owned(),
    };
    if body.is_empty() {
        return Ok(None);
    }
    if escape == Escape::Json
        && let Err(error) = serde_json::from_str::<IgnoredAny>(&body)
    {
        return Err(Failure::permanent(format!("the body is not JSON: {error}")));
    }
    Ok(Some(body))
}

/// The beginning of an answer, without the headers that a server may print back.
pub(crate) fn reason(answer: &str, headers: &[(String, String)]) -> String {
    let mut reason = answer.to_owned();
    for (_, value) in headers.iter().filter(|(_, value)| value.len() >= MIN_SECRET) {
        reason = reason.replace(value, "…");
    }
    reason.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::tests::fields;

    fn settings(url: &str, body: Option<&str>) -> Settings {
        Settings {
            url: url.into(),
            method: "POST".into(),
            content_type: "application/json".into(),
            body: body.map(Into::into),
            required: String::new(),
            headers: vec![],
        }
    }

    fn composed(settings: &Settings, data: &str) -> Result<Composed, Failure> {
        compose(settings, &fields(data), data)
    }

    fn permanent(settings: &Settings, data: &str) -> bool {
        matches!(composed(settings, data), Err(Failure::Permanent(_)))
    }

    #[test]
    fn a_request_is_filled_in() {
        let mut settings =
            settings("https://a/{{ ID }}?to={{ Email }}", Some(r#"{"n": "{{ NickName }}", "t": "{{ Data.text }}"}"#));
        settings.headers = vec![("x-id".into(), "{{ MessageID }}".into()), ("authorization".into(), "Bearer x".into())];
        let request = composed(&settings, r#"{"text": "\"hi\""}"#).unwrap();
        assert_eq!(request.url, "https://a/a%2Fb?to=ada%40example.com");
        assert_eq!(request.headers[0].1, "job 1");
        assert_eq!(request.headers[1].1, "Bearer x");
        assert_eq!(request.body.as_deref(), Some(r#"{"n": "Ada \"A\"\n", "t": "\"hi\""}"#));
    }

    #[test]
    fn without_a_template_the_body_is_the_data() {
        let mut settings = settings("https://a/", None);
        assert_eq!(composed(&settings, "{\"a\": 1}").unwrap().body.as_deref(), Some("{\"a\": 1}"));
        assert_eq!(composed(&settings, "").unwrap().body, None);
        settings.method = "GET".into();
        assert_eq!(composed(&settings, "{}").unwrap().body, None);
    }

    #[test]
    fn a_body_that_says_it_is_json_is_json() {
        assert!(permanent(&settings("https://a/", None), "plain"));
        assert!(permanent(&settings("https://a/", Some(r#"{"n": {{ Data.n }}}"#)), r#"{"n": "x"}"#));
        let mut plain = settings("https://a/", None);
        plain.content_type = "text/plain".into();
        assert_eq!(composed(&plain, "plain").unwrap().body.as_deref(), Some("plain"));
    }

    #[test]
    fn a_url_leads_where_the_template_says() {
        assert!(permanent(&settings("https://a/u/{{ Data.id }}/x", None), r#"{"id": ".."}"#));
        let url = composed(&settings("https://a/u/{{ Data.id }}/x", None), r#"{"id": "../b?c#d"}"#).unwrap().url;
        assert_eq!(url, "https://a/u/..%2Fb%3Fc%23d/x");
    }

    #[test]
    fn a_recipient_needs_what_is_required() {
        let mut settings = settings("https://a/", None);
        settings.required = "Email, NickName".into();
        assert!(composed(&settings, "{}").is_ok());
        settings.required = "Email PhoneNumber".into();
        assert_eq!(composed(&settings, "{}"), Err(Failure::permanent("the recipient has no PhoneNumber")));
        settings.required = "email".into();
        assert!(matches!(composed(&settings, "{}"), Err(Failure::Temporary(_))));
    }

    #[test]
    fn a_missing_field_is_the_messages_fault_and_a_wrong_template_the_manifests() {
        assert!(permanent(&settings("https://a/{{ Data.id }}", None), "{}"));
        assert!(matches!(composed(&settings("https://a/{{", None), "{}"), Err(Failure::Temporary(_))));
    }

    #[test]
    fn a_header_holds_one_line_and_is_told_to_nobody() {
        let mut settings = settings("https://a/", None);
        for value in ["secret {{ NickName }}", "secret {{ Data.x }}", "secret {{"] {
            settings.headers = vec![("x-a".into(), value.into())];
            let failure = composed(&settings, "{}").unwrap_err();
            assert!(failure.to_string().contains("x-a") && !failure.to_string().contains("secret"), "{failure}");
        }
    }

    #[test]
    fn an_answer_that_prints_a_header_is_told_without_it() {
        let headers = [("authorization".into(), "Bearer 123".into()), ("x-version".into(), "1".into())];
        assert_eq!(reason("no: Bearer 123, v1", &headers), "no: …, v1");
        assert_eq!(reason(&"é".repeat(1000), &headers).chars().count(), EXCERPT);
    }
}
