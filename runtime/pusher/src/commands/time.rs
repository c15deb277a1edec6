//! Times as people write and read them.

use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time that somebody wrote: a fixed one, or one that counts from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Unix seconds.
    At(i64),
    /// So many seconds from now.
    In(i64),
}

impl When {
    /// The time in Unix seconds, if it is `now`.
    pub(crate) fn unix(self, now: i64) -> i64 {
        match self {
            Self::At(seconds) => seconds,
            Self::In(seconds) => now.saturating_add(seconds),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let written = if text == "now" {
            Some(Self::In(0))
        } else if let Some(span) = text.strip_prefix('+') {
            seconds(span).map(Self::In)
        } else if let Ok(seconds) = text.parse() {
            Some(Self::At(seconds))
        } else if let Some(span) = text.strip_prefix('-') {
            seconds(span).map(|seconds| Self::In(-seconds))
        } else {
            OffsetDateTime::parse(text, &Rfc3339).ok().map(|time| Self::At(time.unix_timestamp()))
        };
        written.ok_or_else(|| {
            "give Unix seconds (1767225600), RFC 3339 (2026-01-01T00:00:00Z), \"now\", from now on +30s, +10m, +2h, +1d \
             or +1h30m, or so long ago -2h"
                .to_owned()
        })
    }
}

/// The length of a span: numbers, each with its unit, as in `1h30m`.
fn seconds(span: &str) -> Option<i64> {
    let mut sum = 0_i64;
    let mut rest = span;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let mut units = after.chars();
        let unit = match units.next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = units.as_str();
    }
    Some(sum).filter(|_| !span.is_empty())
}

/// Unix milliseconds as a date and time in UTC, to the second.
pub(crate) fn show_millis(unix: i64) -> String {
    show(unix.div_euclid(1000))
}

/// Unix seconds as a date and time in UTC; as the number itself for what no calendar reaches.
pub(crate) fn show(unix: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(unix).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| unix.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_dates_or_spans() {
        for (text, when) in [
            ("1767225600", When::At(1_767_225_600)),
            ("0", When::At(0)),
            ("-7", When::At(-7)),
            ("2026-01-01T00:00:00Z", When::At(1_767_225_600)),
            ("2026-01-01T01:30:00+01:30", When::At(1_767_225_600)),
            ("2026-01-01T00:00:00.9Z", When::At(1_767_225_600)),
            ("now", When::In(0)),
            ("+30s", When::In(30)),
            ("+10m", When::In(600)),
            ("+2h", When::In(7200)),
            ("+1d", When::In(86_400)),
            ("+1h30m", When::In(5400)),
            ("+0s", When::In(0)),
            ("-2h", When::In(-7200)),
            ("-1d12h", When::In(-129_600)),
        ] {
            assert_eq!(text.parse(), Ok(when), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_forms_it_may_have() {
        for text in [
            "",
            "tomorrow",
            "+",
            "+5",
            "+m",
            "-",
            "-m",
            "-+5m",
            "+5w",
            "+-5m",
            "+5m3",
            "10m",
            "2026-01-01",
            "2026-13-01T00:00:00Z",
            "99999999999999999999",
            "+9999999999999999999d",
            "+9223372036854775807d",
        ] {
            let refused = text.parse::<When>().unwrap_err();
            assert!(refused.contains("RFC 3339"), "{text}: {refused}");
        }
    }

    #[test]
    fn a_span_counts_from_now() {
        assert_eq!(When::In(60).unix(1000), 1060);
        assert_eq!(When::At(5).unix(1000), 5);
        assert_eq!(When::In(1).unix(i64::MAX), i64::MAX);
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(show(1_456_403_493), "2016-02-25T12:31:33Z");
        assert_eq!(show(i64::MAX), i64::MAX.to_string());
        assert_eq!(show_millis(1_456_403_493_999), "2016-02-25T12:31:33Z");
    }
}
