//! Numbers and dates, and the whole numbers that lie between two of them. `createdAt` counts whole seconds, but a query
//! may speak of half a second or of 1e30.

use tantivy::time::OffsetDateTime;
use tantivy::time::format_description::well_known::Rfc3339;

/// Whole numbers from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Range {
    /// Is there no number in it?
    pub(crate) fn is_empty(self) -> bool {
        self.first > self.last
    }

    /// What lies between two ends; `None`: without end.
    pub(crate) fn between(min: Option<End>, max: Option<End>) -> Self {
        let below = |n: i128| n < i128::from(i64::MIN);
        let above = |n: i128| n > i128::from(i64::MAX);
        let first = min.map_or(i128::from(i64::MIN), End::first);
        let last = max.map_or(i128::from(i64::MAX), End::last);
        if above(first) || below(last) {
            return Self { first: 1, last: 0 };
        }
        let clamp = |n: i128| i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX });
        Self { first: clamp(first), last: clamp(last) }
    }

    /// The one number, if it is a whole one.
    pub(crate) fn exactly(value: Value) -> Self {
        let end = End { value, inclusive: true };
        Self::between(Some(end), Some(end))
    }
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) value: Value,
    pub(crate) inclusive: bool,
}

impl End {
    /// The least whole number at or after this.
    fn first(self) -> i128 {
        let Value { floor, fraction } = self.value;
        if fraction || !self.inclusive { floor + 1 } else { floor }
    }

    /// The greatest whole number at or before this.
    fn last(self) -> i128 {
        let Value { floor, fraction } = self.value;
        if fraction || self.inclusive { floor } else { floor - 1 }
    }
}

/// A number, as far as whole numbers can be compared with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value {
    /// The greatest whole number that is not greater.
    floor: i128,
    /// Is there anything behind the point?
    fraction: bool,
}

/// Beyond every time there is; whoever is out there is moved to here.
const FAR: i128 = 10_i128.pow(30);

impl Value {
    /// Reads a number: digits with a sign and a point, or with an exponent.
    pub(crate) fn number(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(behind) {
            return Self::float(text);
        }
        let fraction = behind.bytes().any(|b| b != b'0');
        let whole = whole.parse().unwrap_or(FAR).min(FAR);
        let floor = match (negative, fraction) {
            (false, _) => whole,
            (true, false) => -whole,
            (true, true) => -whole - 1,
        };
        Some(Self { floor, fraction })
    }

    /// The number, if it counts something: a whole one that is not negative.
    pub(crate) fn count(self) -> Option<usize> {
        usize::try_from(self.floor).ok().filter(|_| !self.fraction)
    }

    #[expect(clippy::cast_possible_truncation, reason = "clamped before, and a whole number after floor")]
    #[expect(clippy::cast_precision_loss, reason = "a bound that is far beyond all that is compared with it")]
    fn float(text: &str) -> Option<Self> {
        let looks_like_one = text.bytes().any(|b| b.is_ascii_digit());
        let number = text.parse::<f64>().ok().filter(|n| looks_like_one && !n.is_nan())?;
        let number = number.clamp(-(FAR as f64), FAR as f64);
        Some(Self { floor: number.floor() as i128, fraction: number.fract() != 0.0 })
    }

    /// Reads a date, as bleve does: RFC 3339, or without the zone (then UTC), with a space for the `T`, or a day alone.
    pub(crate) fn date(text: &str) -> Option<Self> {
        let mut text = text.to_owned();
        if text.len() == 10 {
            text.push_str("T00:00:00");
        }
        if text.as_bytes().get(10) == Some(&b' ') {
            text.replace_range(10..11, "T");
        }
        let zoned = text.get(11..).is_some_and(|time| time.contains(['Z', 'z', '+', '-']));
        if !zoned {
            text.push('Z');
        }
        let date = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
        let nanos = date.unix_timestamp_nanos();
        let second = 1_000_000_000;
        Some(Self { floor: nanos.div_euclid(second), fraction: nanos.rem_euclid(second) != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str, inclusive: bool) -> Option<End> {
        Some(End { value: Value::number(text).unwrap(), inclusive })
    }

    fn numbers(min: Option<End>, max: Option<End>) -> (i64, i64) {
        let Range { first, last } = Range::between(min, max);
        (first, last)
    }

    #[test]
    fn an_end_counts_if_it_is_included() {
        assert_eq!(numbers(end("3", true), end("5", true)), (3, 5));
        assert_eq!(numbers(end("3", false), end("5", false)), (4, 4));
        assert_eq!(numbers(end("-3", false), None), (-2, i64::MAX));
        assert_eq!(numbers(None, end("-3.0", true)), (i64::MIN, -3));
    }

    #[test]
    fn a_fraction_lies_between_its_neighbours() {
        for inclusive in [true, false] {
            assert_eq!(numbers(end("1.5", inclusive), None).0, 2);
            assert_eq!(numbers(None, end("1.5", inclusive)).1, 1);
            assert_eq!(numbers(end("-1.5", inclusive), None).0, -1);
            assert_eq!(numbers(None, end("-1.5", inclusive)).1, -2);
        }
        assert!(Range::exactly(Value::number("1.5").unwrap()).is_empty());
        assert_eq!(Range::exactly(Value::number("1.50e1").unwrap()), Range { first: 15, last: 15 });
    }

    #[test]
    fn what_is_beyond_all_numbers_is_still_compared_rightly() {
        for far in ["9223372036854775808", "1e300", "99999999999999999999999999999999999999999999999999999999999"] {
            let minus = format!("-{far}1");
            assert!(Range::between(end(far, true), None).is_empty(), "{far}");
            assert_eq!(numbers(None, end(far, false)).1, i64::MAX);
            assert_eq!(numbers(end(&minus, false), None).0, i64::MIN);
            assert!(Range::between(None, end(&minus, true)).is_empty(), "{minus}");
        }
        assert_eq!(numbers(end("9223372036854775807", true), None), (i64::MAX, i64::MAX));
        assert!(Range::between(end("9223372036854775807", false), None).is_empty());
        assert_eq!(numbers(end("9007199254740993", true), None).0, 9_007_199_254_740_993, "no float in between");
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".", "5x", "inf", "nan", "infinity", "--5", "1.2.3", "1e", "０"] {
            assert_eq!(Value::number(text), None, "{text:?}");
        }
    }

    #[test]
    fn dates_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2016-02-25", 1_456_358_400),
            ("2016-02-25T12:31:33", 1_456_403_493),
            ("2016-02-25 12:31:33", 1_456_403_493),
            ("2016-02-25T12:31:33Z", 1_456_403_493),
            ("2016-02-25T20:31:33+08:00", 1_456_403_493),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(Value::date(text), Some(Value { floor: seconds, fraction: false }), "{text}");
        }
        assert_eq!(Value::date("1969-12-31T23:59:58.5Z"), Some(Value { floor: -2, fraction: true }));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2016",
            "2016-02-30",
            "25.02.2016",
            "2016-02-25T",
            "2016-02-25T25:00:00Z",
            "日本日本日本日本",
            "1456403493",
        ] {
            assert_eq!(Value::date(text), None, "{text:?}");
        }
    }
}
