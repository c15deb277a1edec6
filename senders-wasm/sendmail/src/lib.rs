//! Mail through SendGrid's v3 API.
//!
//! The data of a message is JSON: `{"subject": …, "text": …, "createdAt": …}`. `text` is a Go template over the
//! recipient and is sent as HTML; one that is no template is sent as it stands. `createdAt` is the application's own
//! note and is ignored.
//!
//! The manifest gives `from`, `from_name` (optional), `base` (optional, <https://api.sendgrid.com>) and the secret
//! `api_key`.

mod mail;

use pusher_sender_sdk::{Failure, Message, Outcome, ResultExt, Sender, config, http, pushers};

const BASE: &str = "https://api.sendgrid.com";

struct SendMail;

impl Sender for SendMail {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let data = mail::Data::parse(&message.data).or_permanent()?;
        let pusher = pushers::recipient(&message)?;
        if pusher.email.is_empty() {
            return Err(Failure::permanent("the recipient has no e-mail address"));
        }
        let from = mail::Address::new(config::require("from")?, config::get_or("from_name", ""));
        http::post(&format!("{}/v3/mail/send", config::get_or("base", BASE).trim_end_matches('/')))
            .header("authorization", &format!("Bearer {}", config::require("api_key")?))
            .json(&mail::compose(from, &pusher, &data))
            .send()?
            .error_for_status_with(|response| mail::reason(response.bytes()))?;
        Ok(Outcome::Done)
    }
}

pusher_sender_sdk::export!(SendMail as "sendmail");
