//! The headers that the host sets (`[http.headers]`), with their values, which no sender sees.

use std::cmp::Reverse;
use std::path::Path;

use crate::manifest::{HeaderSource, Manifest, Origin, basic_credentials};
use crate::transport::{HeaderMap, HeaderValue, Request};

/// The headers for each origin, the most exact origin first.
///
/// Printing it tells the names alone: the values are marked as sensitive.
#[derive(Debug, Default)]
pub(super) struct Injected {
    by_origin: Vec<(Origin, HeaderMap)>,
}

impl Injected {
    /// Reads every value now, as [`config`](crate::capabilities::config) does.
    ///
    /// # Errors
    /// A sentence about a secret that is missing or that no header can carry. It does not tell the secret.
    pub(super) fn of(manifest: &Manifest, dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut by_origin: Vec<(Origin, HeaderMap)> = Vec::new();
        for (origin, header) in manifest.http.headers.iter() {
            let resolve = |key: &str| resolve(manifest, key, dir, env);
            let mut value = match &header.source {
                HeaderSource::Text(value) => value.clone(),
                HeaderSource::Secret { secret, prefix } => carried(secret, &format!("{prefix}{}", resolve(secret)?))?,
                HeaderSource::Basic { user, secret } => {
                    carried(secret, &format!("Basic {}", basic_credentials(user, &resolve(secret)?)))?
                }
            };
            value.set_sensitive(true);
            // The headers of one origin come one after the other.
            if by_origin.last().is_none_or(|(last, _)| last != origin) {
                by_origin.push((origin.clone(), HeaderMap::new()));
            }
            if let Some((_, headers)) = by_origin.last_mut() {
                headers.insert(header.name.clone(), value);
            }
        }
        by_origin.sort_by_key(|(origin, _)| Reverse(origin.exactness()));
        Ok(Self { by_origin })
    }

    /// Sets what belongs to the request's origin, in the place of what the sender has set under these names.
    pub(super) fn apply(&self, request: &mut Request) {
        let headers = self.by_origin.iter().find(|(origin, _)| origin.covers(&request.url));
        for (name, value) in headers.into_iter().flat_map(|(_, headers)| headers) {
            request.headers.insert(name.clone(), value.clone());
        }
    }
}

fn resolve(manifest: &Manifest, key: &str, dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let secret = manifest.secrets.get(key).ok_or_else(|| format!("[secrets] {key} is missing"))?;
    let value = secret.resolve(key, dir, env)?;
    // A provider would refuse it with every message, which would be lost.
    if value.is_empty() {
        return Err(format!("[secrets] {key} is empty, and a header is to carry it; set it and try again"));
    }
    Ok(value)
}

fn carried(key: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        format!(
            "[secrets] {key} has a character that no header can carry, such as a line end; take it out of the secret"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{HeaderName, Method};

    fn injected(headers: &str, value: &str) -> Result<Injected, String> {
        let text = format!(
            "[http]\nallow = [\"https://*.a.example\", \"https://b.example\"]\n{headers}\n[secrets]\nk = {{ env = \"K\" }}"
        );
        let value = value.to_owned();
        Injected::of(&Manifest::parse(&text).unwrap(), Path::new(""), &move |_| Some(value.clone()))
    }

    /// The headers of a request to this URL, of which the sender has set `x-a` twice.
    fn sent(injected: &Injected, url: &str) -> Vec<String> {
        let own = ["1", "2"].map(|value| (HeaderName::from_static("x-a"), HeaderValue::from_static(value)));
        let (url, headers) = (url.parse().unwrap(), own.into_iter().collect());
        let mut request = Request { method: Method::GET, url, headers, body: Default::default() };
        injected.apply(&mut request);
        let shown = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}={}", value.to_str().unwrap());
        request.headers.iter().map(shown).collect()
    }

    #[test]
    fn the_most_exact_origin_counts_alone_and_no_other_origin_gets_anything() {
        let headers = "[http.headers.\"https://*.a.example\"]\nx-a = \"star\"\nx-b = \"star\"\n\
                       [http.headers.\"https://*.c.a.example\"]\nx-a = \"longer\"\n\
                       [http.headers.\"https://d.c.a.example\"]\nx-a = \"exact\"";
        let injected = injected(headers, "s3cret").unwrap();
        assert_eq!(sent(&injected, "https://d.c.a.example/"), ["x-a=exact"]);
        assert_eq!(sent(&injected, "https://e.c.a.example/"), ["x-a=longer"]);
        assert_eq!(sent(&injected, "https://c.a.example/"), ["x-a=star", "x-b=star"]);
        for url in ["https://b.example/", "http://c.a.example/", "https://c.a.example:444/", "https://a.example/"] {
            assert_eq!(sent(&injected, url), ["x-a=1", "x-a=2"], "{url}");
        }
    }

    #[test]
    fn a_secret_is_carried_plain_after_a_prefix_or_as_basic_and_never_printed() {
        let headers = "[http.headers.\"https://b.example\"]\nx-a = { secret = \"k\", prefix = \"Bearer \" }\n\
                       x-b = { basic = \"me\", secret = \"k\" }\nx-c = { secret = \"k\" }";
        let injected = injected(headers, "s3cret").unwrap();
        let sent = sent(&injected, "https://b.example/");
        assert_eq!(sent, ["x-a=Bearer s3cret", "x-b=Basic bWU6czNjcmV0", "x-c=s3cret"]);
        let printed = format!("{injected:?}");
        assert!(printed.contains("x-b") && !printed.contains("s3cret") && !printed.contains("czNj"), "{printed}");
    }

    #[test]
    fn a_secret_that_no_header_can_carry_is_refused_without_being_told() {
        let of =
            |form: &str, value: &str| injected(&format!("[http.headers.\"https://b.example\"]\nx = {form}"), value);
        for value in ["s3cret\n", "s3c\rret", "\0", ""] {
            let reason = of("{ secret = \"k\" }", value).unwrap_err();
            assert!(reason.starts_with("[secrets] k ") && !reason.contains("s3c"), "{reason}");
        }
        assert!(of("{ basic = \"me\", secret = \"k\" }", "").is_err());
        assert!(of("{ basic = \"me\", secret = \"k\" }", "any\nthing").is_ok());
    }
}
