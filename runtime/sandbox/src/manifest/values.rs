//! The values of `[config]` and `[secrets]`, and where they come from.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

/// A value in `[config]`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum ConfigValue {
    /// `"text"`: the value itself.
    Text(String),
    /// `{ env = "NAME", default = "text" }`: an environment variable of the host, and what to take if it is not set.
    Env(EnvValue),
}

/// An environment variable, and what to take without it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvValue {
    /// The variable's name.
    pub env: String,
    /// The value if it is not set. Default: the sender is refused.
    pub default: Option<String>,
}

impl ConfigValue {
    /// The value as it stands now.
    ///
    /// # Errors
    /// A sentence about what is missing.
    pub fn resolve(&self, key: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Env(EnvValue { env: name, default }) => env(name).or_else(|| default.clone()).ok_or_else(|| {
                format!(
                    "[config] {key}: the environment variable {name} is not set; set it, or give a default beside it"
                )
            }),
        }
    }
}

impl<'de> Deserialize<'de> for ConfigValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;

        impl<'de> Visitor<'de> for TextOrTable {
            type Value = ConfigValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or { env = \"NAME\", default = \"text\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ConfigValue, E> {
                Ok(ConfigValue::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ConfigValue, A::Error> {
                EnvValue::deserialize(MapAccessDeserializer::new(map)).map(ConfigValue::Env)
            }
        }

        deserializer.deserialize_any(TextOrTable)
    }
}

/// Where a value in `[secrets]` comes from. It never stands in the manifest itself, and is never printed.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Secret {
    /// `{ env = "NAME" }`: an environment variable of the host.
    Env(String),
    /// `{ file = "path" }`: a file, relative to the manifest's directory; one line end at its end does not count.
    File(PathBuf),
}

impl Secret {
    /// The secret as it stands now.
    ///
    /// # Errors
    /// A sentence about what is missing.
    pub fn resolve(&self, key: &str, dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
        match self {
            Self::Env(name) => env(name).ok_or_else(|| {
                format!("[secrets] {key}: the environment variable {name} is not set; set it and try again")
            }),
            Self::File(path) => {
                let path = dir.join(path);
                let mut text = fs::read_to_string(&path)
                    .map_err(|error| format!("[secrets] {key}: {} cannot be read: {error}", path.display()))?;
                if text.ends_with('\n') {
                    text.pop();
                    if text.ends_with('\r') {
                        text.pop();
                    }
                }
                Ok(text)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            env: Option<String>,
            file: Option<PathBuf>,
        }

        struct OnlyTable;

        impl<'de> Visitor<'de> for OnlyTable {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ env = \"NAME\" } or { file = \"path\" }")
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Secret, E> {
                Err(E::custom(
                    "a secret does not stand in the manifest; write { env = \"NAME\" } or { file = \"path\" }",
                ))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
                match Table::deserialize(MapAccessDeserializer::new(map))? {
                    Table { env: Some(name), file: None } => Ok(Secret::Env(name)),
                    Table { env: None, file: Some(path) } => Ok(Secret::File(path)),
                    _ => Err(de::Error::custom(
                        "a secret comes from one place; write { env = \"NAME\" } or { file = \"path\" }",
                    )),
                }
            }
        }

        deserializer.deserialize_any(OnlyTable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "SET").then(|| "from env".to_owned())
    }

    #[test]
    fn config_comes_from_the_manifest_the_environment_or_the_default() {
        let value = |name: &str, default: Option<&str>| {
            ConfigValue::Env(EnvValue { env: name.into(), default: default.map(Into::into) }).resolve("key", &env)
        };
        assert_eq!(ConfigValue::Text("x".into()).resolve("key", &env), Ok("x".into()));
        assert_eq!(value("SET", None), Ok("from env".into()));
        assert_eq!(value("UNSET", Some("d")), Ok("d".into()));
        assert!(value("UNSET", None).unwrap_err().contains("[config] key: the environment variable UNSET is not set"));
    }

    #[test]
    fn secrets_come_from_the_environment_or_a_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), "s3cret\r\n").unwrap();
        assert_eq!(Secret::Env("SET".into()).resolve("k", dir.path(), &env), Ok("from env".into()));
        assert_eq!(Secret::File("key".into()).resolve("k", dir.path(), &env), Ok("s3cret".into()));
        assert!(Secret::Env("UNSET".into()).resolve("k", dir.path(), &env).is_err());
        assert!(Secret::File("none".into()).resolve("k", dir.path(), &env).is_err());
    }
}
