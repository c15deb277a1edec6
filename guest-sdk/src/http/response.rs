//! A response, and the judgement that most senders make of one.

use serde::de::DeserializeOwned;

use super::date;
use crate::Failure;
use crate::bindings::pusher::sender::http as host;

/// How much of a body goes into a failure's reason, in characters.
const EXCERPT: usize = 300;

/// A response, whatever its status.
#[derive(Debug, Clone)]
pub struct Response {
    response: host::Response,
}

impl From<host::Response> for Response {
    fn from(response: host::Response) -> Self {
        Self { response }
    }
}

impl Response {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// Is the status 200 to 299?
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.response.status)
    }

    /// The first value of a header; its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.response.body
    }

    /// The body as text, with anything that is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.response.body).into_owned()
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// If it is not JSON or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.response.body)
    }

    /// How many seconds the server asks to wait (`Retry-After`, RFC 9110 §10.2.3: as seconds or as a date). A date counts
    /// from the response's own `Date`; without one, and for anything else that is there, it is `None`.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(seconds);
        }
        // Both dates are from the server's clock, so ours does not matter.
        let wait = date::parse(value)? - date::parse(self.header("date")?)?;
        Some(u32::try_from(wait.max(0)).unwrap_or(u32::MAX))
    }

    /// The response itself if it is a success, otherwise the failure that its status stands for, with the beginning of
    /// the body as the reason.
    ///
    /// # Errors
    /// As [`error_for_status_with`](Self::error_for_status_with).
    pub fn error_for_status(self) -> Result<Self, Failure> {
        self.error_for_status_with(|_| None)
    }

    /// The response itself if it is a success, otherwise the failure that its status stands for, with the reason that
    /// `explain` finds in it, or else the beginning of the body.
    ///
    /// # Errors
    /// [`Failure::Limited`] for 429, and for 408 and 5xx with a `Retry-After`; [`Failure::Temporary`] for 408 and 5xx
    /// without; [`Failure::Permanent`] for anything else that is not 2xx. Where another provider means another thing, judge
    /// the status yourself, with [`Failure::retry`].
    pub fn error_for_status_with(self, explain: impl FnOnce(&Self) -> Option<String>) -> Result<Self, Failure> {
        if self.is_success() {
            return Ok(self);
        }
        let passes = matches!(self.status(), 408 | 500..=599);
        let retry_after = self.retry_after();
        if self.status() == 429 || (passes && retry_after.is_some()) {
            return Err(Failure::Limited(retry_after));
        }
        let why = explain(&self).unwrap_or_else(|| self.text().chars().take(EXCERPT).collect());
        let reason = format!("the server answered {}: {}", self.status(), why.trim());
        Err(if passes { Failure::Temporary(reason) } else { Failure::Permanent(reason) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        host::Response { status, headers, body: body.into() }.into()
    }

    #[test]
    fn a_status_says_what_kind_of_failure_it_is() {
        assert!(response(202, &[], "").error_for_status().is_ok());
        let failure = |status| response(status, &[], " why\n").error_for_status().unwrap_err();
        assert_eq!(failure(503), Failure::temporary("the server answered 503: why"));
        assert_eq!(failure(408), Failure::temporary("the server answered 408: why"));
        assert_eq!(failure(404), Failure::permanent("the server answered 404: why"));
        assert_eq!(failure(302), Failure::permanent("the server answered 302: why"));
        assert_eq!(failure(429), Failure::limited(None));
        let busy = |status| response(status, &[("Retry-After", "120")], "why").error_for_status().unwrap_err();
        for status in [408, 429, 500, 503] {
            assert_eq!(busy(status), Failure::limited(Some(120)), "{status}");
        }
        assert_eq!(busy(404), Failure::permanent("the server answered 404: why"));
    }

    #[test]
    fn a_provider_says_how_long_to_wait_in_seconds_or_by_date() {
        let limited = |headers: &[(&str, &str)]| response(429, headers, "").error_for_status().unwrap_err();
        assert_eq!(limited(&[("retry-after", " 120 ")]), Failure::limited(Some(120)));
        let now = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let later = ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(limited(&[now, later]), Failure::limited(Some(30)));
        assert_eq!(limited(&[("date", later.1), ("retry-after", now.1)]), Failure::limited(Some(0)));
        assert_eq!(limited(&[later]), Failure::limited(None));
        for none in ["soon", "", "-5", "1.5", "4294967296"] {
            assert_eq!(limited(&[("retry-after", none)]), Failure::limited(None), "{none}");
        }
    }

    #[test]
    fn a_long_body_is_cut_in_the_reason() {
        let failure = response(500, &[], &"é".repeat(1000)).error_for_status().unwrap_err();
        assert!(failure.to_string().chars().count() < 350);
    }
}
