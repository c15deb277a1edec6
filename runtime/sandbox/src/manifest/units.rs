//! Values with a unit, as people write them.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// A size: a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", title = "size", extend("pattern" = "^[0-9]+ *(B|KiB|MiB|GiB)$"))]
pub struct Bytes(pub u64);

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
        number_and_unit(&text, &units)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a size; write it like \"512B\", \"16KiB\", \"64MiB\" or \"1GiB\""))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            n if n > 0 && n % (1 << 30) == 0 => (n >> 30, "GiB"),
            n if n > 0 && n % (1 << 20) == 0 => (n >> 20, "MiB"),
            n if n > 0 && n % (1 << 10) == 0 => (n >> 10, "KiB"),
            n => (n, "B"),
        };
        write!(f, "{number}{unit}")
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time: a whole number and `ms`, `s`, `m`, `h` or `d`. Not nothing, and at most 365 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", title = "time", extend("pattern" = "^[0-9]+ *(ms|s|m|h|d)$"))]
pub struct Time(Duration);

/// The longest time that can be written.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 3600);

impl Time {
    pub(super) const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The time as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }

    /// The time in seconds, rounded up.
    #[must_use]
    pub fn whole_seconds(self) -> u32 {
        u32::try_from(self.0.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        number_and_unit(&text, &units)
            .map(Duration::from_millis)
            .filter(|time| !time.is_zero() && *time <= MAX_TIME)
            .map(Self)
            .ok_or_else(|| {
                format!("{text:?} is not a time; write it like \"200ms\", \"30s\", \"5m\", \"2h\" or \"1d\"")
            })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0.as_millis() {
            n if n % 86_400_000 == 0 => (n / 86_400_000, "d"),
            n if n % 3_600_000 == 0 => (n / 3_600_000, "h"),
            n if n % 60_000 == 0 => (n / 60_000, "m"),
            n if n % 1000 == 0 => (n / 1000, "s"),
            n => (n, "ms"),
        };
        write!(f, "{number}{unit}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a number with the first of `units` that it ends in.
fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    number.trim_end().parse::<u64>().ok()?.checked_mul(*factor)
}

/// A SHA-256 in hex: 64 digits, as `sha256sum` prints them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", title = "SHA-256", extend("pattern" = "^[0-9A-Fa-f]{64}$"))]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a SHA-256; write its 64 hex digits, as `sha256sum` prints them");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        let bytes = |text: &str| Bytes::try_from(text.to_owned()).ok().map(|bytes| bytes.0);
        assert_eq!(bytes("512B"), Some(512));
        assert_eq!(bytes("16 KiB"), Some(16 << 10));
        assert_eq!(bytes("64MiB"), Some(64 << 20));
        assert_eq!(bytes("1GiB"), Some(1 << 30));
        for text in ["", "64", "64MB", "-1B", "1.5MiB", "MiB", "99999999999GiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert_eq!(Bytes(64 << 20).to_string(), "64MiB");
        assert_eq!(Bytes(1000).to_string(), "1000B");
    }

    #[test]
    fn times_have_a_unit() {
        let millis = |text: &str| Time::try_from(text.to_owned()).ok().map(|time| time.duration().as_millis());
        assert_eq!(millis("200ms"), Some(200));
        assert_eq!(millis("30s"), Some(30_000));
        assert_eq!(millis("5m"), Some(300_000));
        assert_eq!(millis("2h"), Some(7_200_000));
        assert_eq!(millis("1d"), Some(86_400_000));
        for text in ["", "5", "0s", "1y", "366d", "-1s", "s"] {
            assert_eq!(millis(text), None, "{text}");
        }
        for text in ["200ms", "1500ms", "30s", "5m", "2h", "1d", "36h"] {
            assert_eq!(Time::try_from(text.to_owned()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_digest_reads_what_it_prints() {
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(Digest::try_from(text.to_uppercase()), Ok(digest));
        assert!(Digest::try_from("é".repeat(32)).is_err());
    }
}
