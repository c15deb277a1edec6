//! Messages to Telegram chats, from a bot.
//!
//! The data of a message is the text, or JSON: `{"text": …, "chat_id": …}`. Without `chat_id` the chat is the one in the
//! recipient's phone number: an id (`123456`, `-1001234567890`) or a public name (`@channel`).
//!
//! The manifest gives `base` (optional, <https://api.telegram.org>) and the secret `token`.
//!
//! The request is `sendMessage` of <https://core.telegram.org/bots/api#sendmessage>; what an answer means is said under
//! <https://core.telegram.org/bots/api#making-requests> and
//! <https://core.telegram.org/bots/api#responseparameters>.

mod bot;

use pusher_sender_sdk::{Failure, Message, Outcome, ResultExt, Sender, config, http, pushers};

const BASE: &str = "https://api.telegram.org";

struct Telegram;

impl Sender for Telegram {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let data = bot::Data::parse(&message.data).or_permanent()?;
        let chat = match data.chat_id {
            Some(chat) => chat,
            None => bot::ChatId::parse(&pushers::recipient(&message)?.phone_number).or_permanent()?,
        };
        let token = config::require("token")?;
        let response = http::post(&bot::url(&config::get_or("base", BASE), &token))
            .json(&bot::SendMessage { chat_id: chat, text: data.text })
            .send()?;
        let answer = bot::Answer::read(response.bytes());
        // A proxy between us may answer for Telegram, so its status counts, too.
        if let Some(seconds) = answer.retry_after() {
            return Err(Failure::limited(Some(seconds)));
        }
        response.error_for_status_with(|_| Some(answer.reason(&token)))?;
        if answer.is_ok() { Ok(Outcome::Done) } else { Err(Failure::temporary(answer.reason(&token))) }
    }
}

pusher_sender_sdk::export!(Telegram as "telegram");
