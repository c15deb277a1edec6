//! The Go program's form of a hook, field for field and header for header.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use pusher_sender_sdk::Message;

/// The header with the time of the call in Unix seconds.
pub(crate) const TIME: &str = "X-Request-Time";
/// The header with the signature.
pub(crate) const SIGNATURE: &str = "X-Request-Signature";

/// The fields of the body, in the order in which Go's `url.Values` writes them: sorted.
pub(crate) fn fields(message: &Message) -> [(&'static str, &str); 3] {
    [("data", &message.data), ("pusher", &message.pusher), ("sender", &message.sender)]
}

/// The signature: upper-case hex of the HMAC-MD5 over each name and value with nothing between, sorted by name. The
/// time is signed as `timestamp`, which sorts after the fields.
pub(crate) fn sign(secret: &str, fields: &[(&str, &str)], timestamp: &str) -> String {
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(secret.as_bytes()) else {
        unreachable!("HMAC takes a key of any length (RFC 2104)");
    };
    for (name, value) in fields.iter().chain(&[("timestamp", timestamp)]) {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out with Python's `hmac` by the rule above.
    #[test]
    fn the_signature_is_the_go_programs() {
        let message = Message {
            id: "lupino_1".into(),
            sender: "hook1".into(),
            pusher: "lupino".into(),
            data: "{\"a\": \"ünïcode ✓\"}".into(),
            attempt: 1,
        };
        let fields = fields(&message);
        assert!(fields.is_sorted());
        assert_eq!(sign("secret1", &fields, "1456403493"), "7F5D6396D9F87FF4ABE6E7CD39F84E32");
    }
}
