//! The server against a model of what it promises, under random requests.
//!
//! Each round has two halves. First nobody can be given a job: submits, removes and workers' answers are sent without
//! waiting for one another, connections break, the server dies and another one begins with what it stored, the clock
//! moves. All requests about one key go over one connection, so
//! their order is known and the model can follow. Then workers open GRABs, and what they are given must be exactly what
//! the model says is due: nothing lost, nothing twice, nothing that was done or replaced.

mod common;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{ManualClock, PATIENCE, Peer, Running, key, name};
use periodic::wire::{Command, MsgId};
use periodic::{Clock, Job, JobOp, JobOpDone, JobStore, JobStoreError, MemoryStore, Seq, ServerOptions, StoredFunc};

const WORKERS: usize = 3;
const KEYS: u64 = 40;

/// Reproducible chance.
struct Chance(fastrand::Rng);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.u64(..limit)
    }
}

/// A store that takes its time, one call after another, so that requests overlap with commits and reads.
struct Slow {
    store: MemoryStore,
    turn: tokio::sync::Mutex<()>,
    /// Its server is dead: nothing is stored any more.
    dead: Arc<AtomicBool>,
}

#[async_trait]
impl JobStore for Slow {
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        let _turn = self.turn.lock().await;
        tokio::time::sleep(Duration::from_micros(ops.len() as u64 * 37 % 500)).await;
        if self.dead.load(Ordering::SeqCst) {
            return ops.iter().map(|_| Err(JobStoreError::Failed("dead".to_owned()))).collect();
        }
        self.store.apply(ops).await
    }

    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        let found = self.store.load(seqs).await;
        tokio::time::sleep(Duration::from_micros(seqs.len() as u64 * 61 % 700)).await;
        found
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        self.store.funcs().await
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Waits,
    /// Its worker's connection broke.
    Orphaned,
    Runs(usize),
}

#[derive(Debug, Clone)]
struct Modelled {
    version: u64,
    /// In which round it was submitted. What was submitted later, and is due at the same time, comes later.
    round: u64,
    sched_at: i64,
    count: i32,
    at: At,
}

