//! A worker at work: the jobs that run, the answers that are not confirmed, and one connection after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Answer, Stops, Worker};
use crate::backoff::Backoff;
use crate::job::{Job, JobKey};
use crate::link::Link;
use crate::wire::{Command, MsgId, Packet, Registration, WireError};

/// Answers that may be unconfirmed before no more jobs are taken.
const MAX_UNCONFIRMED: usize = 4096;

/// A job's end, as its handler's task tells it.
type Ended = Result<(Id, Answer), JoinError>;

/// What outlives connections.
pub(super) struct Run {
    worker: Worker,
    tasks: JoinSet<Answer>,
    /// What each task runs.
    running: HashMap<Id, Job>,
    /// The task whose answer counts, of each job.
    by_key: HashMap<JobKey, Id>,
    /// Answers that the server has not confirmed, each with its number.
    unconfirmed: HashMap<JobKey, (u64, Command)>,
    answered: u64,
    phase: Phase,
}

/// How far the worker is with its life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It takes jobs.
    Working,
    /// It takes no more, and ends when those that run have.
    Retired,
    /// The same, but those that run are cancelled then.
    Draining(Instant),
}

impl Phase {
    /// Waits for the next one; `drain`: how long running jobs then have.
    async fn next(self, stops: &Stops, drain: Duration) -> Self {
        let draining = async {
            stops.shutdown.cancelled().await;
            Self::Draining(Instant::now() + drain)
        };
        match self {
            Self::Working => tokio::select! {
                biased;
                draining = draining => draining,
                () = stops.retire.cancelled() => Self::Retired,
            },
            Self::Retired => draining.await,
            Self::Draining(_) => std::future::pending().await,
        }
    }
}

/// What belongs to one connection.
struct Session {
    link: Link,
    /// GRABs open.
    grabs: HashSet<MsgId>,
    /// Answers said and not confirmed.
    said: HashMap<MsgId, (JobKey, u64)>,
}

impl Session {
    /// Queues a frame that is known to fit.
    fn send(&mut self, msgid: MsgId, command: Command) {
        if let Err(error) = self.link.queue(msgid, command) {
            warn!(%error, "a frame cannot be sent");
        }
    }

    fn request(&mut self, command: Command) -> MsgId {
        let msgid = self.link.new_msgid();
        self.send(msgid, command);
        msgid
    }
}

impl Run {
    pub(super) fn new(worker: Worker) -> Self {
        Self {
            worker,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            by_key: HashMap::new(),
            unconfirmed: HashMap::new(),
            answered: 0,
            phase: Phase::Working,
        }
    }

    pub(super) async fn run(mut self, stops: &Stops) {
        let mut backoff = Backoff::new(self.worker.options.max_backoff);
        while !self.over() {
            let Some(link) = self.dial(stops, &mut backoff).await else { break };
            let ended = self.session(link, stops, &mut backoff).await;
            self.worker.connected.set(false);
            if let Err(error) = ended {
                warn!(peer = self.worker.connect.peer(), %error, "worker disconnected");
            }
        }
        if !self.tasks.is_empty() {
            warn!(jobs = self.tasks.len(), "jobs did not end in time and are cancelled");
        }
        self.tasks.shutdown().await;
    }

    fn works(&self) -> bool {
        self.phase == Phase::Working
    }

    /// Nothing is left to do for a worker that was told to stop.
    fn over(&self) -> bool {
        let at_rest = self.tasks.is_empty() && self.unconfirmed.is_empty();
        match self.phase {
            Phase::Working => false,
            Phase::Retired => at_rest,
            Phase::Draining(until) => at_rest || Instant::now() >= until,
        }
    }

    /// When the drain is over; far away when there is none.
    fn drained_at(&self) -> Instant {
        match self.phase {
            Phase::Working | Phase::Retired => Instant::now() + self.worker.options.ping_interval,
            Phase::Draining(until) => until,
        }
    }

    fn enter(&mut self, phase: Phase) {
        info!(running = self.tasks.len(), "worker stops");
        self.phase = phase;
    }

    /// Tries to connect until it works, or nothing is left to connect for.
    async fn dial(&mut self, stops: &Stops, backoff: &mut Backoff) -> Option<Link> {
        loop {
            let connect = Arc::clone(&self.worker.connect);
            let (wait, max_payload) = (backoff.next_wait(), self.worker.options.max_payload);
            let try_once = async {
                let opened = Link::open(connect.as_ref(), &Registration::Worker, max_payload).await;
                if opened.is_err() {
                    tokio::time::sleep(wait).await;
                }
                opened
            };
            tokio::pin!(try_once);
            let drain = self.worker.options.drain;
            let opened = loop {
                let drained_at = self.drained_at();
                tokio::select! {
                    opened = &mut try_once => break opened,
                    Some(ended) = self.tasks.join_next_with_id() => { self.record(ended); }
                    phase = self.phase.next(stops, drain) => self.enter(phase),
                    () = tokio::time::sleep_until(drained_at) => {}
                }
                if self.over() {
                    return None;
                }
            };
            match opened {
                Ok(link) => return Some(link),
                Err(error) => debug!(peer = connect.peer(), %error, "no connection"),
            }
        }
    }

