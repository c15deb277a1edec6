//! `periodic-kill`: `pusher periodicd` is killed at random moments while clients submit and workers work without pause.
//! At the end of each round every job whose submit was answered SUCCESS is done or waits, and no job whose end was
//! answered SUCCESS has run again.
//!
//! What was answered must be known exactly, so clients and workers are driven by hand. Each job is submitted once: one
//! whose submit was not answered may or may not be there, and both are right.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use periodic::wire::{Command, MsgId, Packet, Registration};
use periodic::{Job, JobKey};
use tokio::time::sleep;

use super::{Form, Random};
use crate::line::Line;
use crate::process::Pusher;
use crate::wait::{must, until};

/// Kills in a round of `cargo xtask soak`.
const KILLS: usize = 200;
/// How many clients and how many workers there are.
const CLIENTS: u32 = 2;
const WORKERS: usize = 2;
/// Submits that a client sends at once, and GRABs that a worker has open.
const AT_ONCE: u32 = 16;
/// How long a read may wait before its thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// Before the next try to connect to a server that is not there.
const DOWN: Duration = Duration::from_millis(5);

const FUNC: Bytes = Bytes::from_static(b"kill");

/// Rounds of so many kills.
pub struct PeriodicKill {
    kills: usize,
}

impl PeriodicKill {
    /// With so many kills in a round.
    #[must_use]
    pub fn with(kills: usize) -> Self {
        Self { kills }
    }
}

impl Default for PeriodicKill {
    fn default() -> Self {
        Self::with(KILLS)
    }
}

/// What a round did.
#[derive(Debug, Clone, Copy)]
pub struct Killed {
    /// Jobs whose submit was answered SUCCESS.
    pub accepted: usize,
    /// Jobs whose submit was not answered.
    pub unanswered: usize,
    /// Jobs that a worker did and that were told so.
    pub confirmed: usize,
    /// Jobs that waited when everybody had stopped.
    pub waiting: usize,
    /// Runs of jobs that had run before, because a kill kept their end from being noted.
    pub repeated: usize,
}

impl PeriodicKill {
    /// Kills and starts again so many times, stops clients and workers, and adds up.
    ///
    /// # Panics
    /// If a promise is broken.
    pub async fn killed(&self, random: &mut Random) -> Killed {
        let dir = must("a temporary directory", tempfile::tempdir());
        let work_dir = dir.path().join("jobs").to_string_lossy().into_owned();
        let listen = format!("unix://{}", dir.path().join("periodic.sock").display());
        let start =
            async || must("periodicd", Pusher::periodicd(&["--work-dir", &work_dir, "--listen", &listen]).await);

        let mut server = start().await;
        let world = Arc::new(World::new(listen.clone()));
        let clients: Vec<_> = (0..CLIENTS).map(|n| world.spawn(move |world| submit(world, n))).collect();
        let workers: Vec<_> = (0..WORKERS).map(|_| world.spawn(work)).collect();
        for _ in 0..self.kills {
            sleep(random.millis(0, 150)).await;
            server.kill().await;
            world.servers.fetch_add(1, Ordering::SeqCst);
            server = start().await;
        }
        world.no_more_submits.store(true, Ordering::Relaxed);
        join(clients).await;
        world.no_more_work.store(true, Ordering::Relaxed);
        join(workers).await;

        let waiting = waiting(&listen).await;
        let killed = world.add_up(&waiting);
        drain(&world, &server).await;
        assert!(server.stop().await.success(), "it did not stop as it should");
        killed
    }
}

impl Form for PeriodicKill {
    const NAME: &'static str = "periodic-kill";

    async fn round(&mut self, random: &mut Random) -> String {
        let Killed { accepted, unanswered, confirmed, waiting, repeated } = self.killed(random).await;
        format!(
            "{} killed; {accepted} accepted and {unanswered} not answered, {confirmed} done, {waiting} waited, {repeated} \
             repeated",
            self.kills
        )
    }
}

/// What clients and workers know together.
struct World {
    url: String,
    /// How many servers have died.
    servers: AtomicUsize,
    record: Mutex<Record>,
    no_more_submits: AtomicBool,
    no_more_work: AtomicBool,
}

/// What was said about jobs, by their names.
#[derive(Default)]
struct Record {
    /// Their submit was sent.
    sent: HashSet<Bytes>,
    /// And answered.
    accepted: HashSet<Bytes>,
    /// How often they ran.
    runs: HashMap<Bytes, usize>,
    /// Their end was told, and answered: by this server or one before it.
    confirmed: HashMap<Bytes, usize>,
    /// They were given out by that server after that, or by a later one.
    broken: Vec<Bytes>,
}

