//! What FCM's answers mean: for one target, and for a message that went to several.
//!
//! The codes are those of <https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode>.

use pusher_sender_sdk::Failure;
use serde_json::Value;

/// How much of a reason is told, in characters.
const EXCERPT: usize = 300;
/// How long the host waits if the provider does not say, in seconds.
const WAIT: u32 = 60;

/// What FCM says of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It took the message.
    Taken,
    /// It never takes the message for this target, for this reason.
    Refused(String),
    /// It may take it later.
    Later(Failure),
    /// It takes nothing for any target now, for this is not the target's fault.
    Stop(Failure),
}

/// What an answer says of the target. `token` is the device's, which no reason may hold.
pub(crate) fn judge(status: u16, retry_after: Option<u32>, body: &[u8], token: &str) -> Verdict {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &body["error"];
    let code = code(error);
    let said = error["message"].as_str().unwrap_or("the answer is not FCM's");
    let said = if token.is_empty() { said.to_owned() } else { said.replace(token, "…") };
    let reason: String = format!("FCM answered {status} {code}: {said}").chars().take(EXCERPT).collect();
    match (status, code) {
        (200..=299, _) => Verdict::Taken,
        // The key for APNs or web push that the Firebase project holds is wrong: other devices may do without it.
        (401, "THIRD_PARTY_AUTH_ERROR") => Verdict::Later(Failure::temporary(reason)),
        // The device belongs to another project.
        (403, "SENDER_ID_MISMATCH") | (404, "UNREGISTERED") => Verdict::Refused(reason),
        // The service account or the project's name is wrong; the message waits for the operator.
        (401 | 403 | 404, _) => Verdict::Stop(Failure::temporary(reason)),
        (400..=499, _) if status != 408 && status != 429 => Verdict::Refused(reason),
        _ => Verdict::Later(Failure::retry(status, retry_after, reason)),
    }
}

/// FCM's own code, or else the general one of Google's APIs.
fn code(error: &Value) -> &str {
    let details = error["details"].as_array().map_or(&[][..], Vec::as_slice);
    let own = details.iter().find_map(|detail| detail["errorCode"].as_str());
    own.or_else(|| error["status"].as_str()).unwrap_or("without a code")
}

