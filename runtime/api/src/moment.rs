//! Times as requests write them: Unix seconds, or RFC 3339.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time that somebody wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Unix milliseconds; what is out of their reach is as far away as they go.
    pub(crate) millis: i64,
}

/// A text that is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no time; give Unix seconds (1767225600) or RFC 3339 (2026-01-01T00:00:00Z, a + in it as %2B in a URL)"
)]
pub(crate) struct MomentError;

impl Moment {
    /// Unix seconds.
    pub(crate) fn seconds(self) -> i64 {
        self.millis.div_euclid(1000)
    }

    fn from_seconds(seconds: i64) -> Self {
        Self { millis: seconds.saturating_mul(1000) }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(seconds) = text.parse() {
            return Ok(Self::from_seconds(seconds));
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| MomentError)?;
        // Every year that RFC 3339 can write is in reach.
        let millis = i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(|_| MomentError)?;
        Ok(Self { millis })
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// A number or a text.
struct Written;

impl Visitor<'_> for Written {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time: Unix seconds, or RFC 3339 in a string")
    }

    fn visit_i64<E>(self, seconds: i64) -> Result<Moment, E> {
        Ok(Moment::from_seconds(seconds))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Moment, E> {
        i64::try_from(seconds).map(Moment::from_seconds).map_err(|_| E::custom(MomentError))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds_or_a_date() {
        for (text, millis) in [
            ("0", 0),
            ("-7", -7_000),
            ("1767225600", 1_767_225_600_000),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("2026-01-01T01:30:00.25+01:30", 1_767_225_600_250),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Moment { millis }), "{text}");
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), Moment { millis }, "{text}");
        }
        assert_eq!(serde_json::from_str::<Moment>("1767225600").unwrap().millis, 1_767_225_600_000);
        assert_eq!(Moment { millis: -1 }.seconds(), -1);
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_forms_it_may_have() {
        for text in ["", "tomorrow", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00 01:00", "1e3"] {
            assert_eq!(text.parse::<Moment>(), Err(MomentError), "{text}");
        }
        for json in ["1.5", "true", "[]", "18446744073709551615", "\"soon\""] {
            let said = serde_json::from_str::<Moment>(json).unwrap_err().to_string();
            assert!(said.contains("RFC 3339"), "{json}: {said}");
        }
    }
}
