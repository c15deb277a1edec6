//! How to reach a Periodic server, or be one, with TLS; and whom to say that we are.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use periodic::transport::BindError;
use periodic::{ClientTls, Connect, Dialer, Endpoint, Identity, Listener, ServerTls, TlsError};
use serde::Deserialize;

use super::{ConfigError, DEFAULT_PERIODIC, File, endpoint};

/// An identity's secret. It is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Token(String);

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What may be said about certificates and the identity; `None`: nothing was said.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is documented where it is parsed, as a flag")]
pub struct LinkSettings {
    pub periodic_cert: Option<PathBuf>,
    pub periodic_key: Option<PathBuf>,
    pub periodic_ca: Option<PathBuf>,
    pub identity_name: Option<String>,
    pub identity_token: Option<Token>,
}

/// What may be said about `periodic`; `None`: nothing was said. Keys in the file are the flags' names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is documented where it is parsed, as a flag")]
pub struct PeriodicSettings {
    pub periodic: Option<String>,
    pub periodic_cert: Option<PathBuf>,
    pub periodic_key: Option<PathBuf>,
    pub periodic_ca: Option<PathBuf>,
    pub identity_name: Option<String>,
    pub identity_token: Option<Token>,
}

/// The certificates of one side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// What it shows the other side: the files of the certificate and of its key.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// The file of the authorities that the other side's certificate must be from. `None`: a client trusts the system's;
    /// a listener wants no certificate.
    pub ca: Option<PathBuf>,
}

/// The certificates and the identity of one side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// For `tls://`.
    pub tls: TlsFiles,
    /// Whom to say that we are.
    pub identity: Option<Identity>,
}

/// A Periodic server, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodicConfig {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How to reach it.
    pub link: Link,
}

impl PeriodicConfig {
    /// Joins what was said to what was in the file and to the defaults.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that cannot be.
    pub fn resolve(said: PeriodicSettings, file: File) -> Result<Self, ConfigError> {
        let (said, said_url) = said.split();
        let (file, file_url) = file.periodic.split();
        let endpoint = endpoint("--periodic", said_url.or(file_url).as_deref().unwrap_or(DEFAULT_PERIODIC))?;
        let link = Link::dialling(said.or(file), &endpoint)?;
        Ok(Self { endpoint, link })
    }
}

impl PeriodicSettings {
    fn split(self) -> (LinkSettings, Option<String>) {
        let Self { periodic, periodic_cert, periodic_key, periodic_ca, identity_name, identity_token } = self;
        (LinkSettings { periodic_cert, periodic_key, periodic_ca, identity_name, identity_token }, periodic)
    }
}

impl LinkSettings {
    /// What was said, over what is in the file.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            periodic_cert: self.periodic_cert.or(file.periodic_cert),
            periodic_key: self.periodic_key.or(file.periodic_key),
            periodic_ca: self.periodic_ca.or(file.periodic_ca),
            identity_name: self.identity_name.or(file.identity_name),
            identity_token: self.identity_token.or(file.identity_token),
        }
    }
}

impl Link {
    /// For one who connects to `endpoint`.
    ///
    /// # Errors
    /// [`ConfigError`] for what does not belong together.
    pub(super) fn dialling(said: LinkSettings, endpoint: &Endpoint) -> Result<Self, ConfigError> {
        let LinkSettings { periodic_cert, periodic_key, periodic_ca, identity_name, identity_token } = said;
        let identity = match (identity_name, identity_token) {
            (None, None) => None,
            (Some(name), Some(token)) => Some(Identity::new(name, token.0)),
            (Some(_), None) => return missing("--identity-token", "a name is of no use without its token"),
            (None, Some(_)) => return missing("--identity-name", "a token is of no use without its name"),
        };
        let tls = files(periodic_cert, periodic_key, periodic_ca, std::slice::from_ref(endpoint))?;
        Ok(Self { tls, identity })
    }

    /// For one who listens on `endpoints`.
    ///
    /// # Errors
    /// [`ConfigError`] for what does not belong together.
    pub(super) fn listening(said: LinkSettings, endpoints: &[Endpoint]) -> Result<TlsFiles, ConfigError> {
        let LinkSettings { periodic_cert, periodic_key, periodic_ca, identity_name, .. } = said;
        if let Some(value) = identity_name {
            let reason = "a server of its own needs no identity; leave it out, or name another server with --periodic";
            return Err(ConfigError::Value { name: "--identity-name", value, reason: reason.into() });
        }
        let tls = files(periodic_cert, periodic_key, periodic_ca, endpoints)?;
        if tls.pair.is_none() && endpoints.iter().any(is_tls) {
            return missing("--periodic-cert", "a tls:// listener needs a certificate and its key");
        }
        Ok(tls)
    }
}

fn is_tls(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Tls { .. })
}

fn missing<T>(name: &'static str, reason: &'static str) -> Result<T, ConfigError> {
    Err(ConfigError::Missing { name, reason })
}

fn files(
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
    endpoints: &[Endpoint],
) -> Result<TlsFiles, ConfigError> {
    let given = [("--periodic-cert", &cert), ("--periodic-key", &key), ("--periodic-ca", &ca)];
    if !endpoints.iter().any(is_tls)
        && let Some((name, Some(path))) = given.into_iter().find(|(_, path)| path.is_some())
    {
        let reason = "certificates are for tls://, and the address is another one".to_owned();
        return Err(ConfigError::Value { name, value: path.display().to_string(), reason });
    }
    let pair = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((cert, key)),
        (Some(_), None) => return missing("--periodic-key", "the certificate needs its key"),
        (None, Some(_)) => return missing("--periodic-cert", "the key is of no use without its certificate"),
    };
    Ok(TlsFiles { pair, ca })
}