impl World {
    fn new(url: String) -> Self {
        let (servers, record, no_more_submits, no_more_work) = Default::default();
        Self { url, servers, record, no_more_submits, no_more_work }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread that begins `session` again and again, because a killed server ends it.
    fn spawn(self: &Arc<Self>, session: impl Fn(&Self) -> io::Result<()> + Send + 'static) -> JoinHandle<()> {
        let world = Arc::clone(self);
        thread::spawn(move || {
            while session(&world).is_err() {
                thread::sleep(DOWN);
            }
        })
    }

    /// Holds what is known against what waits.
    fn add_up(&self, waiting: &HashSet<Bytes>) -> Killed {
        let record = self.record();
        assert!(record.broken.is_empty(), "ran again after their end was answered SUCCESS: {:?}", record.broken);
        let lost: Vec<_> = record
            .accepted
            .iter()
            .filter(|name| !record.runs.contains_key(*name) && !waiting.contains(*name))
            .collect();
        assert!(lost.is_empty(), "accepted, not done and not there: {lost:?}");
        let undead: Vec<_> = waiting.iter().filter(|name| record.confirmed.contains_key(*name)).collect();
        assert!(undead.is_empty(), "still there after their end was answered SUCCESS: {undead:?}");
        let strange: Vec<_> = waiting.difference(&record.sent).collect();
        assert!(strange.is_empty(), "there without having been submitted: {strange:?}");
        Killed {
            accepted: record.accepted.len(),
            unanswered: record.sent.len() - record.accepted.len(),
            confirmed: record.confirmed.len(),
            waiting: waiting.len(),
            repeated: record.runs.values().map(|runs| runs - 1).sum(),
        }
    }
}

/// A client's connection: submits until it breaks, or until it is told to end.
fn submit(world: &World, client: u32) -> io::Result<()> {
    let mut line = Line::open(&world.url, &Registration::Client, LOOK)?;
    while !world.no_more_submits.load(Ordering::Relaxed) {
        let mut names: HashMap<MsgId, Bytes> = HashMap::new();
        {
            let mut record = world.record();
            for n in 0..AT_ONCE {
                let name = Bytes::from(format!("{client}.{}", record.sent.len()));
                record.sent.insert(name.clone());
                names.insert(n.to_be_bytes(), name.clone());
                let key = JobKey { func: FUNC, name };
                let job = Job { key, workload: Bytes::from_static(b"x"), sched_at: 0, count: 0, timeout: 0 };
                line.send(n.to_be_bytes(), Command::SubmitJob(job))?;
            }
        }
        line.flush()?;
        while !names.is_empty() {
            let Some(Packet { msgid, command }) = patiently(line.receive())? else { continue };
            assert_eq!(command, Command::Success, "the answer to a submit");
            let name = names.remove(&msgid);
            world.record().accepted.extend(name);
        }
    }
    Ok(())
}

/// A worker's connection: does jobs until it breaks, or until it is told to end.
fn work(world: &World) -> io::Result<()> {
    // Which server this is lies between the two. What a dead server gave out may be read long after it died, so each is
    // used where it blames nobody wrongly.
    let at_least = world.servers.load(Ordering::SeqCst);
    let mut line = Line::open(&world.url, &Registration::Worker, LOOK)?;
    let at_most = world.servers.load(Ordering::SeqCst);
    line.want(Command::CanDo(FUNC), &Command::Success)?;
    let mut last = 0_u32;
    let mut next = || {
        last += 1;
        last.to_be_bytes()
    };
    for _ in 0..AT_ONCE {
        line.send(next(), Command::GrabJob)?;
    }
    let mut told: HashMap<MsgId, Bytes> = HashMap::new();
    loop {
        line.flush()?;
        let Some(Packet { msgid, command }) = patiently(line.receive())? else {
            if told.is_empty() && world.no_more_work.load(Ordering::Relaxed) {
                return Ok(());
            }
            continue;
        };
        match command {
            Command::JobAssign(job) if world.no_more_work.load(Ordering::Relaxed) => {
                drop(job);
                line.send(msgid, Command::JobUnassigned)?;
            }
            Command::JobAssign(job) => {
                let name = Bytes::copy_from_slice(&job.key.name);
                {
                    let mut record = world.record();
                    if record.confirmed.get(&name).is_some_and(|by| *by <= at_least) {
                        record.broken.push(name.clone());
                    }
                    *record.runs.entry(name.clone()).or_default() += 1;
                }
                line.send(msgid, Command::JobAssigned)?;
                let done = next();
                line.send(done, Command::WorkDone { key: job.key, result: Bytes::new() })?;
                told.insert(done, name);
                line.send(next(), Command::GrabJob)?;
            }
            Command::Success => {
                if let Some(name) = told.remove(&msgid) {
                    world.record().confirmed.insert(name, at_most);
                }
            }
            other => panic!("a worker was told {other:?}"),
        }
    }
}

/// `None`: nothing has come yet.
fn patiently<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
        result => result.map(Some),
    }
}

/// Waits for threads that have been told to end.
async fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        let joined = must("waiting for a thread", tokio::task::spawn_blocking(move || thread.join()).await);
        assert!(joined.is_ok(), "a client or worker panicked; standard error says why");
    }
}

/// The names of the jobs that are there.
pub(super) async fn waiting(url: &str) -> HashSet<Bytes> {
    let url = url.to_owned();
    let dumped = tokio::task::spawn_blocking(move || {
        Line::open(&url, &Registration::Client, Duration::from_secs(30))?.ask(Command::Dump)
    });
    let dumped = must("a DUMP", must("a DUMP", dumped.await));
    let Command::Data(list) = dumped else { panic!("a DUMP was answered {dumped:?}") };
    // What a DUMP answers is what a LOAD takes.
    let mut load = BytesMut::from([0, 0, 0, 0, 19].as_slice());
    load.put_slice(&list);
    match must("the answer to a DUMP", Packet::decode(load.freeze())).command {
        Command::Load(jobs) => jobs.into_iter().map(|job| Bytes::copy_from_slice(&job.key.name)).collect(),
        other => panic!("no list of jobs: {other:?}"),
    }
}

/// Has what waits done, too.
async fn drain(world: &Arc<World>, server: &Pusher) {
    world.no_more_work.store(false, Ordering::Relaxed);
    let worker = world.spawn(work);
    until("everything that waited is done", async || (crate::queue::jobs(server, "kill").await == 0).then_some(()))
        .await;
    world.no_more_work.store(true, Ordering::Relaxed);
    join(vec![worker]).await;
    let record = world.record();
    assert!(record.broken.is_empty(), "ran again after their end was answered SUCCESS: {:?}", record.broken);
    let lost: Vec<_> = record.accepted.iter().filter(|name| !record.runs.contains_key(*name)).collect();
    assert!(lost.is_empty(), "accepted and never run: {lost:?}");
}
