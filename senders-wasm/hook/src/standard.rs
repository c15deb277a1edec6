//! Standard Webhooks 1.0: the headers of a call.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::de::IgnoredAny;
use sha2::Sha256;

/// The header with the identifier of the message, the same for every attempt.
pub(crate) const ID: &str = "webhook-id";
/// The header with the time of the attempt in Unix seconds.
pub(crate) const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, one for each secret.
pub(crate) const SIGNATURE: &str = "webhook-signature";

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a secret has: 192 to 512 bits.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The identifier of a message: the job's name with everything percent-encoded that is not printable ASCII, and `.` and
/// `%`.
///
/// The name holds the recipient's id, which can be any text. A `.` would let one identifier and time pass for another
/// (the specification forbids it), and the rest cannot be in a header.
pub(crate) fn id(name: &str) -> String {
    let mut id = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'.' | b'%') {
            id.push(char::from(byte));
        } else {
            _ = write!(id, "%{byte:02X}");
        }
    }
    id
}

/// The signatures: for each secret `v1,` and the base64 of the HMAC-SHA256 over `id.timestamp.body`.
///
/// `secrets` are separated by white space. The error does not show them.
pub(crate) fn sign(secrets: &str, id: &str, timestamp: &str, body: &str) -> Result<String, String> {
    let mut signatures = Vec::new();
    for secret in secrets.split_whitespace() {
        let key = secret.strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
        let Some(key) = key.filter(|key| BYTES.contains(&key.len())) else {
            return Err(format!("a secret in the manifest is not {PREFIX} and 24 to 64 bytes in base64"));
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
            unreachable!("HMAC takes a key of any length (RFC 2104)");
        };
        for part in [id, ".", timestamp, ".", body] {
            mac.update(part.as_bytes());
        }
        signatures.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    if signatures.is_empty() { Err("the manifest's secret is empty".to_owned()) } else { Ok(signatures.join(" ")) }
}

/// The type of a body, which is the data as it was pushed: what was signed has to arrive byte for byte.
pub(crate) fn content_type(data: &str) -> &'static str {
    match serde_json::from_str::<IgnoredAny>(data) {
        Ok(_) => "application/json",
        Err(_) => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    /// The two examples are from the tests of the reference libraries.
    #[test]
    fn the_signature_is_that_of_the_reference_libraries() {
        assert_eq!(
            sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#).unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(
            sign(
                OTHER,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                "1649367553",
                r#"{"email":"test@example.com","username":"test_user"}"#
            )
            .unwrap(),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
    }

    #[test]
    fn each_secret_signs() {
        let of = |secrets: &str| sign(secrets, "id", "1", "body").unwrap();
        assert_eq!(of(&format!(" {SECRET}  {OTHER}\n")), format!("{} {}", of(SECRET), of(OTHER)));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_shown() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for secret in
            ["", " ", key, &format!("whsk_{key}"), "whsec_", "whsec_?!", &short, &long, &format!("{SECRET} x")]
        {
            let error = sign(secret, "id", "1", "body").unwrap_err();
            assert!(secret.len() < 10 || !error.contains(secret), "{error}");
        }
        assert!(sign(&format!("whsec_{}", STANDARD.encode([7; 64])), "id", "1", "body").is_ok());
    }

    #[test]
    fn an_identifier_is_the_jobs_name_without_what_a_header_or_the_signed_text_cannot_hold() {
        assert_eq!(id("lupino_88bf72bd461965be993c0e6cee9cd061"), "lupino_88bf72bd461965be993c0e6cee9cd061");
        assert_eq!(id("a.b@example.com_0"), "a%2Eb@example%2Ecom_0");
        assert_eq!(id("日 1\n%_0"), "%E6%97%A5%201%0A%25_0");
    }

    #[test]
    fn json_is_called_json() {
        for data in [r#"{"type": "a.b", "data": {}}"#, "1", "[]"] {
            assert_eq!(content_type(data), "application/json", "{data}");
        }
        for data in ["", "hello", "{} {}"] {
            assert_eq!(content_type(data), "text/plain; charset=utf-8", "{data}");
        }
    }
}
