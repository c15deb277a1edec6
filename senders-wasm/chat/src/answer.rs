//! What the webhooks answer when they refuse.
//!
//! The address is a secret, and a server that does not know it may print it back (`Cannot POST /services/…`). So only
//! what has the shape of the three providers' own errors is told.

use serde_json::Value;

/// How much of a reason is told, in characters.
const EXCERPT: usize = 300;

/// How many seconds Discord asks to wait: `{"retry_after": 64.57}`, in whole seconds and not too early.
pub(crate) fn retry_after(body: &[u8]) -> Option<u32> {
    let body: Value = serde_json::from_slice(body).ok()?;
    // The cast ends at the largest number there is, and makes a negative one 0.
    body.get("retry_after")?.as_f64().map(|seconds| seconds.ceil() as u32)
}

/// Why the webhook refused.
pub(crate) fn reason(body: &[u8]) -> String {
    let reason = match serde_json::from_slice::<Value>(body) {
        Ok(body) => object(&body),
        Err(_) => word(body),
    };
    reason.unwrap_or_else(|| "no reason given".to_owned()).chars().take(EXCERPT).collect()
}

/// Discord's `{"message": …, "code": …, "errors": …}` and Teams' `{"error": {"message": …}}`.
fn object(body: &Value) -> Option<String> {
    let error = body.get("error").unwrap_or(body);
    let message = error.get("message")?.as_str()?;
    // What is wrong with a form stands only here; the message says no more than that it is.
    Some(body.get("errors").map_or_else(|| message.to_owned(), |errors| format!("{message}: {errors}")))
}

/// Slack's one word, such as `channel_not_found`.
fn word(body: &[u8]) -> Option<String> {
    let word = str::from_utf8(body).ok()?.trim();
    let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_word.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discord_says_how_long_to_wait_in_parts_of_a_second() {
        assert_eq!(retry_after(br#"{"message": "You are being rate limited.", "retry_after": 64.57}"#), Some(65));
        assert_eq!(retry_after(br#"{"retry_after": 1}"#), Some(1));
        assert_eq!(retry_after(br#"{"retry_after": "soon"}"#), None);
        assert_eq!(retry_after(b"rate_limited"), None);
    }

    #[test]
    fn each_providers_reason_is_found() {
        assert_eq!(reason(b"channel_not_found\n"), "channel_not_found");
        assert_eq!(reason(br#"{"message": "Unknown Webhook", "code": 10015}"#), "Unknown Webhook");
        assert_eq!(
            reason(br#"{"code": 50035, "errors": {"content": "too long"}, "message": "Invalid Form Body"}"#),
            r#"Invalid Form Body: {"content":"too long"}"#
        );
        assert_eq!(
            reason(br#"{"error": {"code": "WorkflowNotFound", "message": "The workflow is gone."}}"#),
            "The workflow is gone."
        );
    }

    #[test]
    fn what_is_no_reason_of_theirs_is_not_told() {
        for body in ["", "Cannot POST /services/T0/B0/secret", "<html>", "{}", "\"x y\"", "[1]"] {
            assert_eq!(reason(body.as_bytes()), "no reason given", "{body}");
        }
    }

    #[test]
    fn a_long_reason_is_cut() {
        assert_eq!(reason("a".repeat(1000).as_bytes()).len(), EXCERPT);
    }
}
