//! Text messages through Twilio.
//!
//! The data of a message is the text, or JSON: `{"text": …, "to": …}`. Without `to` it goes to the recipient's phone
//! number.
//!
//! The manifest gives `account_sid`, `from` or `messaging_service_sid`, `api_key` (optional), `base` (optional,
//! <https://api.twilio.com>) and the secret `auth_token`.
//!
//! The request is that of <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>; keys
//! are told of under <https://www.twilio.com/docs/usage/requests-to-twilio>, errors under
//! <https://www.twilio.com/docs/usage/twilios-response>.

mod sms;

use pusher_sender_sdk::{Failure, Message, Outcome, ResultExt, Sender, config, http, pushers};

const BASE: &str = "https://api.twilio.com";

struct Twilio;

impl Sender for Twilio {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let data = sms::Data::parse(&message.data).or_permanent()?;
        let to = match data.to {
            Some(to) => to,
            None => phone_number(&message)?,
        };
        let from = sms::From::choose(config::get_or("messaging_service_sid", ""), config::get_or("from", ""))?;
        let account = config::require("account_sid")?;
        let user = Some(config::get_or("api_key", "")).filter(|key| !key.is_empty());
        let login = sms::login(user.as_ref().unwrap_or(&account), &config::require("auth_token")?);
        let response = http::post(&sms::url(&config::get_or("base", BASE), &account))
            .header("authorization", &login)
            .form(&from.form(&to, &data.text))
            .send()?;
        if sms::is_limited(response.bytes()) && !response.is_success() {
            return Err(Failure::limited(response.retry_after()));
        }
        response.error_for_status_with(|response| sms::reason(response.bytes()))?;
        Ok(Outcome::Done)
    }
}

fn phone_number(message: &Message) -> Result<String, Failure> {
    let pusher = pushers::recipient(message)?;
    match pusher.phone_number.trim() {
        "" => Err(Failure::permanent("the data has no \"to\", and the recipient has no phone number")),
        number => Ok(number.to_owned()),
    }
}

pusher_sender_sdk::export!(Twilio as "twilio");
