//! `[http.headers]`: headers that the host sets in a sender's requests, so that the sender need not know what is in them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use toml::Spanned;

use super::origin::Origin;
use super::values::Secret;
use crate::transport::{HeaderName, HeaderValue, RESERVED};

/// What to write where a table is wrong.
const FORMS: &str = "{ secret = \"KEY\", prefix = \"Bearer \" } or { basic = \"user\", secret = \"KEY\" }";

/// The headers of every origin that has some.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    origins: Vec<(Spanned<Origin>, Vec<Spanned<Header>>)>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name: a valid one, and none that concerns the connection.
    pub name: HeaderName,
    /// Where its value comes from.
    pub source: HeaderSource,
}

/// Where the value of a header comes from.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged, deny_unknown_fields)]
pub enum HeaderSource {
    /// `"text"`: the value itself.
    Text(#[schemars(with = "String")] HeaderValue),
    /// `{ secret = "KEY", prefix = "Bearer " }`: a secret, and what stands before it. Default of `prefix`: nothing.
    Secret {
        /// The key in `[secrets]`.
        secret: String,
        /// What stands before the secret.
        #[schemars(default)]
        prefix: String,
    },
    /// `{ basic = "user", secret = "KEY" }`: `Basic`, and user and secret as RFC 7617 wants them.
    Basic {
        /// The user's name, which has no colon.
        #[schemars(rename = "basic")]
        user: String,
        /// The key in `[secrets]` of the password.
        secret: String,
    },
}

impl HeaderSource {
    /// The key in `[secrets]`, if there is a secret in it.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Secret { secret, .. } | Self::Basic { secret, .. } => Some(secret),
        }
    }
}

/// User and password as the scheme `Basic` carries them.
pub(crate) fn basic_credentials(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

impl Headers {
    /// Every header, with the origin that it is for.
    pub fn iter(&self) -> impl Iterator<Item = (&Origin, &Header)> {
        self.origins.iter().flat_map(|(origin, headers)| headers.iter().map(|h| (origin.get_ref(), h.get_ref())))
    }

    /// Is this secret in one of them?
    #[must_use]
    pub fn uses(&self, secret: &str) -> bool {
        self.iter().any(|(_, header)| header.source.secret() == Some(secret))
    }

    /// Does everything that they name stand in the rest of the manifest, and each once?
    ///
    /// # Errors
    /// Where something is wrong in the text of the manifest, and what.
    pub(super) fn check(&self, allow: &[Origin], secrets: &BTreeMap<String, Secret>) -> Result<(), (usize, String)> {
        for (at, (origin, headers)) in self.origins.iter().enumerate() {
            let origin_at = origin.span().start;
            let origin = origin.get_ref();
            if !allow.iter().any(|allowed| allowed.includes(origin)) {
                let problem = format!(
                    "headers for {:?}, which [http] allow does not have; put it in there, or take them out",
                    origin.to_string()
                );
                return Err((origin_at, problem));
            }
            if let Some((first, _)) = self.origins[..at].iter().find(|(other, _)| other.get_ref() == origin) {
                let problem = format!("[http.headers] has {:?} twice; make one table of them", origin.to_string());
                return Err((origin_at.max(first.span().start), problem));
            }
            for (at, header) in headers.iter().enumerate() {
                let Header { name, source } = header.get_ref();
                let header_at = header.span().start;
                if let Some(first) = headers[..at].iter().find(|other| other.get_ref().name == *name) {
                    let problem =
                        format!("the header {name} stands there twice, since case does not count; take one out");
                    return Err((header_at.max(first.span().start), problem));
                }
                if let Some(secret) = source.secret().filter(|secret| !secrets.contains_key(*secret)) {
                    let problem = format!(
                        "the header {name} wants {secret:?}, which [secrets] does not have; put it in there: \
                         {secret} = {{ env = \"NAME\" }}"
                    );
                    return Err((header_at, problem));
                }
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Origins;

        impl<'de> Visitor<'de> for Origins {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table for each origin, as in [http.headers.\"https://api.example.com\"]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut origins = Vec::new();
                while let Some(origin) = map.next_key()? {
                    origins.push((origin, map.next_value::<OfOrigin>()?.0));
                }
                Ok(Headers { origins })
            }
        }

        deserializer.deserialize_map(Origins)
    }
}

/// The headers of one origin.
struct OfOrigin(Vec<Spanned<Header>>);

impl<'de> Deserialize<'de> for OfOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            type Value = OfOrigin;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of headers, as in authorization = { secret = \"KEY\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OfOrigin, A::Error> {
                let mut headers = Vec::new();
                while let Some(name) = map.next_key::<Spanned<Name>>()? {
                    let span = name.span();
                    let header = Header { name: name.into_inner().0, source: map.next_value()? };
                    headers.push(Spanned::new(span, header));
                }
                Ok(OfOrigin(headers))
            }
        }

        deserializer.deserialize_map(Named)
    }
}

/// A name that a header may have here.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Name(HeaderName);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| format!("{text:?} is not the name of a header; write one like authorization or x-api-key"))?;
        if RESERVED.contains(&name) {
            return Err(format!("the header {name} concerns the connection, and cannot be set; take it out"));
        }
        Ok(Self(name))
    }
}

impl<'de> Deserialize<'de> for HeaderSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            secret: Option<String>,
            prefix: Option<String>,
            basic: Option<String>,
        }

        struct TextOrTable;

        impl<'de> Visitor<'de> for TextOrTable {
            type Value = HeaderSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text, {FORMS}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HeaderSource, E> {
                value(text).map(HeaderSource::Text)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderSource, A::Error> {
                match Table::deserialize(MapAccessDeserializer::new(map))? {
                    Table { secret: Some(secret), prefix, basic: None } => {
                        let prefix = prefix.unwrap_or_default();
                        value::<A::Error>(&prefix)?;
                        Ok(HeaderSource::Secret { secret, prefix })
                    }
                    Table { secret: Some(secret), prefix: None, basic: Some(user) } => {
                        if user.contains(|c: char| c == ':' || c.is_control()) {
                            return Err(de::Error::custom(
                                "a user of HTTP Basic has no colon and no control character",
                            ));
                        }
                        Ok(HeaderSource::Basic { user, secret })
                    }
                    _ => Err(de::Error::custom(format!("a header has a text or one secret; write {FORMS}"))),
                }
            }
        }

        deserializer.deserialize_any(TextOrTable)
    }
}

fn value<E: de::Error>(text: &str) -> Result<HeaderValue, E> {
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| E::custom("no header can have this value; take line ends and other control characters out"))
}

#[cfg(test)]
mod tests;
