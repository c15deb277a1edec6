//! Byte streams between the two sides: dialling ([`Connect`], [`Dialer`]) and listening ([`Listener`]).
//!
//! Client and worker know only [`Connect`], so that the same code runs over a socket or, in one process with the server,
//! over memory ([`crate::server::Connector`]).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::tls::{ClientTls, ServerTls};

/// How long to wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A connection's bytes, both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens connections to a server.
#[async_trait]
pub trait Connect: Send + Sync {
    /// A new connection; nothing has been said on it yet.
    ///
    /// # Errors
    /// The server cannot be reached.
    async fn connect(&self) -> io::Result<Box<dyn Stream>>;

    /// What to call the server in logs and errors.
    fn peer(&self) -> String;
}

/// Over TLS this trusts the system's authorities and shows no certificate; a [`Dialer`] can do otherwise.
#[async_trait]
impl Connect for Endpoint {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        static SYSTEM: OnceCell<ClientTls> = OnceCell::const_new();
        match self {
            Self::Tcp { host, port } => Ok(Box::new(connect_tcp(host, *port).await?)),
            Self::Tls { .. } => {
                // The system's certificates are many files.
                let load = async || {
                    tokio::task::spawn_blocking(|| ClientTls::from_files(None, None)).await?.map_err(io::Error::other)
                };
                let tls = SYSTEM.get_or_try_init(load).await?;
                connect_tls(self, tls).await
            }
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    fn peer(&self) -> String {
        self.to_string()
    }
}

/// An endpoint, and the certificates to reach it with. Without TLS it is the endpoint alone.
#[derive(Debug, Clone)]
pub struct Dialer {
    endpoint: Endpoint,
    tls: ClientTls,
}

impl Dialer {
    /// Reaches `endpoint` by `tls`, if it is one of TLS.
    pub fn new(endpoint: Endpoint, tls: ClientTls) -> Self {
        Self { endpoint, tls }
    }
}

#[async_trait]
impl Connect for Dialer {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match &self.endpoint {
            Endpoint::Tls { .. } => connect_tls(&self.endpoint, &self.tls).await,
            other => other.connect().await,
        }
    }

    fn peer(&self) -> String {
        self.endpoint.peer()
    }
}

/// The host to reach for one that was left out.
fn or_local(host: &str) -> &str {
    if host.is_empty() { "localhost" } else { host }
}

/// Small frames go out at once, and the system notices when the other side is gone without a word (PROTOCOL §1).
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_keepalive(true)
}

async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect((or_local(host), port)))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {CONNECT_TIMEOUT:?}")))??;
    prepare(&stream)?;
    Ok(stream)
}

async fn connect_tls(endpoint: &Endpoint, tls: &ClientTls) -> io::Result<Box<dyn Stream>> {
    let (Endpoint::Tls { host, port } | Endpoint::Tcp { host, port }) = endpoint else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let stream = connect_tcp(host, *port).await?;
    tls.clone().connect(or_local(host), stream).await
}

/// Why an [`Endpoint`] cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there.
    #[error("cannot listen on {0}: another server is listening there; stop it or choose another address")]
    InUse(Endpoint),
    /// The socket's path holds something else.
    #[error("cannot listen on {0}: the path exists and is not a socket; remove it or choose another")]
    NotASocket(Endpoint),
    /// `tls://` was given without a certificate, or a certificate without `tls://`.
    #[error("cannot listen on {0}: tls:// needs a certificate and its key, and only tls:// has one")]
    Certificate(Endpoint),
    /// Anything else.
    #[error("cannot listen on {endpoint}: {source}")]
    Io {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
}

/// Takes connections. Dropping it stops listening and removes its socket file.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    endpoint: Endpoint,
    tls: Option<ServerTls>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
}

