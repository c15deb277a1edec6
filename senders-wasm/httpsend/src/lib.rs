//! Any HTTP request, from templates in the manifest.
//!
//! `url`, `body` and the headers' values are templates in the language of the SDK
//! ([`Template::jinja`](pusher_sender_sdk::template::Template::jinja)). They see the recipient's fields and, besides,
//! `Data` (the data of the message: as JSON if it is, otherwise its text), `DataJSON` and `MessageID`. What they fill in
//! is escaped for the place where it stands.
//!
//! The manifest gives `url`, `method` (optional, `POST`), `content_type` (optional, `application/json`), `body`
//! (optional: the data as it is), `required` (optional: names of fields a recipient must have), `headers` (optional:
//! names of headers) and for each of those `header_<name>`.

mod compose;
mod fields;

use compose::{Composed, Settings};
use fields::Fields;
use pusher_sender_sdk::{Failure, Message, Outcome, Sender, config, http, pushers};

struct HttpSend;

impl Sender for HttpSend {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let settings = settings()?;
        let pusher = pushers::recipient(&message)?;
        let Composed { url, headers, body } =
            compose::compose(&settings, &Fields::new(pusher, &message)?, &message.data)?;
        let mut request = http::request(&settings.method, &url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(&settings.content_type, body);
        }
        request.send()?.error_for_status_with(|response| Some(compose::reason(&response.text(), &headers)))?;
        Ok(Outcome::Done)
    }
}

fn settings() -> Result<Settings, Failure> {
    let mut headers = Vec::new();
    // The host tells a value only to who knows its key, so the manifest has to list the names.
    for name in compose::names(&config::get_or("headers", "")) {
        headers.push((name.to_owned(), config::require(&format!("header_{name}"))?));
    }
    Ok(Settings {
        url: config::require("url")?,
        method: config::get_or("method", "POST"),
        content_type: config::get_or("content_type", "application/json"),
        body: config::get("body"),
        required: config::get_or("required", ""),
        headers,
    })
}

pusher_sender_sdk::export!(HttpSend as "httpsend");
