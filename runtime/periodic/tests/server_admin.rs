//! DUMP, LOAD, SHUTDOWN and identities (PROTOCOL §5 and §11); the recorded session with identities is in `golden_replay`.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use common::{A_WHILE, PATIENCE, Peer, Running, job, key, name};
use periodic::server::{AuthFile, ServerOptions};
use periodic::wire::{Command, Packet, Registration};
use periodic::{Job, JobOp, JobOpDone, JobStore, JobStoreError, MemoryStore, Seq, StoredFunc, SystemClock};

const FAR: i64 = 4_000_000_000;

/// The jobs of an answer to DUMP: it is what LOAD takes.
fn jobs(answer: Command) -> Vec<Job> {
    let Command::Data(body) = answer else { panic!("a dump, not {answer:?}") };
    let mut load = BytesMut::new();
    Packet { msgid: [0; 4], command: Command::Load(Vec::new()) }.encode(&mut load).unwrap();
    load.truncate(5);
    load.extend_from_slice(&body);
    match Packet::decode(load.freeze()).unwrap().command {
        Command::Load(jobs) => jobs,
        other => panic!("jobs, not {other:?}"),
    }
}

fn later(func: &str, name: &str) -> Job {
    Job { sched_at: FAR, ..job(func, name) }
}

#[tokio::test]
async fn a_dump_has_every_job_by_func_and_name_and_loads_elsewhere() {
    let store = MemoryStore::new();
    // With room for a few in memory: the others are in the store only.
    let options = ServerOptions { queue_cap: 10, ..ServerOptions::default() };
    let server = Running::with(store, Arc::new(SystemClock), options).await;
    let mut names: Vec<String> = (0..1500).map(|number| format!("{number}")).collect();
    for func in ["g", "f"] {
        server.submit_all(names.iter().rev().map(|name| later(func, name)).collect()).await;
    }
    let mut worker = server.worker(&["h"]).await;
    server.submit(job("h", "runs")).await;
    worker.take().await;
    let mut client = server.client().await;
    let dumped = jobs(client.ask(Command::Dump).await);
    names.sort();
    let expected: Vec<_> = ["f", "g"].iter().flat_map(|func| names.iter().map(|name| later(func, name))).collect();
    assert_eq!(dumped[..3000], expected);
    assert_eq!(dumped[3000..].iter().map(name).collect::<Vec<_>>(), ["runs"]);

    let other = Running::start().await;
    let mut client = other.client().await;
    client.ok(Command::Load(dumped.clone())).await;
    assert_eq!(jobs(client.ask(Command::Dump).await), dumped);
}

#[tokio::test]
async fn loading_much_keeps_nobody_waiting() {
    let server = Running::start().await;
    let (mut client, mut other) = (server.client().await, server.client().await);
    let load = client.send(Command::Load((0..200_000).map(|number| later("f", &number.to_string())).collect())).await;
    // Served in between: it is answered long before all are loaded.
    while server.server.handle().status().await.is_empty() {
        tokio::task::yield_now().await;
    }
    other.submit(later("g", "a")).await;
    let loaded = server.status("f").await.jobs;
    assert!(loaded < 200_000, "{loaded}");
    assert_eq!(client.answer(load).await, Command::Success);
    assert_eq!(server.status("f").await.jobs, 200_000);
}

#[tokio::test]
async fn a_dump_that_is_too_large_closes_its_connection_only() {
    let server = Running::with_options(ServerOptions { max_dump: 1000, ..ServerOptions::default() }).await;
    let (mut client, mut other) = (server.client().await, server.client().await);
    server.submit_all((0..100).map(|number| later("f", &number.to_string())).collect()).await;
    client.send(Command::Dump).await;
    client.is_closed().await;
    other.ok_ping().await;
    // The next one has its turn all the same.
    other.ok(Command::DropFunc(Bytes::from_static(b"f"))).await;
    assert_eq!(jobs(other.ask(Command::Dump).await), []);
}

#[tokio::test]
async fn a_client_ends_the_server_only_where_it_may() {
    let server = Running::start().await;
    let mut client = server.client().await;
    assert_eq!(client.ask(Command::Shutdown).await, Command::NoWorker);
    server.stop().await;

    let server = Running::with_options(ServerOptions { remote_shutdown: true, ..ServerOptions::default() }).await;
    let mut client = server.client().await;
    client.send(Command::Shutdown).await;
    tokio::time::timeout(PATIENCE, server.server.shutdown_requested()).await.unwrap();
    server.stop().await;
    client.is_closed().await;
}

