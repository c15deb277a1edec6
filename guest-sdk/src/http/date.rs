//! Dates in headers (RFC 9110 §5.6.7), in the one form that servers may send.

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How a date is written; `_` is anything.
const SHAPE: &str = "___, __ ___ ____ __:__:__ GMT";

/// Unix seconds of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let fits = |(found, shape)| shape == b'_' || found == shape;
    if text.len() != SHAPE.len() || !text.bytes().zip(SHAPE.bytes()).all(fits) {
        return None;
    }
    let number = |at: usize, digits: usize, max: i64| {
        let mut number = 0;
        for byte in text.as_bytes().iter().skip(at).take(digits) {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = 10 * number + i64::from(byte - b'0');
        }
        (number <= max).then_some(number)
    };
    let month = MONTHS.iter().position(|name| text.get(8..11) == Some(*name))?;
    let days = days_from_civil(number(12, 4, 9999)?, i64::try_from(month).ok()? + 1, number(5, 2, 31)?);
    Some(((days * 24 + number(17, 2, 23)?) * 60 + number(20, 2, 59)?) * 60 + number(23, 2, 60)?)
}

/// Days from 1 January 1970 to a date of the Gregorian calendar, counting years from March so that the leap day is the
/// last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dates_are_counted_from_1970() {
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "120",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6x Nov 1994 08:49:37 GMT",
            "Sun, 0: Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 é   1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
