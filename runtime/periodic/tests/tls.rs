//! TLS between real clients, workers and servers: who gets through, who does not, and what he is told.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use common::{PATIENCE, Running, job};
use periodic::transport::BindError;
use periodic::{
    Answer, Client, ClientError, ClientOptions, ClientTls, Connect, Dialer, Endpoint, Handler, Job, Listener,
    MemoryStore, Server, ServerOptions, ServerTls, SystemClock, TlsError, Work, Worker, WorkerOptions,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// An authority, and a directory with what it has issued.
struct Authority {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of two authorities with the same name, only the signature could tell.
        params.distinguished_name.push(DnType::CommonName, dir.path().to_string_lossy().as_ref());
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { dir, issuer };
        std::fs::write(authority.path("ca.pem"), authority.issuer.pem()).unwrap();
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for this name, and its key.
    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let paths = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&paths.0, certificate.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    fn server(&self, name: &str, client_ca: Option<&Path>) -> ServerTls {
        let (cert, key) = self.issue(name);
        ServerTls::from_files(&cert, &key, client_ca).unwrap()
    }

    /// Somebody who trusts this authority, and shows nothing.
    fn client(&self) -> ClientTls {
        ClientTls::from_files(Some(&self.ca()), None).unwrap()
    }
}

/// A server behind TLS, ended by its runtime.
async fn serve(tls: ServerTls) -> (Server, Endpoint) {
    let server = Server::start(Arc::new(MemoryStore::new()), Arc::new(SystemClock), ServerOptions::default()).await;
    let server = server.unwrap();
    let listener = Listener::bind_tls(&"tls://127.0.0.1:0".parse().unwrap(), tls).await.unwrap();
    let endpoint = listener.endpoint().clone();
    tokio::spawn(server.serve(listener, CancellationToken::new()));
    (server, endpoint)
}

fn patient(connect: impl Connect + 'static) -> Client {
    Client::new(Arc::new(connect), ClientOptions::default())
}

/// Why nothing can be asked through this.
async fn refused(connect: impl Connect + 'static, timeout: Duration) -> String {
    let client = Client::new(Arc::new(connect), ClientOptions { timeout, ..ClientOptions::default() });
    match client.ping().await {
        Err(ClientError::Unreachable { reason, .. }) => reason,
        other => panic!("unreachable, not {other:?}"),
    }
}

const SOON: Duration = Duration::from_millis(700);

fn port(endpoint: &Endpoint) -> u16 {
    let (Endpoint::Tls { port, .. } | Endpoint::Tcp { port, .. }) = endpoint else { panic!("{endpoint} has no port") };
    *port
}

struct Done;

#[async_trait]
impl Handler for Done {
    async fn run(&self, job: Job, _work: Work) -> Answer {
        Answer::Done(job.workload)
    }
}

#[tokio::test]
async fn clients_and_workers_speak_through_tls() {
    let authority = Authority::new();
    let (_server, endpoint) = serve(authority.server("127.0.0.1", None)).await;
    let dialer = Dialer::new(endpoint.clone(), authority.client());
    let worker =
        Worker::new(Arc::new(dialer.clone()), WorkerOptions::default(), vec![Bytes::from_static(b"f")], Arc::new(Done));
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    let client = patient(dialer);
    while client.status().await.unwrap().iter().all(|func| func.workers == 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let long = Bytes::from(vec![7; 3 << 20]);
    let result = client.run_job(Job { workload: long.clone(), ..job("f", "a") }).await.unwrap();
    assert!(result == long, "{} bytes came back", result.len());
    stop.cancel();
    tokio::time::timeout(PATIENCE, working).await.expect("the worker stops").unwrap();
}

#[tokio::test]
async fn a_certificate_must_be_from_a_trusted_authority_and_for_the_host() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (_server, endpoint) = serve(authority.server("127.0.0.1", None)).await;
    let reason = refused(Dialer::new(endpoint.clone(), other.client()), SOON).await;
    assert!(reason.contains("authority that is not trusted"), "{reason}");
    // The system's authorities do not know it either; where there are none, that is said.
    let reason = refused(endpoint.clone(), SOON).await;
    assert!(reason.contains("authority that is not trusted") || reason.contains("name a CA file"), "{reason}");
    let by_name = Endpoint::Tls { host: "localhost".into(), port: port(&endpoint) };
    let reason = refused(Dialer::new(by_name, authority.client()), SOON).await;
    assert!(reason.contains("not valid for name \"localhost\"") && reason.contains("connect to it by"), "{reason}");
}

#[tokio::test]
async fn a_client_without_the_required_certificate_is_told_so() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (server, endpoint) = serve(authority.server("127.0.0.1", Some(&clients.ca()))).await;
    let dialer = |identity: Option<&(PathBuf, PathBuf)>| {
        let identity = identity.map(|(cert, key)| (cert.as_path(), key.as_path()));
        Dialer::new(endpoint.clone(), ClientTls::from_files(Some(&authority.ca()), identity).unwrap())
    };
    for _ in 0..5 {
        let reason = refused(dialer(None), SOON).await;
        assert!(reason.contains("a client certificate is required"), "{reason}");
    }
    let strange = authority.issue("stranger");
    let reason = refused(dialer(Some(&strange)), SOON).await;
    assert!(reason.contains("has ended the TLS handshake"), "{reason}");
    patient(dialer(Some(&clients.issue("worker-7")))).submit(job("f", "a")).await.unwrap();
    assert_eq!(server.handle().status().await[0].jobs, 1);
}