/// Why a Periodic server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The address is of no use.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificates are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl TlsFiles {
    /// How a client or a worker connects to `endpoint`. Reads the files.
    ///
    /// # Errors
    /// They cannot be used.
    pub fn connector(&self, endpoint: &Endpoint) -> Result<Arc<dyn Connect>, TlsError> {
        if !is_tls(endpoint) {
            return Ok(Arc::new(endpoint.clone()));
        }
        let pair = self.pair.as_ref().map(|(cert, key)| (cert.as_path(), key.as_path()));
        let tls = ClientTls::from_files(self.ca.as_deref(), pair)?;
        Ok(Arc::new(Dialer::new(endpoint.clone(), tls)))
    }

    /// Listens on `endpoint`. Reads the files, if it is one of TLS.
    ///
    /// # Errors
    /// They cannot be used, or it cannot be listened on.
    pub async fn listen(&self, endpoint: &Endpoint) -> Result<Listener, LinkError> {
        match &self.pair {
            Some((cert, key)) if is_tls(endpoint) => {
                let tls = ServerTls::from_files(cert, key, self.ca.as_deref())?;
                Ok(Listener::bind_tls(endpoint, tls).await?)
            }
            _ => Ok(Listener::bind(endpoint).await?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls() -> Endpoint {
        "tls://localhost:5000".parse().unwrap()
    }

    fn said(cert: Option<&str>, key: Option<&str>, ca: Option<&str>) -> LinkSettings {
        let path = |text: Option<&str>| text.map(PathBuf::from);
        LinkSettings {
            periodic_cert: path(cert),
            periodic_key: path(key),
            periodic_ca: path(ca),
            ..LinkSettings::default()
        }
    }

    fn refused<T: fmt::Debug>(result: Result<T, ConfigError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_certificate_and_its_key_belong_together_and_to_tls() {
        let link = Link::dialling(said(Some("c"), Some("k"), Some("a")), &tls()).unwrap();
        assert_eq!(link.tls, TlsFiles { pair: Some(("c".into(), "k".into())), ca: Some("a".into()) });
        let error = refused(Link::dialling(said(Some("c"), None, None), &tls()));
        assert!(error.starts_with("--periodic-key is missing"), "{error}");
        let error = refused(Link::listening(said(None, Some("k"), None), &[tls()]));
        assert!(error.starts_with("--periodic-cert is missing"), "{error}");
        let plain = ["tcp://localhost:5000".parse().unwrap()];
        let error = refused(Link::listening(said(None, None, Some("a")), &plain));
        assert!(error.starts_with("--periodic-ca \"a\" is not valid: certificates are for tls://"), "{error}");
        assert_eq!(Link::listening(said(None, None, None), &plain).unwrap(), TlsFiles::default());
        let error = refused(Link::listening(said(None, None, None), &[plain[0].clone(), tls()]));
        assert!(error.contains("a tls:// listener needs a certificate"), "{error}");
    }

    #[test]
    fn an_identity_has_a_name_and_a_token_and_is_for_another_server() {
        let identity = |name: Option<&str>, token: Option<&str>| LinkSettings {
            identity_name: name.map(Into::into),
            identity_token: token.map(Into::into),
            ..LinkSettings::default()
        };
        let both = Link::dialling(identity(Some("n"), Some("geheim")), &tls()).unwrap();
        assert_eq!(both.identity, Some(Identity::new("n", "geheim")));
        assert!(!format!("{both:?}").contains("geheim"));
        for (alone, missing) in
            [(identity(Some("n"), None), "--identity-token"), (identity(None, Some("t")), "--identity-name")]
        {
            let error = refused(Link::dialling(alone, &tls()));
            assert!(error.starts_with(missing), "{error}");
        }
        let error = refused(Link::listening(identity(Some("n"), Some("t")), &[tls()]));
        assert!(error.starts_with("--identity-name \"n\" is not valid"), "{error}");
    }

    #[test]
    fn what_is_said_wins_over_the_file_and_that_over_the_default() {
        let file = || {
            let text = "[periodic]\nperiodic = \"tls://file:1\"\nperiodic-ca = \"f\"\nidentity-name = \"n\"\nidentity-token = \"t\"";
            toml::from_str::<File>(text).unwrap()
        };
        let nothing = PeriodicConfig::resolve(PeriodicSettings::default(), File::default()).unwrap();
        assert_eq!(nothing.endpoint.to_string(), DEFAULT_PERIODIC);
        let config = PeriodicConfig::resolve(PeriodicSettings::default(), file()).unwrap();
        assert_eq!((config.endpoint.to_string(), config.link.tls.ca), ("tls://file:1".into(), Some("f".into())));
        let said = PeriodicSettings {
            periodic: Some("tls://said:2".into()),
            periodic_ca: Some("s".into()),
            ..PeriodicSettings::default()
        };
        let config = PeriodicConfig::resolve(said, file()).unwrap();
        assert_eq!((config.endpoint.to_string(), config.link.tls.ca), ("tls://said:2".into(), Some("s".into())));
        assert_eq!(config.link.identity, Some(Identity::new("n", "t")));
    }
}
