//! The smallest sender, and the one to copy: data `1` is put off for ten seconds, anything else counts as delivered.

use pusher_sender_sdk::{Failure, Message, Outcome, Sender};

struct Sample;

impl Sender for Sample {
    fn send(message: Message) -> Result<Outcome, Failure> {
        if message.data == "1" {
            eprintln!("put off for {}, attempt {}", message.pusher, message.attempt);
            return Ok(Outcome::Later(10));
        }
        Ok(Outcome::Done)
    }
}

pusher_sender_sdk::export!(Sample as "sample");
