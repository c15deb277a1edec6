//! Calls a webhook: the one that the manifest names, or the recipient's own.
//!
//! There are two forms. By default the call is the Go program's (`worker/senders/hook.go`, `utils.HmacMD5`): a form
//! signed with HMAC-MD5, see `form`. With `standard = "true"` it is Standard Webhooks 1.0
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>), see `standard`.
//! What the endpoint's answer means is the same for both, see `answer`.
//!
//! The manifest gives `url` (optional: without it, the URL is a tag of the recipient, `<channel>:<url>`), `standard`
//! (optional) and the secret `secret`. A secret `secret:<recipient's id>` takes its place where the URL is that
//! recipient's own, so that no two endpoints need to share one.

mod answer;
mod form;
mod standard;

use std::time::{SystemTime, UNIX_EPOCH};

use pusher_sender_sdk::{Failure, Message, Outcome, Sender, config, http, pushers};

struct Hook;

impl Sender for Hook {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let standard = match config::get_or("standard", "false").as_str() {
            "true" => true,
            "false" | "" => false,
            other => return Err(Failure::temporary(format!("`standard` in the manifest is {other:?}, not a truth"))),
        };
        let endpoint = Endpoint::find(&message)?;
        let timestamp = now()?.to_string();
        let request = http::post(&endpoint.url);
        let request = if standard {
            let id = standard::id(&message.id);
            let signature = standard::sign(&endpoint.secret, &id, &timestamp, &message.data)?;
            request
                .header(standard::ID, &id)
                .header(standard::TIMESTAMP, &timestamp)
                .header(standard::SIGNATURE, &signature)
                .body(standard::content_type(&message.data), message.data)
        } else {
            let fields = form::fields(&message);
            request
                .header(form::TIME, &timestamp)
                .header(form::SIGNATURE, &form::sign(&endpoint.secret, &fields, &timestamp))
                .form(&fields)
        };
        let response = request.send().map_err(|error| match error {
            http::Error::Invalid(reason) if endpoint.own => {
                Failure::permanent(format!("the recipient's URL: {reason}"))
            }
            error => error.into(),
        })?;
        answer::judge(response.status(), response.retry_after(), &response.text())?;
        Ok(Outcome::Done)
    }
}

/// What to call, and what the call is signed with.
struct Endpoint {
    url: String,
    secret: String,
    /// Is it the recipient's, rather than the manifest's?
    own: bool,
}

impl Endpoint {
    fn find(message: &Message) -> Result<Self, Failure> {
        if let Some(url) = config::get("url").filter(|url| !url.is_empty()) {
            return Ok(Self { url, secret: config::require("secret")?, own: false });
        }
        let pusher = pushers::recipient(message)?;
        let Some(url) = own_url(&message.sender, &pusher.tags) else {
            return Err(Failure::permanent(format!(
                "there is no URL: neither `url` in the manifest nor a tag \"{}:https://…\" of the recipient",
                message.sender
            )));
        };
        let secret = match config::get(&format!("secret:{}", pusher.id)).filter(|secret| !secret.is_empty()) {
            Some(secret) => secret,
            None => config::require("secret")?,
        };
        Ok(Self { url: url.to_owned(), secret, own: true })
    }
}

/// The URL among a recipient's tags: what follows the channel's name and a colon.
fn own_url<'a>(channel: &str, tags: &'a [String]) -> Option<&'a str> {
    tags.iter()
        .filter_map(|tag| tag.strip_prefix(channel)?.strip_prefix(':'))
        .find(|url| url.starts_with("https://") || url.starts_with("http://"))
}

/// Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the host's clock is the only one that a sender has")]
fn now() -> Result<u64, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

pusher_sender_sdk::export!(Hook as "hook");

#[cfg(test)]
mod tests {
    use super::own_url;

    #[test]
    fn a_recipients_url_is_the_tag_of_this_channel() {
        let tags =
            ["vip", "hook2:https://b.example", "hook:soon", "hook:https://a.example/x?y=1", "hook:http://c.example"];
        let tags = tags.map(str::to_owned);
        assert_eq!(own_url("hook", &tags), Some("https://a.example/x?y=1"));
        assert_eq!(own_url("hook2", &tags), Some("https://b.example"));
        assert_eq!(own_url("hook3", &tags), None);
    }
}
