//! How long the delivery log keeps what has ended: the table `[serve.retention]` of the file, and flags.

use std::time::Duration;

use pusher_sandbox::manifest::Time;
use serde::Deserialize;

use super::ConfigError;

const DAY: Duration = Duration::from_secs(86_400);

/// What may be said about it; `None`: nothing was said.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    /// How long what was delivered or cancelled is kept: a time as in `"7d"`, `"0"` or `"forever"`.
    pub delivered: Option<String>,
    /// How long dead letters are.
    pub dead: Option<String>,
}

/// How long deliveries that have ended are kept. `None`: for ever; nothing: until the log is next looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Those that were delivered or cancelled. Default: 7 days.
    pub delivered: Option<Duration>,
    /// Dead letters. Default: 30 days.
    pub dead: Option<Duration>,
}

impl Default for Keep {
    fn default() -> Self {
        Self { delivered: Some(7 * DAY), dead: Some(30 * DAY) }
    }
}

impl RetentionSettings {
    /// This, and where it says nothing, the other.
    pub(super) fn or(self, other: Self) -> Self {
        Self { delivered: self.delivered.or(other.delivered), dead: self.dead.or(other.dead) }
    }

    pub(super) fn resolve(self) -> Result<Keep, ConfigError> {
        let default = Keep::default();
        Ok(Keep {
            delivered: time("--retention-delivered", self.delivered.as_deref(), default.delivered)?,
            dead: time("--retention-dead", self.dead.as_deref(), default.dead)?,
        })
    }
}

fn time(name: &'static str, said: Option<&str>, default: Option<Duration>) -> Result<Option<Duration>, ConfigError> {
    match said {
        None => Ok(default),
        Some("forever") => Ok(None),
        Some("0") => Ok(Some(Duration::ZERO)),
        Some(text) => Time::try_from(text.to_owned()).map(|time| Some(time.duration())).map_err(|_| {
            let reason =
                "write a time of at most 365 days, like \"12h\" or \"7d\"; \"0\" forgets at once, \"forever\" never";
            ConfigError::Value { name, value: text.to_owned(), reason: reason.into() }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Keep, String> {
        let settings: RetentionSettings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.resolve().map_err(|error| error.to_string())
    }

    #[test]
    fn a_week_and_a_month_unless_it_says_otherwise() {
        assert_eq!(resolve(""), Ok(Keep { delivered: Some(7 * DAY), dead: Some(30 * DAY) }));
        assert_eq!(
            resolve("delivered = \"12h\"\ndead = \"forever\""),
            Ok(Keep { delivered: Some(DAY / 2), dead: None })
        );
        assert_eq!(resolve("delivered = \"0\"").map(|keep| keep.delivered), Ok(Some(Duration::ZERO)));
        let said = RetentionSettings { delivered: Some("1d".into()), dead: None };
        let file = RetentionSettings { delivered: Some("2d".into()), dead: Some("3d".into()) };
        assert_eq!(said.or(file).resolve().ok(), Some(Keep { delivered: Some(DAY), dead: Some(3 * DAY) }));
    }

    #[test]
    fn what_is_no_time_is_refused_by_name() {
        for (text, name) in [
            ("delivered = \"a week\"", "--retention-delivered \"a week\""),
            ("dead = \"-1d\"", "--retention-dead"),
            ("dead = \"400d\"", "365 days"),
            ("died = \"1d\"", "died"),
        ] {
            let error = resolve(text).unwrap_err();
            assert!(error.contains(name), "{text}: {error}");
        }
    }
}
