//! What the platform's answer means.
//!
//! It answers 200 whatever happened. What went wrong is `{"error_response": {"code", "msg", "sub_code", "sub_msg"}}`,
//! where the code says which part of the platform refused and the sub code why. Which of them to try again is what the
//! platform's list of errors says: those of `isp.` are its own and pass, as do 10 (service currently unavailable) and a
//! 15 (remote service error) that says no more; 4 to 8 are limits on calls.

use pusher_sender_sdk::Failure;
use serde_json::Value;

/// Delivered or not, and whether to try again.
pub(crate) fn judge(body: &[u8]) -> Result<(), Failure> {
    let answer: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::temporary(format!("the platform's answer is no JSON: {error}")))?;
    if let Some(error) = answer.get("error_response") {
        return Err(classify(&Refusal {
            code: error.get("code").and_then(number).unwrap_or_default(),
            sub_code: text(error, "sub_code").unwrap_or_default(),
            reason: text(error, "sub_msg").or(text(error, "msg")).unwrap_or("it does not say why"),
        }));
    }
    match answer.pointer("/alibaba_aliqin_fc_sms_num_send_response/result") {
        Some(result) if result.get("success") == Some(&Value::Bool(false)) => Err(classify(&Refusal {
            code: 0,
            sub_code: text(result, "err_code").unwrap_or_default(),
            reason: text(result, "msg").unwrap_or("it does not say why"),
        })),
        _ => Ok(()),
    }
}

/// What the platform says is wrong.
struct Refusal<'a> {
    code: i64,
    sub_code: &'a str,
    reason: &'a str,
}

fn classify(refusal: &Refusal<'_>) -> Failure {
    let Refusal { code, sub_code, reason } = refusal;
    let told = format!("the platform answered {code} {sub_code}: {reason}");
    if matches!(code, 4..=8)
        || sub_code.starts_with("accesscontrol.limited-by")
        || *sub_code == "isv.BUSINESS_LIMIT_CONTROL"
    {
        return Failure::limited_because(ban(reason), told);
    }
    let passes = sub_code.starts_with("isp.") || *code == 10 || (*code == 15 && sub_code.is_empty());
    if passes { Failure::temporary(told) } else { Failure::permanent(told) }
}

/// How long a limit on calls lasts, out of `This ban will last for 71 more seconds`.
fn ban(reason: &str) -> Option<u32> {
    let (_, rest) = reason.split_once("last for ")?;
    rest.split_once(" more second")?.0.parse().ok()
}

/// A text that is there and not empty.
fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A number, or its digits as a text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i64, sub_code: &str, sub_msg: &str) -> Failure {
        let error = serde_json::json!({ "code": code, "msg": "msg", "sub_code": sub_code, "sub_msg": sub_msg });
        judge(serde_json::json!({ "error_response": error }).to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn a_success_is_delivered() {
        let body = r#"{"alibaba_aliqin_fc_sms_num_send_response":{"result":{"err_code":"0","model":"1^2","success":true},"request_id":"z"}}"#;
        assert_eq!(judge(body.as_bytes()), Ok(()));
    }

    #[test]
    fn a_result_that_is_no_success_is_a_failure_too() {
        let body =
            r#"{"alibaba_aliqin_fc_sms_num_send_response":{"result":{"err_code":"isv.X","msg":"no","success":false}}}"#;
        assert_eq!(judge(body.as_bytes()), Err(Failure::permanent("the platform answered 0 isv.X: no")));
    }

    #[test]
    fn what_the_application_did_wrong_is_permanent() {
        assert_eq!(
            error(15, "isv.MOBILE_NUMBER_ILLEGAL", "号码格式错误"),
            Failure::permanent("the platform answered 15 isv.MOBILE_NUMBER_ILLEGAL: 号码格式错误")
        );
        assert_eq!(error(25, "", ""), Failure::permanent("the platform answered 25 : msg"));
        assert_eq!(
            judge(br#"{"error_response": {}}"#),
            Err(Failure::permanent("the platform answered 0 : it does not say why"))
        );
    }

    #[test]
    fn the_platforms_own_troubles_pass() {
        for (code, sub_code) in [(15, "isp.SYSTEM_ERROR"), (520, "isp.remote-service-timeout"), (10, ""), (15, "")] {
            assert!(matches!(error(code, sub_code, "busy"), Failure::Temporary(_)), "{code} {sub_code}");
        }
        assert!(matches!(judge(b"<html>"), Err(Failure::Temporary(_))));
    }

    #[test]
    fn limits_say_how_long_they_last() {
        let sub_code = "accesscontrol.limited-by-app-access-count";
        assert_eq!(error(7, sub_code, "This ban will last for 71 more seconds"), Failure::limited(Some(71)));
        assert_eq!(error(7, "", ""), Failure::limited(None));
        assert_eq!(error(15, "isv.BUSINESS_LIMIT_CONTROL", "触发业务流控"), Failure::limited(None));
        let body = br#"{"error_response": {"code": "7", "msg": "App Call Limited"}}"#;
        assert_eq!(judge(body), Err(Failure::limited(None)));
    }
}