/// What becomes of a message for which FCM said all this.
///
/// It is delivered as soon as one target took it: tried again, it would come to that one twice.
pub(crate) fn outcome(verdicts: &[Verdict]) -> Result<(), Failure> {
    if verdicts.contains(&Verdict::Taken) {
        return Ok(());
    }
    let mut failures = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Later(failure) | Verdict::Stop(failure) => Some(failure),
        Verdict::Taken | Verdict::Refused(_) => None,
    });
    let wait = |failure: &&Failure| match failure {
        Failure::Limited(seconds) => Some(seconds.unwrap_or(WAIT)),
        _ => None,
    };
    // None, which stands for "did not ask to wait", is less than any wait.
    if let Some(first) = failures.next() {
        let longest = failures.fold(first, |longest, next| if wait(&next) > wait(&longest) { next } else { longest });
        return Err(longest.clone());
    }
    let mut reasons = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Refused(reason) => Some(reason),
        _ => None,
    });
    let first = reasons.next().map_or("there is no target", String::as_str);
    Err(Failure::permanent(match verdicts.len() {
        0 | 1 => first.to_owned(),
        devices => format!("none of the recipient's {devices} devices takes it; the first: {first}"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(status: &str, code: &str, message: &str) -> String {
        format!(
            r#"{{"error": {{"code": 1, "message": "{message}", "status": "{status}", "details": [
                {{"@type": "type.googleapis.com/google.rpc.BadRequest"}},
                {{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "{code}"}}]}}}}"#
        )
    }

    fn refused(reason: &str) -> Verdict {
        Verdict::Refused(reason.to_owned())
    }

    fn later(reason: &str) -> Verdict {
        Verdict::Later(Failure::temporary(reason))
    }

    #[test]
    fn a_message_that_has_a_name_is_taken() {
        assert_eq!(judge(200, None, br#"{"name": "projects/p/messages/1"}"#, "abc:x"), Verdict::Taken);
    }

    #[test]
    fn each_code_means_what_its_page_says() {
        for (http, status, code, verdict) in [
            (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", refused("FCM answered 400 INVALID_ARGUMENT: why")),
            (404, "NOT_FOUND", "UNREGISTERED", refused("FCM answered 404 UNREGISTERED: why")),
            (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", refused("FCM answered 403 SENDER_ID_MISMATCH: why")),
            (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", later("FCM answered 401 THIRD_PARTY_AUTH_ERROR: why")),
            (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Verdict::Later(Failure::limited(None))),
            (500, "INTERNAL", "INTERNAL", later("FCM answered 500 INTERNAL: why")),
            (503, "UNAVAILABLE", "UNAVAILABLE", later("FCM answered 503 UNAVAILABLE: why")),
        ] {
            assert_eq!(judge(http, None, body(status, code, "why").as_bytes(), "abc:x"), verdict, "{code}");
        }
    }

    #[test]
    fn what_the_operator_has_to_mend_stops_the_rest_and_waits() {
        for (http, status) in [(401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (404, "NOT_FOUND")] {
            let body = format!(r#"{{"error": {{"message": "why", "status": "{status}"}}}}"#);
            let reason = format!("FCM answered {http} {status}: why");
            assert_eq!(judge(http, None, body.as_bytes(), "abc:x"), Verdict::Stop(Failure::temporary(reason)));
        }
    }

    #[test]
    fn fcm_says_how_long_to_wait() {
        for status in [429, 500, 503] {
            assert_eq!(judge(status, Some(7), b"", "abc:x"), Verdict::Later(Failure::limited(Some(7))), "{status}");
        }
    }

    #[test]
    fn another_servers_words_are_not_told_and_a_token_is_cut_out() {
        assert_eq!(
            judge(502, None, b"<html>", "abc:x"),
            later("FCM answered 502 without a code: the answer is not FCM's")
        );
        assert_eq!(judge(302, None, b"", "abc:x"), later("FCM answered 302 without a code: the answer is not FCM's"));
        assert_eq!(judge(413, None, b"", ""), refused("FCM answered 413 without a code: the answer is not FCM's"));
        assert_eq!(judge(408, None, b"", ""), later("FCM answered 408 without a code: the answer is not FCM's"));
        let said = body("INVALID_ARGUMENT", "INVALID_ARGUMENT", "abc:x is no token");
        assert_eq!(
            judge(400, None, said.as_bytes(), "abc:x"),
            refused("FCM answered 400 INVALID_ARGUMENT: … is no token")
        );
        let long = body("INTERNAL", "INTERNAL", &"é".repeat(1000));
        let Verdict::Later(failure) = judge(500, None, long.as_bytes(), "abc:x") else {
            panic!("a 500 is tried again")
        };
        assert_eq!(failure.to_string().chars().count(), EXCERPT);
    }

    #[test]
    fn one_device_that_takes_it_is_enough() {
        let verdicts = [refused("gone"), Verdict::Taken, later("slow"), Verdict::Stop(Failure::temporary("denied"))];
        assert_eq!(outcome(&verdicts), Ok(()));
    }

    #[test]
    fn a_device_that_may_take_it_later_is_waited_for() {
        let limited = |seconds| Verdict::Later(Failure::limited(seconds));
        assert_eq!(outcome(&[refused("gone"), later("slow"), later("down")]), Err(Failure::temporary("slow")));
        assert_eq!(outcome(&[later("slow"), limited(None), limited(Some(9))]), Err(Failure::limited(None)));
        assert_eq!(outcome(&[limited(None), limited(Some(90)), later("slow")]), Err(Failure::limited(Some(90))));
        assert_eq!(
            outcome(&[refused("gone"), Verdict::Stop(Failure::temporary("denied"))]),
            Err(Failure::temporary("denied"))
        );
    }

    #[test]
    fn devices_that_are_all_gone_are_a_permanent_failure() {
        assert_eq!(outcome(&[refused("gone")]), Err(Failure::permanent("gone")));
        let reason = "none of the recipient's 2 devices takes it; the first: gone";
        assert_eq!(outcome(&[refused("gone"), refused("lost")]), Err(Failure::permanent(reason)));
    }
}
