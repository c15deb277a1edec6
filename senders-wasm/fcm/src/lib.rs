//! Notifications to apps on Android, iOS and the web, through Firebase Cloud Messaging.
//!
//! The data of a message is `{"title": …, "body": …, "data": {…}}` or `{"message": {…}}`, FCM's own `Message`. It may
//! name a `token`, `topic` or `condition`; without one it goes to all the recipient's devices, which are tags:
//! `<channel>:<registration token>`.
//!
//! The manifest gives the secret `service_account`, a service account's key file, and `project` and `base` (both
//! optional: the account's own project, <https://fcm.googleapis.com>).
//!
//! The request is that of <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>. The access
//! token it needs is had as in <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>.

mod access;
mod account;
mod answer;
mod message;
mod rsa;

use std::time::{SystemTime, UNIX_EPOCH};

use access::Token;
use account::ServiceAccount;
use answer::Verdict;
use message::Data;
use pusher_sender_sdk::{Failure, Message, Outcome, ResultExt, Sender, config, http, pushers};
use serde_json::Value;

const BASE: &str = "https://fcm.googleapis.com";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

struct Fcm;

impl Sender for Fcm {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let data = Data::parse(&message.data).or_permanent()?;
        let devices = if data.has_target() { vec![None] } else { devices(&message)?.into_iter().map(Some).collect() };
        let account = ServiceAccount::parse(&config::require("service_account")?)?;
        let url = url(&account)?;
        let token = access_token(&account)?;
        let mut verdicts = Vec::with_capacity(devices.len());
        for device in devices {
            let verdict = post(&url, &token.value, &data.body(device.as_deref()));
            if let Verdict::Refused(reason) = &verdict {
                eprintln!("a device or topic is passed over: {reason}");
            }
            let stop = matches!(verdict, Verdict::Stop(_));
            verdicts.push(verdict);
            if stop {
                break;
            }
        }
        answer::outcome(&verdicts)?;
        Ok(Outcome::Done)
    }
}

/// The registration tokens of the recipient's devices, one at least.
fn devices(message: &Message) -> Result<Vec<String>, Failure> {
    let recipient = pushers::recipient(message)?;
    let devices: Vec<_> = message::devices(&message.sender, &recipient.tags).into_iter().map(str::to_owned).collect();
    if devices.is_empty() {
        return Err(Failure::permanent(format!(
            "the data has no \"token\", \"topic\" or \"condition\", and the recipient no device: no tag \"{}:…\"",
            message.sender
        )));
    }
    Ok(devices)
}

fn url(account: &ServiceAccount) -> Result<String, Failure> {
    let project = config::get_or("project", "");
    let project = if project.is_empty() { &account.project_id } else { &project };
    if project.is_empty() {
        return Err(Failure::temporary("neither the manifest has a `project` nor the service account a project_id"));
    }
    Ok(format!("{}/v1/projects/{project}/messages:send", config::get_or("base", BASE).trim_end_matches('/')))
}

/// The token that this instance kept, or else a new one.
fn access_token(account: &ServiceAccount) -> Result<Token, Failure> {
    let now = now()?;
    if let Some(token) = Token::recall(now) {
        return Ok(token);
    }
    let assertion = account.assertion(now)?;
    let response =
        http::post(&account.token_uri).form(&[("grant_type", GRANT_TYPE), ("assertion", &assertion)]).send()?;
    let token = Token::read(response.status(), response.retry_after(), response.bytes(), now)?;
    token.keep();
    Ok(token)
}

/// Sends to one target. A server that cannot be reached cannot be reached for the next one either.
fn post(url: &str, access_token: &str, body: &Value) -> Verdict {
    match http::post(url).header("authorization", &format!("Bearer {access_token}")).json(body).send() {
        Err(error) => Verdict::Stop(error.into()),
        Ok(response) => {
            if response.status() == 401 {
                Token::forget();
            }
            let device = body["message"]["token"].as_str().unwrap_or_default();
            answer::judge(response.status(), response.retry_after(), response.bytes(), device)
        }
    }
}

/// Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the host's clock is the only one that a sender has")]
fn now() -> Result<u64, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

pusher_sender_sdk::export!(Fcm as "fcm");
