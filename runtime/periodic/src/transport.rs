//! Byte streams between the two sides: dialling ([`Connect`]) and listening ([`Listener`]).
//!
//! Client and worker know only [`Connect`], so that the same code runs over a socket or, in one process with the server,
//! over memory ([`crate::server::Connector`]).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::endpoint::Endpoint;

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

#[async_trait]
impl Connect for Endpoint {
    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp { host, port } => {
                let host = if host.is_empty() { "localhost" } else { host };
                let stream = TcpStream::connect((host, *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    fn peer(&self) -> String {
        self.to_string()
    }
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
    /// Somebody listens there already, the path is not a socket, or the system says no.
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        match endpoint {
            Endpoint::Tcp { host, port } => Self::bind_tcp(host, *port).await.map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => BindError::InUse(endpoint.clone()),
                _ => BindError::Io { endpoint: endpoint.clone(), source },
            }),
            Endpoint::Unix(path) => Self::bind_unix(path.clone(), endpoint).await,
        }
    }

    async fn bind_tcp(host: &str, port: u16) -> io::Result<Self> {
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
        Ok(Self { socket: Socket::Tcp(listener), endpoint: Endpoint::Tcp { host: host.to_owned(), port } })
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
        Ok(Self { socket, endpoint: endpoint.clone() })
    }

    /// Where it listens, with the port that was chosen.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The next connection.
    ///
    /// # Errors
    /// The system's; the listener stays usable.
    pub async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Socket::Unix { listener, .. } => Ok(Box::new(listener.accept().await?.0)),
        }
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