/// Asks until it is answered; the files are looked at once a second.
async fn answered(client: &Client) {
    let asked = Instant::now();
    while let Err(error) = client.ping().await {
        assert!(asked.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_open_connections_stay() {
    let (before, after) = (Authority::new(), Authority::new());
    let (cert, key) = before.issue("127.0.0.1");
    let (_server, endpoint) = serve(ServerTls::from_files(&cert, &key, None).unwrap()).await;
    let open = patient(Dialer::new(endpoint.clone(), before.client()));
    open.ping().await.unwrap();

    // The certificate comes before its key: until that is there, the one from before is shown.
    let (renewed, its_key) = after.issue("127.0.0.1");
    std::fs::copy(renewed, &cert).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    patient(Dialer::new(endpoint.clone(), before.client())).ping().await.unwrap();
    std::fs::copy(its_key, &key).unwrap();
    answered(&patient(Dialer::new(endpoint.clone(), after.client()))).await;
    refused(Dialer::new(endpoint, before.client()), SOON).await;
    open.ping().await.unwrap();
}

#[tokio::test]
async fn authorities_and_certificates_of_clients_are_renewed_too() {
    let (servers, before, after) = (Authority::new(), Authority::new(), Authority::new());
    let clients = servers.path("clients.pem");
    std::fs::copy(before.ca(), &clients).unwrap();
    let (_server, endpoint) = serve(servers.server("127.0.0.1", Some(&clients))).await;
    let (cert, key) = before.issue("worker");
    let dialer = Dialer::new(endpoint, ClientTls::from_files(Some(&servers.ca()), Some((&cert, &key))).unwrap());
    patient(dialer.clone()).ping().await.unwrap();

    std::fs::copy(after.ca(), &clients).unwrap();
    let (renewed, its_key) = after.issue("worker");
    std::fs::copy(renewed, &cert).unwrap();
    std::fs::copy(its_key, &key).unwrap();
    // Both sides look only when there is a new connection, and what they looked at lately may be what was there before.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    answered(&patient(dialer)).await;
}

#[tokio::test]
async fn a_plain_client_on_a_tls_port_is_told_what_it_may_be() {
    let authority = Authority::new();
    let (_server, endpoint) = serve(authority.server("127.0.0.1", None)).await;
    let plain = Endpoint::Tcp { host: "127.0.0.1".into(), port: port(&endpoint) };
    let reason = refused(plain, SOON).await;
    assert!(reason.contains("wants TLS"), "{reason}");
}

#[tokio::test]
async fn whoever_is_sent_away_can_read_why_whatever_he_has_sent() {
    let authority = Authority::new();
    let (_server, endpoint) = serve(authority.server("127.0.0.1", None)).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port(&endpoint))).await.unwrap();
    // More than the server reads before it knows.
    stream.write_all(&[b'x'; 32 << 10]).await.unwrap();
    let mut said = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().expect("an end, not a reset");
    assert_eq!(said.first(), Some(&21), "a TLS alert");
}

#[tokio::test]
async fn a_tls_client_on_a_plain_port_is_told_what_it_may_be() {
    let authority = Authority::new();
    let server = Running::start().await;
    let tls = Endpoint::Tls { host: "127.0.0.1".into(), port: port(&server.endpoint) };
    let reason = refused(Dialer::new(tls.clone(), authority.client()), Duration::from_secs(5)).await;
    assert!(reason.contains("is TLS on at that port?"), "{reason}");
    // One that answers something else at once.
    let chatty = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = chatty.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = chatty.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.ok();
        }
    });
    let chatty = Endpoint::Tls { host: "127.0.0.1".into(), port: address.port() };
    let reason = refused(Dialer::new(chatty, authority.client()), SOON).await;
    assert!(reason.contains("does not speak TLS"), "{reason}");
}