impl Listener {
    /// Listens. A socket file that nobody listens on any more is removed first. A TCP port of 0 lets the system choose:
    /// [`Listener::endpoint`] tells.
    ///
    /// # Errors
    /// Somebody listens there already, the path is not a socket, the endpoint is one of TLS, or the system says no.
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        Self::bind_any(endpoint, None).await
    }

    /// As [`Listener::bind`], on a `tls://` endpoint.
    ///
    /// # Errors
    /// As there, and if the endpoint is not one of TLS.
    pub async fn bind_tls(endpoint: &Endpoint, tls: ServerTls) -> Result<Self, BindError> {
        Self::bind_any(endpoint, Some(tls)).await
    }

    async fn bind_any(endpoint: &Endpoint, tls: Option<ServerTls>) -> Result<Self, BindError> {
        let bound = match (endpoint, &tls) {
            (Endpoint::Tcp { host, port }, None) | (Endpoint::Tls { host, port }, Some(_)) => {
                Self::bind_tcp(host, *port).await
            }
            (Endpoint::Unix(path), None) => return Self::bind_unix(path.clone(), endpoint).await,
            _ => return Err(BindError::Certificate(endpoint.clone())),
        };
        let (listener, port) = bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(endpoint.clone()),
            _ => BindError::Io { endpoint: endpoint.clone(), source },
        })?;
        let mut endpoint = endpoint.clone();
        if let Endpoint::Tcp { port: chosen, .. } | Endpoint::Tls { port: chosen, .. } = &mut endpoint {
            *chosen = port;
        }
        Ok(Self { socket: Socket::Tcp(listener), endpoint, tls })
    }

    async fn bind_tcp(host: &str, port: u16) -> io::Result<(TcpListener, u16)> {
        let listener = if host.is_empty() {
            let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            match TcpListener::bind(every).await {
                // A machine without IPv6.
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?
                }
                bound => bound?,
            }
        } else {
            TcpListener::bind((host, port)).await?
        };
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    async fn bind_unix(path: PathBuf, endpoint: &Endpoint) -> Result<Self, BindError> {
        let failed = |source| BindError::Io { endpoint: endpoint.clone(), source };
        match std::fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(endpoint.clone())),
            Ok(_) => match UnixStream::connect(&path).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(&path).map_err(failed)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(_) => return Err(BindError::InUse(endpoint.clone())),
                Err(error) => return Err(failed(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(&path).map_err(failed)?;
        let inode = std::fs::symlink_metadata(&path).map_err(failed)?.ino();
        let socket = Socket::Unix { listener, _file: SocketFile { path, inode } };
        Ok(Self { socket, endpoint: endpoint.clone(), tls: None })
    }

    /// Where it listens, with the port that was chosen.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The next connection. Nothing has been read from it: see [`Incoming`].
    ///
    /// # Errors
    /// The system's; the listener stays usable.
    pub async fn accept(&self) -> io::Result<Incoming> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                prepare(&stream)?;
                Ok(match &self.tls {
                    Some(tls) => Incoming(Arrived::Tls(tls.clone(), stream)),
                    None => Incoming(Arrived::Ready(Box::new(stream))),
                })
            }
            Socket::Unix { listener, .. } => Ok(Incoming(Arrived::Ready(Box::new(listener.accept().await?.0)))),
        }
    }
}

/// A connection that somebody has opened. With TLS there is a handshake to be made, for as long as the client likes to
/// take, up to a limit: [`Incoming::open`] is for a task of its own, so that one client does not keep others waiting.
pub struct Incoming(Arrived);

enum Arrived {
    Ready(Box<dyn Stream>),
    Tls(ServerTls, TcpStream),
}

impl Incoming {
    /// Makes the handshake, if there is one to be made.
    ///
    /// # Errors
    /// The client does not speak TLS, has no certificate where one is required, or takes too long.
    pub async fn open(self) -> io::Result<Box<dyn Stream>> {
        match self.0 {
            Arrived::Ready(stream) => Ok(stream),
            Arrived::Tls(tls, stream) => tls.accept(stream).await,
        }
    }
}

impl From<Box<dyn Stream>> for Incoming {
    fn from(stream: Box<dyn Stream>) -> Self {
        Self(Arrived::Ready(stream))
    }
}

/// Removes the socket file at the end, unless another server has put its own there meanwhile.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _gone_already = std::fs::remove_file(&self.path);
        }
    }
}