/// A store that does not go on with a list before it may.
struct Held {
    store: MemoryStore,
    goes_on: tokio::sync::watch::Sender<bool>,
    /// Somebody wants to go on.
    asked: tokio::sync::watch::Sender<bool>,
}

#[async_trait::async_trait]
impl JobStore for Held {
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        if ops.iter().any(|op| matches!(op, JobOp::Due { after: Some(_), .. })) {
            self.asked.send_replace(true);
            self.goes_on.subscribe().wait_for(|may| *may).await.map(drop).unwrap();
        }
        self.store.apply(ops).await
    }

    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        self.store.load(seqs).await
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        self.store.funcs().await
    }
}

#[tokio::test]
async fn a_dump_has_every_job_that_is_there_also_one_that_moves_while_it_is_made() {
    let (goes_on, asked) = (tokio::sync::watch::Sender::new(false), tokio::sync::watch::Sender::new(false));
    let held = Held { store: MemoryStore::new(), goes_on: goes_on.clone(), asked: asked.clone() };
    let server = Running::with(held, Arc::new(SystemClock), ServerOptions::default()).await;
    let (mut one, mut other) = (server.client().await, server.client().await);
    server.submit_all((0..1000).map(|n| Job { sched_at: FAR + n, ..job("f", &format!("{n:03}")) }).collect()).await;
    let dump = one.send(Command::Dump).await;
    asked.subscribe().wait_for(|asked| *asked).await.map(drop).unwrap();
    // From what is not read yet to what is read.
    let moved = later("f", "999");
    other.submit(moved.clone()).await;
    goes_on.send_replace(true);
    let dumped = jobs(one.answer(dump).await);
    assert_eq!(dumped.len(), 1000);
    assert_eq!(dumped.last(), Some(&moved));
}

/// Whatever a client sends without waiting for answers counts in the order in which it was sent.
#[tokio::test]
async fn what_is_sent_in_one_breath_takes_effect_in_its_order() {
    let server = Running::start().await;
    let mut client = server.client().await;
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let many: Vec<_> = (0..3000).map(|n| later("loaded", &n.to_string())).collect();
    let newer = Job { workload: bytes("newer"), ..later("loaded", "2998") };
    let drop_func = || Command::DropFunc(bytes("dropped"));
    client
        .send_together(vec![
            // A func that nobody knew before.
            Command::SubmitJob(later("new", "a")),
            Command::DropFunc(bytes("new")),
            // Many jobs at once, and then something about one of them.
            Command::Load(many),
            Command::RemoveJob(key("loaded", "2999")),
            Command::SubmitJob(newer.clone()),
            // While one DROP_FUNC is at work.
            Command::SubmitJob(later("dropped", "before")),
            drop_func(),
            Command::SubmitJob(later("dropped", "between")),
            drop_func(),
        ])
        .await;
    client.all_succeed((1..=9_u32).map(u32::to_be_bytes).collect()).await;
    let left: Vec<_> = server.handle().status().await.into_iter().map(|func| (func.func, func.jobs)).collect();
    assert_eq!(left, [(bytes("loaded"), 2999)]);
    let dumped = jobs(client.ask(Command::Dump).await);
    assert!(dumped.contains(&newer) && !dumped.iter().any(|job| name(job) == "2999"));
}

struct Auth {
    dir: tempfile::TempDir,
    server: Running,
}

impl Auth {
    async fn start(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identities");
        std::fs::write(&path, text).unwrap();
        let auth = Some(AuthFile::read(&path).unwrap());
        let options = ServerOptions { auth, remote_shutdown: true, ..ServerOptions::default() };
        Self { dir, server: Running::with_options(options).await }
    }

    fn change(&self, text: &str) {
        std::fs::write(self.dir.path().join("identities"), text).unwrap();
    }

    async fn client(&self, name: &'static str, token: &'static str) -> Peer {
        let (name, token) = (Bytes::from_static(name.as_bytes()), Bytes::from_static(token.as_bytes()));
        Peer::connect(&self.server.endpoint, Registration::AuthClient { name, token }).await
    }

    async fn worker(&self, name: &'static str, token: &'static str) -> Peer {
        let (name, token) = (Bytes::from_static(name.as_bytes()), Bytes::from_static(token.as_bytes()));
        Peer::connect(&self.server.endpoint, Registration::AuthWorker { name, token }).await
    }
}