    /// Works on one connection. `Ok`: nothing is left to do.
    async fn session(&mut self, link: Link, stops: &Stops, backoff: &mut Backoff) -> Result<(), WireError> {
        let mut session = Session { link, grabs: HashSet::new(), said: HashMap::new() };
        // First the answers: the server must know what is done before it has anything to assign.
        for (key, (number, command)) in &self.unconfirmed {
            let msgid = session.request(command.clone());
            session.said.insert(msgid, (key.clone(), *number));
        }
        if self.works() {
            for func in &self.worker.funcs {
                session.request(Command::CanDo(func.clone()));
            }
        }
        let (interval, drain) = (self.worker.options.ping_interval, self.worker.options.drain);
        let mut heard = Instant::now();
        let mut asked = heard;
        loop {
            self.top_up(&mut session);
            session.link.flush();
            if self.over() {
                return Ok(());
            }
            let ping_at = heard.max(asked) + interval;
            let wake = ping_at.min(self.drained_at());
            tokio::select! {
                packet = session.link.next() => {
                    self.packet(&mut session, packet?);
                    while let Some(packet) = session.link.buffered()? {
                        self.packet(&mut session, packet);
                    }
                    heard = Instant::now();
                    self.worker.connected.set(true);
                    backoff.reset();
                }
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.ended(&mut session, ended);
                    while let Some(ended) = self.tasks.try_join_next_with_id() {
                        self.ended(&mut session, ended);
                    }
                }
                phase = self.phase.next(stops, drain) => {
                    if self.works() {
                        for func in &self.worker.funcs {
                            session.request(Command::CantDo(func.clone()));
                        }
                    }
                    self.enter(phase);
                }
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    if now - heard > interval * 3 {
                        return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
                    }
                    if now >= ping_at {
                        asked = now;
                        self.ask_again(&mut session);
                    }
                }
            }
        }
    }

    /// The server has been silent: is it there, and does it know that there is room? A repeated GRAB is the same GRAB.
    fn ask_again(&self, session: &mut Session) {
        session.request(Command::Ping);
        if self.works() {
            for msgid in session.grabs.clone() {
                session.send(msgid, Command::GrabJob);
            }
        }
    }

    /// Opens GRABs for the room there is.
    fn top_up(&self, session: &mut Session) {
        let room = self.worker.options.grabs.max(1);
        if !self.works() || self.unconfirmed.len() > MAX_UNCONFIRMED {
            return;
        }
        while self.running.len() + session.grabs.len() < room {
            let msgid = session.request(Command::GrabJob);
            session.grabs.insert(msgid);
        }
    }

    fn packet(&mut self, session: &mut Session, Packet { msgid, command }: Packet) {
        match command {
            Command::JobAssign(job) => {
                if session.grabs.remove(&msgid) && self.works() {
                    session.send(msgid, Command::JobAssigned);
                    self.start(job);
                } else {
                    session.send(msgid, Command::JobUnassigned);
                }
            }
            Command::Success => self.confirmed(session, msgid),
            Command::NoWorker => {
                warn!(peer = self.worker.connect.peer(), "the server refused a request of this worker");
                self.confirmed(session, msgid);
            }
            _ => {}
        }
    }

    fn confirmed(&mut self, session: &mut Session, msgid: MsgId) {
        if let Some((key, number)) = session.said.remove(&msgid)
            && self.unconfirmed.get(&key).is_some_and(|(newest, _)| *newest == number)
        {
            self.unconfirmed.remove(&key);
        }
    }

    /// Has a job run, unless it runs already: a server that lost us gives us the same job again, and the handler that
    /// still has it will answer. If the job has changed, only the new one's answer counts.
    fn start(&mut self, job: Job) {
        // It was assigned anew, so an answer from before has done what it could.
        self.unconfirmed.remove(&job.key);
        let same = |other: &Job| other.workload == job.workload && other.count == job.count;
        if self.by_key.get(&job.key).and_then(|id| self.running.get(id)).is_some_and(same) {
            return;
        }
        let (handler, to_run) = (Arc::clone(&self.worker.handler), job.clone());
        let task = self.tasks.spawn(async move { handler.run(to_run).await });
        self.by_key.insert(job.key.clone(), task.id());
        self.running.insert(task.id(), job);
    }

    /// Notes how a job ended.
    fn record(&mut self, ended: Ended) -> Option<JobKey> {
        let (id, answer) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                warn!(%error, "a handler did not come to its end");
                (error.id(), Answer::Fail)
            }
        };
        let key = self.running.remove(&id)?.key;
        if self.by_key.get(&key) != Some(&id) {
            return None;
        }
        self.by_key.remove(&key);
        let command = match answer {
            Answer::Done(result) => {
                // The server would close the connection over it; the job is done all the same.
                let fits = result.len() + 1024 <= self.worker.options.max_payload;
                Command::WorkDone { key: key.clone(), result: if fits { result } else { Bytes::new() } }
            }
            Answer::Fail => Command::WorkFail(key.clone()),
            Answer::Later { delay_seconds, step } => {
                Command::SchedLater { key: key.clone(), delay: delay_seconds, step }
            }
        };
        self.answered += 1;
        self.unconfirmed.insert(key.clone(), (self.answered, command));
        Some(key)
    }

    /// Says how a job ended.
    fn ended(&mut self, session: &mut Session, ended: Ended) {
        if let Some(key) = self.record(ended)
            && let Some((number, command)) = self.unconfirmed.get(&key)
        {
            let msgid = session.request(command.clone());
            session.said.insert(msgid, (key, *number));
        }
    }
}
