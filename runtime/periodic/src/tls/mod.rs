//! TLS for `tls://` endpoints: certificates from PEM files, and what its failures mean.
//!
//! Files are read when a [`ServerTls`] or [`ClientTls`] is made, and again when they have changed: see [`renewed`]. TLS 1.2
//! and 1.3 are spoken. Keys may be PKCS#8, PKCS#1 or SEC1, without a password.

mod renewed;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::renewed::Renewed;
use crate::transport::Stream;

/// How long a server waits for a client's part of the handshake, unless told.
const SERVER_HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client waits for a server's. Less than it waits in all, so that it can tell what is wrong.
const CLIENT_HANDSHAKE: Duration = Duration::from_secs(4);
/// How long the socket of a client that failed is kept, so that it can read why.
const LINGER: Duration = Duration::from_secs(1);

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// A file is not PEM, or has nothing of what it should hold.
    #[error("{path} holds no {what}: {reason}; it must be a PEM file with -----BEGIN … {what}-----")]
    Content {
        /// Which file.
        path: PathBuf,
        /// `CERTIFICATE` or `PRIVATE KEY`.
        what: &'static str,
        /// What was found instead.
        reason: String,
    },
    /// A certificate and a key that cannot be used together.
    #[error("the certificate in {cert} cannot be used with the key in {key}: {reason}; give the key it was made for")]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system has no certificates of authorities.
    #[error(
        "the system's certificate authorities cannot be used: {0}; install them (ca-certificates), or name a CA file"
    )]
    System(String),
    /// The TLS library has refused a setting.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// What a listener shows its clients, and what it wants of them. Cheap to clone.
///
/// Its files are looked at when a client connects, at most once a second: a renewed certificate is shown from then on, and
/// connections that are open stay as they are. Files that cannot be used, as while they are being written, are passed
/// over with a warning.
#[derive(Debug, Clone)]
pub struct ServerTls {
    config: Renewed<ServerConfig>,
    handshake: Duration,
}

impl ServerTls {
    /// Reads the server's certificate (with the intermediate ones behind it) and its key. With `client_ca`, a file of one
    /// or more authorities' certificates, every client must show a certificate from one of them.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn from_files(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, TlsError> {
        let (cert, key, client_ca) = (cert.to_owned(), key.to_owned(), client_ca.map(Path::to_owned));
        let files = [&cert, &key].into_iter().chain(&client_ca).cloned().collect();
        let config = Renewed::new(files, move || server_config(&cert, &key, client_ca.as_deref()))?;
        Ok(Self { config, handshake: SERVER_HANDSHAKE })
    }

    /// How long a client may take for the handshake. Default 10 s.
    #[must_use]
    pub fn handshake_timeout(self, handshake: Duration) -> Self {
        Self { handshake, ..self }
    }

    /// The server's part of the handshake.
    pub(crate) async fn accept(self, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        let handshake = TlsAcceptor::from(self.config.now().await).accept(stream).into_fallible();
        match timeout(self.handshake, handshake).await.map_err(io::Error::from)? {
            Ok(stream) => Ok(Box::new(stream)),
            Err((error, mut stream)) => {
                // A socket that is closed with something unread takes back what was written, the alert that says why.
                let linger = async {
                    stream.shutdown().await?;
                    tokio::io::copy(&mut stream.take(1 << 16), &mut tokio::io::sink()).await
                };
                // The client may be gone already, or never go.
                let _gone = timeout(LINGER, linger).await;
                Err(explain(error))
            }
        }
    }
}

/// Whom a client trusts, and what it shows servers that want to know. Cheap to clone. Its files are looked at when it
/// connects, as those of [`ServerTls`] are.
#[derive(Debug, Clone)]
pub struct ClientTls(Renewed<ClientConfig>);

impl ClientTls {
    /// Trusts the authorities in the file `ca`; without it, the system's. With `identity`, shows the certificate in the
    /// first file, for which the second holds the key.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn from_files(ca: Option<&Path>, identity: Option<(&Path, &Path)>) -> Result<Self, TlsError> {
        let ca = ca.map(Path::to_owned);
        let identity = identity.map(|(cert, key)| (cert.to_owned(), key.to_owned()));
        let files = ca.iter().chain(identity.iter().flat_map(|(cert, key)| [cert, key])).cloned().collect();
        Ok(Self(Renewed::new(files, move || client_config(ca.as_deref(), identity.as_ref()))?))
    }

    /// The client's part of the handshake with a server of this name.
    pub(crate) async fn connect(self, host: &str, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::other(format!("{host:?} is no name that a certificate can have")))?;
        match timeout(CLIENT_HANDSHAKE, TlsConnector::from(self.0.now().await).connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(explain(error)),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not answer the TLS handshake within {CLIENT_HANDSHAKE:?}: is TLS on at that port?"),
            )),
        }
    }
}

fn server_config(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(setup)?;
    let builder = match client_ca {
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(setup)?)
        }
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(certificates(cert)?, private_key(key)?).map_err(pair(cert, key))
}

fn client_config(ca: Option<&Path>, identity: Option<&(PathBuf, PathBuf)>) -> Result<ClientConfig, TlsError> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(setup)?;
    let builder = match ca {
        Some(path) => builder.with_root_certificates(roots(path)?),
        None => builder.with_platform_verifier().map_err(|error| TlsError::System(error.to_string()))?,
    };
    match identity {
        Some((cert, key)) => {
            builder.with_client_auth_cert(certificates(cert)?, private_key(key)?).map_err(pair(cert, key))
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

/// The implementation of cryptography that the HTTP client of this house brings along.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn setup(error: impl std::fmt::Display) -> TlsError {
    TlsError::Setup(error.to_string())
}

fn pair(cert: &Path, key: &Path) -> impl Fn(Error) -> TlsError {
    move |error| TlsError::Pair { cert: cert.to_owned(), key: key.to_owned(), reason: error.to_string() }
}

fn content(path: &Path, what: &'static str) -> impl Fn(pem::Error) -> TlsError {
    move |error| match error {
        pem::Error::Io(reason) => TlsError::Read { path: path.to_owned(), reason },
        other => TlsError::Content { path: path.to_owned(), what, reason: other.to_string() },
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = content(path, "CERTIFICATE");
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(&wrong)?.collect();
    match read.map_err(&wrong)? {
        none if none.is_empty() => Err(wrong(pem::Error::NoItemsFound)),
        some => Ok(some),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(content(path, "PRIVATE KEY"))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| TlsError::Content {
            path: path.to_owned(),
            what: "CERTIFICATE",
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// The same error, with words that say what to do.
pub(crate) fn explain(error: io::Error) -> io::Error {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return error };
    let text = match tls {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is from an authority that is not trusted; name a file with that authority's certificate"
                .into()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => {
            format!("{tls}; connect to it by a name that its certificate has")
        }
        Error::InvalidCertificate(_) => format!("its certificate is not accepted: {tls}"),
        Error::InvalidMessage(_) => "it does not speak TLS; use TLS at both sides, or tcp:// at both".into(),
        Error::NoCertificatesPresented | Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "a client certificate is required; give one, with its key".into()
        }
        Error::AlertReceived(alert) => format!("the other side has ended the TLS handshake: {alert:?}"),
        other => format!("TLS: {other}"),
    };
    io::Error::new(error.kind(), text)
}
