//! What an endpoint's answer means: "Delivery success and failure" of Standard Webhooks 1.0.
//!
//! Anything but 2xx failed and is tried again, as in the Go program: an endpoint that answers 404 or 500 today may be
//! mended tomorrow. Only one that says it is gone is believed.

use pusher_sender_sdk::Failure;

/// How much of a body goes into a failure's reason, in characters.
const EXCERPT: usize = 300;

/// Delivered or not, and whether to try again.
pub(crate) fn judge(status: u16, retry_after: Option<u32>, body: &str) -> Result<(), Failure> {
    let reason = match status {
        200..=299 => return Ok(()),
        410 => return Err(Failure::permanent("the endpoint is gone")),
        300..=399 => format!("the endpoint answered {status}; redirects are not followed, its URL is to be changed"),
        _ => format!("the endpoint answered {status}: {}", body.trim().chars().take(EXCERPT).collect::<String>()),
    };
    // 502 and 504 come from an overloaded endpoint, so they slow down what follows, as 429 does.
    let status = if matches!(status, 502 | 504) { 429 } else { status };
    Err(Failure::retry(status, retry_after, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundreds_are_delivered() {
        for status in [200, 202, 204, 299] {
            assert_eq!(judge(status, Some(5), "whatever"), Ok(()));
        }
    }

    #[test]
    fn anything_else_is_tried_again() {
        for status in [400, 401, 404, 408, 500, 503, 199, 600] {
            let reason = format!("the endpoint answered {status}: why");
            assert_eq!(judge(status, None, " why\n"), Err(Failure::temporary(reason)));
        }
        assert!(judge(301, None, "").unwrap_err().to_string().contains("redirects are not followed"));
        assert!(judge(500, None, &"é".repeat(1000)).unwrap_err().to_string().chars().count() < 350);
    }

    #[test]
    fn an_endpoint_that_is_gone_is_not() {
        assert_eq!(judge(410, Some(5), ""), Err(Failure::permanent("the endpoint is gone")));
    }

    #[test]
    fn an_endpoint_that_has_enough_says_how_long_to_wait() {
        for status in [429, 502, 504] {
            assert_eq!(judge(status, None, ""), Err(Failure::limited(None)));
        }
        for status in [429, 502, 503, 504, 302, 404] {
            assert_eq!(judge(status, Some(120), ""), Err(Failure::limited(Some(120))));
        }
    }
}
