//! Connections to the server: who may say what, and how nonsense and silence end.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use common::{PATIENCE, Peer, Running, job, key};
use periodic::server::Settings;
use periodic::wire::{Command, DEFAULT_MAX_PAYLOAD, FrameCodec, Packet, Registration};
use periodic::{
    Connect, Endpoint, Job, JobOp, JobOpDone, JobStore, JobStoreError, Listener, MemoryStore, Seq, ServerOptions,
    StoredFunc, SubmitError, SystemClock,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::Encoder;

#[tokio::test]
async fn nonsense_closes_its_own_connection_only() {
    let server = Running::with_options(ServerOptions { max_payload: 1000, ..ServerOptions::default() }).await;
    let mut bystander = server.client().await;
    let nonsense: [(&str, &[u8]); 5] = [
        ("a wrong checksum", b"\0REQ\0\0\0\x05\xa7\xe5\x7e\xf8\0\0\0\x01\x09"),
        ("too large a frame", b"\0REQ\0\0\x03\xe9\0\0\0\0"),
        ("an unknown command", b"\0REQ\0\0\0\x05\x7d\x5e\xb7\x2e\0\0\0\x01\x23"),
        ("a short payload", b"\0REQ\0\0\0\x02\x41\xd9\x12\xff\0\0"),
        ("an empty payload", b"\0REQ\0\0\0\0\0\0\0\0"),
    ];
    for (what, bytes) in nonsense {
        let mut peer = server.client().await;
        let ping = peer.send(Command::Ping).await;
        peer.write.write_all(bytes).await.unwrap();
        assert_eq!(peer.answer(ping).await, Command::Pong, "what came before {what} is answered");
        peer.is_closed().await;
        assert_eq!(bystander.ask(Command::Ping).await, Command::Pong, "others do not notice {what}");
    }
}

#[tokio::test]
async fn junk_before_a_frame_is_skipped_and_either_magic_taken() {
    let server = Running::start().await;
    let mut peer = server.client().await;
    peer.write.write_all(b"garbage\0\0RE\0RES\0\0\0\x05\xa6\xe5\x7e\xf8\0\0\0\x01\x09").await.unwrap();
    assert_eq!(peer.answer([0, 0, 0, 1]).await, Command::Pong);
}

#[tokio::test]
async fn a_registration_that_makes_no_sense_is_closed_without_a_word() {
    let server = Running::start().await;
    for bytes in [b"\0REQ\0\0\0\x01\xa2\x68\x1b\x02\x05".as_slice(), b"\0REQ\0\0\0\x02\x58\xc2\x23\xbe\x01\0"] {
        let mut stream = server.endpoint.connect().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(end.is_err() || answer.is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_may_not_work_and_nobody_ends_the_server_or_speaks_for_it() {
    let server = Running::start().await;
    let a = || key("f", "a");
    let mut client = server.client().await;
    for command in [
        Command::GrabJob,
        Command::CanDo(Bytes::from_static(b"f")),
        Command::WorkDone { key: a(), result: Bytes::new() },
        Command::WorkFail(a()),
        Command::SchedLater { key: a(), delay: 1, step: 1 },
        Command::JobAssigned,
        Command::Sleep,
        Command::Broadcast(Bytes::from_static(b"f")),
        Command::Acquire { lock: Bytes::new(), capacity: 1, key: a() },
        Command::Release { lock: Bytes::new(), key: a() },
        Command::WorkData { key: a(), chunk: Bytes::new() },
    ] {
        assert_eq!(client.ask(command.clone()).await, Command::NoWorker, "{command:?}");
    }
    let mut worker = server.worker(&["f"]).await;
    assert_eq!(worker.ask(Command::Shutdown).await, Command::NoWorker);
    for command in [Command::Noop, Command::Success, Command::Pong, Command::Data(Bytes::new()), Command::NoJob] {
        worker.send(command).await;
    }
    assert_eq!(worker.ask(Command::Unknown).await, Command::Unknown);
    assert_eq!(worker.ask(Command::Sleep).await, Command::Noop);
    worker.gets_nothing().await;
}

#[tokio::test]
async fn every_kind_of_registration_is_greeted() {
    let server = Running::start().await;
    let (name, token) = (Bytes::from_static(b"n"), Bytes::from_static(b"t"));
    for registration in [
        Registration::Client,
        Registration::Worker,
        Registration::AuthClient { name: name.clone(), token: token.clone() },
        Registration::AuthWorker { name, token },
    ] {
        let mut peer = Peer::connect(&server.endpoint, registration).await;
        assert_eq!(peer.ask(Command::Ping).await, Command::Pong);
    }
}

/// As programs do that write what they want and then only read.
#[tokio::test]
async fn who_has_said_everything_is_still_answered() {
    let server = Running::start().await;
    let (mut worker, mut client) = (server.worker(&["f"]).await, server.client().await);
    let mut requests: Vec<_> = (0..100).map(|n| Command::SubmitJob(job("g", &n.to_string()))).collect();
    requests.push(Command::Ping);
    client.send_together(requests).await;
    client.write.shutdown().await.unwrap();
    let mut answered = Vec::new();
    while let Some(Packet { command, .. }) = client.next().await {
        answered.push(command);
    }
    let submitted = answered.iter().filter(|answer| **answer == Command::Success).count();
    assert_eq!((submitted, answered.len()), (100, 101));
    // Who waits for a result has to stay; its job runs all the same.
    let mut runner = server.client().await;
    runner.send(Command::RunJob(job("f", "a"))).await;
    runner.ok_ping().await;
    runner.write.shutdown().await.unwrap();
    runner.is_closed().await;
    let given = worker.take().await;
    worker.done(&given).await;
    assert_eq!(server.status("f").await.jobs, 0);
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_a_pinging_one_is_not() {
    let settings = Settings { keepalive: 1, ..Settings::default() };
    let server = Running::with_options(ServerOptions { settings, ..ServerOptions::default() }).await;
    let (mut silent, mut pinging) = (server.client().await, server.client().await);
    let ping = async {
        loop {
            assert_eq!(pinging.ask(Command::Ping).await, Command::Pong);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = silent.is_closed() => {}
        () = ping => {}
    }
    assert_eq!(pinging.ask(Command::Ping).await, Command::Pong);
}

#[tokio::test]
async fn thousands_of_requests_in_one_breath_are_all_answered() {
    let server = Running::start().await;
    let mut client = server.client().await;
    let (sent, mut answered) = (5000, 0);
    for index in 0..sent {
        client.send(Command::SubmitJob(job("f", &index.to_string()))).await;
    }
    while answered < sent {
        assert_eq!(client.next().await.unwrap().command, Command::Success);
        answered += 1;
    }
    assert_eq!(server.status("f").await.jobs, sent);
}

#[tokio::test]
async fn a_peer_that_never_reads_is_closed() {
    let options = ServerOptions { write_timeout: Duration::from_millis(300), ..ServerOptions::default() };
    let server = Running::with_options(options).await;
    let large = Job { workload: vec![0; 4 << 20].into(), ..job("f", "a") };
    server.submit_all((0..4).map(|index| Job { key: key("f", &index.to_string()), ..large.clone() }).collect()).await;
    let mut deaf = server.worker(&["f"]).await;
    for _ in 0..4 {
        deaf.send(Command::GrabJob).await;
    }
    let gone = async {
        while server.status("f").await.workers > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is closed");
    assert_eq!((server.status("f").await.jobs, server.status("f").await.running), (4, 0));
}

/// With as many GRABs open as there are jobs, and jobs that are together much more than may wait to be written to it.
#[tokio::test]
async fn a_worker_is_given_large_jobs_as_it_takes_them_and_keeps_its_connection() {
    const JOBS: usize = 40;
    let options = ServerOptions { max_backlog: 4 << 20, ..ServerOptions::default() };
    let server = Running::with_options(options).await;
    let workload = Bytes::from(vec![b'x'; 1 << 20]);
    let large = |n: usize| Job { workload: workload.clone(), ..job("f", &n.to_string()) };
    server.submit_all((0..JOBS).map(large).collect()).await;
    let mut worker = server.worker(&["f"]).await;
    worker.send_together((0..JOBS).map(|_| Command::GrabJob).collect()).await;
    // Not read at once, as by a worker that is busy: what is ready for it piles up where it may.
    tokio::time::sleep(Duration::from_millis(300)).await;
    worker.send(Command::Ping).await;
    let mut seen = HashSet::new();
    while seen.len() < JOBS {
        match worker.next().await.expect("a job, not the end") {
            Packet { msgid, command: Command::JobAssign(job) } => {
                worker.send_as(msgid, Command::JobAssigned).await;
                seen.insert(job.key.name);
            }
            Packet { command, .. } => assert!(matches!(command, Command::Success | Command::Pong)),
        }
    }
    worker.ok_ping().await;
    assert_eq!(server.status("f").await.running, JOBS as u64);
}

/// Nobody's identity is that long, and nobody is to be remembered by so much.
#[tokio::test]
async fn a_registration_is_short() {
    let server = Running::start().await;
    let token = Bytes::from_static(b"t");
    let name = |length| Registration::AuthClient { name: Bytes::from(vec![b'n'; length]), token: token.clone() };
    Peer::connect(&server.endpoint, name(4000)).await.ok_ping().await;
    let mut stream = server.endpoint.connect().await.unwrap();
    let mut hello = BytesMut::new();
    FrameCodec::client(DEFAULT_MAX_PAYLOAD).encode(&name(4096), &mut hello).unwrap();
    stream.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(end.is_err() || answer.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_unix_socket_is_taken_over_only_from_a_server_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("periodic.sock");
    let endpoint = Endpoint::Unix(path.clone());
    // A server that was killed leaves its socket file.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let store = || std::sync::Arc::new(MemoryStore::new());
    let server = Running::at(&endpoint, store(), std::sync::Arc::new(SystemClock), ServerOptions::default()).await;
    let error = Listener::bind(&endpoint).await.expect_err("somebody listens").to_string();
    assert!(error.contains("another server is listening"), "{error}");
    assert_eq!(server.client().await.ask(Command::Ping).await, Command::Pong);
    server.stop().await;
    assert!(!path.exists(), "the socket file is removed at the end");

    std::fs::write(&path, "precious").unwrap();
    let error = Listener::bind(&endpoint).await.expect_err("it is a file").to_string();
    assert!(error.contains("not a socket"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

/// A store that is full or broken.
struct Failing(MemoryStore, JobStoreError);

#[async_trait]
impl JobStore for Failing {
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        let mut results = Vec::new();
        for op in ops {
            match op {
                JobOp::Put(job) if job.key.name != "good" => results.push(Err(self.1.clone())),
                op => results.extend(self.0.apply(vec![op]).await),
            }
        }
        results
    }

    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        self.0.load(seqs).await
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        self.0.funcs().await
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_stored_is_never_answered_with_success() {
    let store = Failing(MemoryStore::new(), JobStoreError::Full("0 bytes left".to_owned()));
    let server = Running::with(store, std::sync::Arc::new(SystemClock), ServerOptions::default()).await;
    let mut client = server.client().await;
    client.send(Command::SubmitJob(job("f", "a"))).await;
    client.is_closed().await;
    let handle = server.server.handle();
    let long = Job { key: key("f", &"x".repeat(256)), ..job("f", "a") };
    let results = handle.submit(vec![job("f", "good"), long, job("f", "a")]).await;
    assert_eq!(results[0], Ok(()));
    assert!(matches!(results[1], Err(SubmitError::Invalid(_))));
    assert!(matches!(results[2], Err(SubmitError::Full(_))));
    assert_eq!(server.status("f").await.jobs, 1);
    server.stop().await;
    assert_eq!(handle.submit(vec![job("f", "good")]).await, [Err(SubmitError::Stopped)]);
}

/// A store with a fault.
struct Panicking;

#[async_trait]
impl JobStore for Panicking {
    async fn apply(&self, _ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        panic!("as a faulty store does");
    }

    async fn load(&self, _seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        panic!("as a faulty store does");
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_store_that_panics_leaves_nobody_waiting() {
    let server = Running::with(Panicking, std::sync::Arc::new(SystemClock), ServerOptions::default()).await;
    let handle = server.server.handle();
    for _ in 0..2 {
        let results = tokio::time::timeout(PATIENCE, handle.submit(vec![job("f", "a")])).await.unwrap();
        assert!(matches!(results[..], [Err(SubmitError::Failed(_))]), "{results:?}");
    }
    server.stop().await;
}
