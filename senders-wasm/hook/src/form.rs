//! The Go program's form of a hook, field for field and header for header.

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
    hmac_md5::sign(secret, fields.iter().copied().chain([("timestamp", timestamp)]))
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