#[tokio::test]
async fn only_an_admin_changes_settings_ends_the_server_and_sees_every_job() {
    let auth = Auth::start("client c tc f\nworker w tw f\nadmin a ta x\n").await;
    let set = || Command::ConfigSet { key: Bytes::from_static(b"timeout"), value: 7 };
    let mut admin = auth.client("a", "ta").await;
    for func in ["f", "g"] {
        admin.submit(later(func, "a")).await;
    }
    for mut peer in [auth.client("c", "tc").await, auth.worker("w", "tw").await] {
        assert_eq!(peer.ask(set()).await, Command::NoWorker);
        assert_eq!(peer.ask(Command::Shutdown).await, Command::NoWorker);
        assert_eq!(jobs(peer.ask(Command::Dump).await), [later("f", "a")]);
    }
    assert_eq!(jobs(admin.ask(Command::Dump).await), [later("f", "a"), later("g", "a")]);
    admin.ok(set()).await;
    admin.send(Command::Shutdown).await;
    tokio::time::timeout(PATIENCE, auth.server.server.shutdown_requested()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_loses_a_func_is_given_no_more_of_its_jobs() {
    let auth = Auth::start("worker w tw f,g\nadmin a ta x\n").await;
    let (mut worker, mut admin) = (auth.worker("w", "tw").await, auth.client("a", "ta").await);
    for func in ["f", "g"] {
        worker.ok(Command::CanDo(Bytes::copy_from_slice(func.as_bytes()))).await;
    }
    worker.grab().await;
    // A version with a mistake in it changes nothing, nor does one that is just being written.
    for half in ["worker w tw\n", ""] {
        auth.change(half);
        tokio::time::sleep(A_WHILE * 10).await;
    }
    admin.submit(job("f", "a")).await;
    let given = worker.accept().await;
    auth.change("worker w tw g\nadmin a ta x\n");
    while auth.server.status("f").await.workers > 0 {
        tokio::time::sleep(A_WHILE).await;
    }
    // What it has it may end.
    worker.done(&given).await;
    assert_eq!(auth.server.status("f").await.jobs, 0);
    worker.grab().await;
    admin.submit(job("f", "b")).await;
    worker.gets_nothing().await;
    admin.submit(job("g", "c")).await;
    assert_eq!(worker.accept().await.key, key("g", "c"));
    // It may again, and does, though nobody tells it.
    worker.grab().await;
    auth.change("worker w tw f,g\nadmin a ta x\n");
    assert_eq!(worker.accept().await.key, key("f", "b"));
}

#[tokio::test]
async fn who_may_not_know_of_a_job_any_more_is_not_told_what_becomes_of_it() {
    let auth = Auth::start("client c tc f\nclient d td f\nworker w tw f\n").await;
    let mut worker = auth.worker("w", "tw").await;
    worker.ok(Command::CanDo(Bytes::from_static(b"f"))).await;
    let (mut stays, mut leaves) = (auth.client("c", "tc").await, auth.client("d", "td").await);
    let mut waiting = Vec::new();
    for client in [&mut stays, &mut leaves] {
        let result = client.send(Command::RunJob(job("f", "a"))).await;
        client.ok_ping().await;
        let stream = client.send(Command::RecvData(job("f", "a"))).await;
        assert_eq!(client.answer(stream).await, Command::Success);
        waiting.push((result, stream));
    }
    auth.change("client c tc f\nclient d td g\nworker w tw f\n");
    assert_eq!(leaves.answer_or_early(waiting[1].0).await, Command::NoWorker);
    assert_eq!(leaves.answer_or_early(waiting[1].1).await, Command::NoWorker);
    let given = worker.take().await;
    worker.ok(Command::WorkData { key: given.key.clone(), chunk: Bytes::from_static(b"chunk") }).await;
    worker.ok(Command::WorkDone { key: given.key.clone(), result: Bytes::from_static(b"result") }).await;
    let told = |text: &'static str| Command::Data(Bytes::from_static(text.as_bytes()));
    for (msgid, text) in [(waiting[0].1, "chunk"), (waiting[0].1, "EOF"), (waiting[0].0, "result")] {
        assert_eq!(stays.answer_or_early(msgid).await, told(text));
    }
    leaves.gets_nothing().await;
}

/// `pusher serve` has clients and workers of its own.
#[tokio::test]
async fn who_is_in_the_servers_process_needs_no_identity() {
    let auth = Auth::start("admin a ta x\n").await;
    let mut inside = Peer::connect(&auth.server.server.handle().connector(), Registration::Worker).await;
    let mut outside = auth.server.client().await;
    assert_eq!(outside.ask(Command::Ping).await, Command::NoWorker);
    inside.ok(Command::CanDo(Bytes::from_static(b"f"))).await;
    auth.change("admin a ta x # changed\nadmin b tb x\n");
    let mut admin = auth.client("b", "tb").await;
    while admin.ask(Command::Ping).await != Command::Pong {
        tokio::time::sleep(A_WHILE).await;
    }
    admin.submit(job("f", "a")).await;
    inside.take().await;
}
