//! Turns one pushall into one push per recipient, page after page. The host keeps how far it has come, so an attempt that
//! is cut off costs nothing: the next one goes on from there.
//!
//! The message is what the API makes of a pushall: its recipient is the channel, its data `{"data": …, "tag": …}`.

use pusher_sender_sdk::{Failure, Message, Outcome, ResultExt, Sender, pushers};
use serde::Deserialize;

/// How many recipients are pushed to in a call: as many as the host lets it.
const PAGE: u32 = 10_000;

/// What is to be pushed.
#[derive(Deserialize)]
struct PushAll {
    data: String,
    /// Only to those with this tag, or on whom this expression of tags holds; empty: to all.
    tag: String,
}

struct FanOut;

impl Sender for FanOut {
    fn send(message: Message) -> Result<Outcome, Failure> {
        let PushAll { data, tag } = serde_json::from_str(&message.data).or_permanent()?;
        while !pushers::fan_out(&message.id, &message.pusher, &tag, &data, PAGE)?.done {}
        Ok(Outcome::Done)
    }
}

pusher_sender_sdk::export!(FanOut as "pushall");