#[tokio::test]
async fn clients_that_stall_in_the_handshake_keep_nobody_out_and_the_server_can_stop() {
    let authority = Authority::new();
    let (server, endpoint) = serve(authority.server("127.0.0.1", None)).await;
    let mut stalled = Vec::new();
    for index in 0..20 {
        let mut stream = TcpStream::connect(("127.0.0.1", port(&endpoint))).await.unwrap();
        if index % 2 == 0 {
            // The beginning of a ClientHello, and no more.
            stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
        }
        stalled.push(stream);
    }
    let asked = Instant::now();
    patient(Dialer::new(endpoint, authority.client())).ping().await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5), "it waited {:?} for others", asked.elapsed());
    let stopped = Instant::now();
    tokio::time::timeout(PATIENCE, server.stop()).await.expect("the server stops");
    assert!(stopped.elapsed() < Duration::from_secs(4), "it waited {:?} for handshakes", stopped.elapsed());
    let end = tokio::time::timeout(PATIENCE, stalled[0].read_to_end(&mut Vec::new())).await;
    assert!(end.is_ok(), "the stalled one is closed");
}

#[tokio::test]
async fn a_handshake_has_a_time_limit() {
    let authority = Authority::new();
    let tls = authority.server("127.0.0.1", None).handshake_timeout(Duration::from_millis(100));
    let listener = Listener::bind_tls(&"tls://127.0.0.1:0".parse().unwrap(), tls).await.unwrap();
    let _stalled = TcpStream::connect(("127.0.0.1", port(listener.endpoint()))).await.unwrap();
    let incoming = listener.accept().await.unwrap();
    let Err(error) = incoming.open().await else { panic!("nothing was sent") };
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let authority = Authority::new();
    let (cert, key) = authority.issue("a");
    let (other_cert, _) = authority.issue("b");
    let absent = authority.path("absent.pem");
    let error = ServerTls::from_files(&absent, &key, None).unwrap_err();
    assert!(matches!(&error, TlsError::Read { path, .. } if *path == absent), "{error}");
    let error = ServerTls::from_files(&key, &key, None).unwrap_err().to_string();
    assert!(error.contains("a.key") && error.contains("BEGIN … CERTIFICATE"), "{error}");
    let error = ServerTls::from_files(&cert, &cert, None).unwrap_err().to_string();
    assert!(error.contains("a.pem") && error.contains("PRIVATE KEY"), "{error}");
    let error = ServerTls::from_files(&other_cert, &key, None).unwrap_err().to_string();
    assert!(error.contains("b.pem") && error.contains("a.key") && error.contains("the key it was made for"), "{error}");
    let error = ServerTls::from_files(&cert, &key, Some(&key)).unwrap_err().to_string();
    assert!(error.contains("a.key"), "{error}");
    let error = ClientTls::from_files(Some(&absent), None).unwrap_err().to_string();
    assert!(error.contains("absent.pem"), "{error}");
    let error = ClientTls::from_files(Some(&authority.ca()), Some((&other_cert, &key))).unwrap_err();
    assert!(matches!(error, TlsError::Pair { .. }), "{error}");
}

#[tokio::test]
async fn a_listener_has_a_certificate_exactly_if_it_is_one_of_tls() {
    let authority = Authority::new();
    let tls = || authority.server("127.0.0.1", None);
    let plain: Endpoint = "tcp://127.0.0.1:0".parse().unwrap();
    let error = Listener::bind(&"tls://127.0.0.1:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, BindError::Certificate(_)), "{error}");
    assert!(matches!(Listener::bind_tls(&plain, tls()).await.unwrap_err(), BindError::Certificate(_)));
}
