//! Messages to one channel of Slack, Discord or Microsoft Teams, through its incoming webhook.
//!
//! The data of a message is the text, or JSON with the text in it: `{"text": …}`. Who the recipient is does not matter:
//! the channel is the webhook's.
//!
//! The manifest gives `style` (`slack`, `discord` or `teams`) and the secret `url`, the webhook's address.
//!
//! The requests are those of:
//! - Slack: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>
//! - Discord: <https://discord.com/developers/docs/resources/webhook#execute-webhook> and, for its limits,
//!   <https://discord.com/developers/docs/topics/rate-limits>
//! - Teams: <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>

mod answer;
mod style;

use pusher_sender_sdk::{Failure, Message, Outcome, ResultExt, Sender, config, http};
use style::Style;

struct Chat;

impl Sender for Chat {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let style = Style::parse(&config::require("style")?)?;
        let text = style::text(&message.data).or_permanent()?;
        let body = style.body(&text).or_permanent()?;
        let response = http::post(&config::require("url")?).json(&body).send()?;
        if response.status() == 429
            && let Some(seconds) = answer::retry_after(response.bytes())
        {
            return Err(Failure::limited(Some(seconds)));
        }
        response.error_for_status_with(|response| Some(answer::reason(response.bytes())))?;
        Ok(Outcome::Done)
    }
}

pusher_sender_sdk::export!(Chat as "chat");