struct World {
    seed: u64,
    round: u64,
    chance: Chance,
    clock: Arc<ManualClock>,
    options: ServerOptions,
    store: MemoryStore,
    server: Running,
    /// Tells the server's store that the server is dead.
    dead: Arc<AtomicBool>,
    workers: Vec<Peer>,
    jobs: BTreeMap<String, Modelled>,
    version: u64,
    roomy: bool,
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut chance = Chance(fastrand::Rng::with_seed(seed));
        let clock = ManualClock::at(1000);
        // That a job was orphaned is remembered with its place in memory. Where there is little room for places, nobody
        // answers for an orphan.
        let roomy = seed.is_multiple_of(2);
        let options = ServerOptions {
            queue_cap: if roomy { KEYS } else { 1 + chance.below(30) } as usize,
            cache_bytes: chance.below(8000) as usize,
            batch: 1 + chance.below(20) as usize,
            ..ServerOptions::default()
        };
        let (store, dead) = (MemoryStore::new(), Arc::default());
        let server = Self::start(&store, &dead, &clock, &options).await;
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            workers.push(server.worker(&[]).await);
        }
        let jobs = BTreeMap::new();
        Self { seed, round: 0, chance, clock, options, store, server, dead, workers, jobs, version: 0, roomy }
    }

    async fn start(
        store: &MemoryStore,
        dead: &Arc<AtomicBool>,
        clock: &Arc<ManualClock>,
        options: &ServerOptions,
    ) -> Running {
        let slow = Slow { store: store.clone(), turn: tokio::sync::Mutex::new(()), dead: Arc::clone(dead) };
        Running::with(slow, Arc::clone(clock) as Arc<dyn Clock>, options.clone()).await
    }

    /// The server dies with all it has not stored. What ran waits again, and nobody answers for it any more.
    async fn crash(&mut self) {
        self.dead.store(true, Ordering::SeqCst);
        self.dead = Arc::default();
        self.server = Self::start(&self.store, &self.dead, &self.clock, &self.options).await;
        for worker in &mut self.workers {
            *worker = self.server.worker(&[]).await;
        }
        for job in self.jobs.values_mut() {
            job.at = At::Waits;
        }
        self.settled().await;
    }

    fn now(&self) -> i64 {
        self.clock.now()
    }

    /// One request about the key over the connection of worker `by`, and what it means.
    fn request(&mut self, name: &str, by: usize) -> Command {
        let (now, job_key) = (self.now(), key("f", name));
        let known = self.jobs.get(name).cloned();
        let may_end = known.as_ref().is_some_and(|job| job.at == At::Orphaned || job.at == At::Runs(by));
        let orphaned = known.as_ref().is_some_and(|job| job.at == At::Orphaned);
        match self.chance.below(if orphaned && !self.roomy { 4 } else { 7 }) {
            0..=2 => {
                self.version += 1;
                let sched_at = now - 2 + self.chance.below(8) as i64;
                if !known.is_some_and(|job| matches!(job.at, At::Runs(_))) {
                    let (version, round) = (self.version, self.round);
                    let job = Modelled { version, round, sched_at: sched_at.max(now), count: 0, at: At::Waits };
                    self.jobs.insert(name.to_owned(), job);
                }
                let workload = Bytes::from(self.version.to_string());
                Command::SubmitJob(Job { key: job_key, workload, sched_at, count: 0, timeout: 0 })
            }
            3 => {
                self.jobs.remove(name);
                Command::RemoveJob(job_key)
            }
            4 => {
                if may_end {
                    self.jobs.remove(name);
                }
                Command::WorkDone { key: job_key, result: Bytes::new() }
            }
            5 => {
                if may_end && let Some(job) = self.jobs.get_mut(name) {
                    *job = Modelled { sched_at: now + 1, at: At::Waits, ..*job };
                }
                Command::WorkFail(job_key)
            }
            _ => {
                let (delay, step) = (self.chance.below(4) as i64, self.chance.below(3) as i16);
                if may_end && let Some(job) = self.jobs.get_mut(name) {
                    *job =
                        Modelled { sched_at: now + delay, count: job.count + i32::from(step), at: At::Waits, ..*job };
                }
                Command::SchedLater { key: job_key, delay, step }
            }
        }
    }

    /// Requests about many keys, several about some, all under way at once.
    async fn requests(&mut self) {
        let mut sent: [HashSet<MsgId>; WORKERS] = Default::default();
        let mut speakers: HashMap<String, usize> = HashMap::new();
        for _ in 0..self.chance.below(20) {
            let name = format!("key {}", self.chance.below(KEYS));
            // One connection a key in a round, whatever becomes of the job.
            let by = match (speakers.get(&name), self.jobs.get(&name).map(|job| job.at)) {
                (Some(by), _) => *by,
                (None, Some(At::Runs(by))) => by,
                _ => self.chance.below(WORKERS as u64) as usize,
            };
            speakers.insert(name.clone(), by);
            for _ in 0..=self.chance.below(3) {
                let command = self.request(&name, by);
                sent[by].insert(self.workers[by].send(command).await);
            }
        }
        for (worker, sent) in self.workers.iter_mut().zip(sent) {
            worker.all_succeed(sent).await;
        }
    }

    /// A connection breaks; its jobs wait again.
    async fn break_one(&mut self) {
        let broken = self.chance.below(WORKERS as u64) as usize;
        self.workers[broken] = self.server.worker(&[]).await;
        for job in self.jobs.values_mut().filter(|job| job.at == At::Runs(broken)) {
            job.at = At::Orphaned;
        }
        self.settled().await;
    }

    /// Waits until the server has done all it was asked, and compares the counts.
    async fn settled(&mut self) {
        let running = self.jobs.values().filter(|job| matches!(job.at, At::Runs(_))).count();
        let expected = (self.jobs.len() as u64, running as u64);
        let settled = async {
            loop {
                let status = self.server.server.handle().status().await;
                let now = status.first().map_or((0, 0), |status| (status.jobs, status.running));
                if now == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, settled).await;
        let status = self.server.server.handle().status().await;
        assert!(in_time.is_ok(), "seed {}: expected {expected:?}, got {status:?}", self.seed);
    }

    /// Workers take jobs; each must be one the model says is due.
    async fn take(&mut self, grabs_each: u64) {
        let now = self.now();
        let due = self.jobs.values().filter(|job| !matches!(job.at, At::Runs(_)) && job.sched_at <= now).count();
        let expected = due.min(WORKERS * grabs_each as usize);
        for worker in &mut self.workers {
            for _ in 0..grabs_each {
                worker.grab().await;
            }
        }
        for worker in &mut self.workers {
            worker.ok(Command::CanDo(Bytes::from_static(b"f"))).await;
        }
        let mut latest = (0, 0);
        let running = self.jobs.values().filter(|job| matches!(job.at, At::Runs(_))).count();
        let given = async {
            loop {
                let status = self.server.server.handle().status().await;
                if status.first().map_or(0, |status| status.running as usize) == running + expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, given).await;
        assert!(in_time.is_ok(), "seed {}: {expected} of {due} jobs were to be given", self.seed);
        for by in 0..WORKERS {
            let worker = &mut self.workers[by];
            worker.ok(Command::CantDo(Bytes::from_static(b"f"))).await;
            for (msgid, job) in worker.assigned_so_far() {
                worker.send_as(msgid, Command::JobAssigned).await;
                let text = format!("seed {}: {job:?}", self.seed);
                let model = self.jobs.get_mut(&name(&job)).unwrap_or_else(|| panic!("no such job, {text}"));
                assert!(!matches!(model.at, At::Runs(_)), "it runs already, {text}");
                assert_eq!(job.workload, model.version.to_string(), "{text}");
                assert_eq!((job.sched_at, job.count), (model.sched_at, model.count), "{text}");
                assert!(model.sched_at <= now, "it is early, {text}");
                latest = latest.max((model.sched_at, model.round));
                model.at = At::Runs(by);
            }
        }
        let skipped = self
            .jobs
            .values()
            .filter(|job| !matches!(job.at, At::Runs(_)) && (job.sched_at, job.round) < latest)
            .count();
        assert_eq!(skipped, 0, "seed {}: jobs that were due sooner were passed over", self.seed);
        self.settled().await;
        self.spend_grabs(grabs_each, expected).await;
    }

    /// GRABs that got nothing would get something in the next half round: new connections have none. Their jobs, if
    /// any, are orphans then.
    async fn spend_grabs(&mut self, grabs_each: u64, given: usize) {
        if given < WORKERS * grabs_each as usize {
            for broken in 0..WORKERS {
                self.workers[broken] = self.server.worker(&[]).await;
                for job in self.jobs.values_mut().filter(|job| job.at == At::Runs(broken)) {
                    job.at = At::Orphaned;
                }
            }
            self.settled().await;
        }
    }
}

#[tokio::test]
async fn whatever_is_asked_no_job_is_lost_and_none_is_given_that_should_not_be() {
    for seed in 1..=8 {
        let mut world = World::new(seed).await;
        for _ in 0..40 {
            world.round += 1;
            world.requests().await;
            world.settled().await;
            match world.chance.below(12) {
                0 => world.crash().await,
                1..=4 => world.break_one().await,
                _ => {}
            }
            world.clock.advance_ms(world.chance.below(3) as i64 * 1000);
            let grabs = world.chance.below(4);
            world.take(grabs).await;
        }
        // In the end everything that is left is given out, each job once.
        world.clock.advance_ms(60_000);
        world.take(KEYS).await;
        world.server.stop().await;
    }
}
