//! SMS through Alidayu: the method `alibaba.aliqin.fc.sms.num.send` of the Taobao open platform.
//!
//! The data of a message is that of the Go program (`worker/senders/sendsms.go`): JSON with `signName`, `template`,
//! `params` and `phoneNumber`. `params` is a template over the recipient, see `params`. Without `phoneNumber` the SMS
//! goes to the recipient's number. `createdAt` is the application's own note and is ignored.
//!
//! The manifest gives `app_key`, `base` (optional, <https://eco.taobao.com>) and the secret `app_secret`.
//!
//! The request is that of the platform's call protocol, by which the time is that of Beijing wherever the sender runs.

mod answer;
mod params;
mod sms;

use std::time::{SystemTime, UNIX_EPOCH};

use pusher_sender_sdk::{Failure, Message, Outcome, ResultExt, Sender, config, http, pushers};

/// The platform's entry for HTTPS. The Go program's, `http://gw.api.taobao.com`, takes the same requests in the clear.
const BASE: &str = "https://eco.taobao.com";

struct SendSms;

impl Sender for SendSms {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let data = sms::Data::parse(&message.data).or_permanent()?;
        let pusher = pushers::recipient(&message)?;
        let Some(number) = data.number(&pusher) else {
            return Err(Failure::permanent("the recipient has no phone number, and the data gives none"));
        };
        let request = sms::request(&config::require("app_key")?, number, &data, &pusher, now()?);
        let response = http::post(&format!("{}/router/rest", config::get_or("base", BASE).trim_end_matches('/')))
            .form(&sms::sign(request, &config::require("app_secret")?))
            .send()?
            .error_for_status()?;
        answer::judge(response.bytes())?;
        Ok(Outcome::Done)
    }
}

/// Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the host's clock is the only one that a sender has")]
fn now() -> Result<u64, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

pusher_sender_sdk::export!(SendSms as "sendsms");
