//! A worker at work: the jobs that run, the answers that are not confirmed, and one connection after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::jobs::{Ended, Jobs};
use super::session::Session;
use super::work::{Ask, WorkError};
use super::{Stops, Worker};
use crate::backoff::Backoff;
use crate::identity::registration;
use crate::link::Link;
use crate::wire::{Command, Packet, Role, WireError};

/// Answers that may be unconfirmed before no more jobs are taken.
const MAX_UNCONFIRMED: usize = 4096;
/// What handlers may ask at once; further ones wait.
const ASKS: usize = 256;

/// What outlives connections.
pub(super) struct Run {
    worker: Worker,
    jobs: Jobs,
    /// What handlers ask.
    asks: mpsc::Receiver<Ask>,
    /// How many connections there have been.
    sessions: u64,
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

impl Run {
    pub(super) fn new(worker: Worker) -> Self {
        let (send, asks) = mpsc::channel(ASKS);
        let jobs = Jobs::new(Arc::clone(&worker.handler), worker.options.max_payload, send);
        Self { worker, jobs, asks, sessions: 0, phase: Phase::Working }
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
        if self.jobs.running() > 0 {
            warn!(jobs = self.jobs.running(), "jobs did not end in time and are cancelled");
        }
        // What a handler asks from now on has no answer.
        self.asks.close();
        while let Ok(ask) = self.asks.try_recv() {
            self.jobs.ask(ask, None);
        }
        self.jobs.tasks.shutdown().await;
    }

    fn works(&self) -> bool {
        self.phase == Phase::Working
    }

    /// Nothing is left to do for a worker that was told to stop.
    fn over(&self) -> bool {
        let at_rest = self.jobs.running() == 0 && self.jobs.unconfirmed() == 0;
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
        info!(running = self.jobs.running(), "worker stops");
        self.phase = phase;
    }

    /// Tries to connect until it works, or nothing is left to connect for.
    async fn dial(&mut self, stops: &Stops, backoff: &mut Backoff) -> Option<Link> {
        loop {
            let connect = Arc::clone(&self.worker.connect);
            let (wait, max_payload) = (backoff.next_wait(), self.worker.options.max_payload);
            let registration = registration(Role::Worker, self.worker.options.identity.as_ref());
            let try_once = async {
                let opened = Link::open(connect.as_ref(), &registration, max_payload).await;
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
                    Some(ended) = self.jobs.tasks.join_next_with_id() => { self.jobs.record(ended); }
                    Some(ask) = self.asks.recv() => self.jobs.ask(ask, None),
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
        self.sessions += 1;
        let mut session = Session::new(link, self.sessions);
        let ended = self.serve(&mut session, stops, backoff).await;
        for asked in std::mem::take(&mut session.asked).into_values() {
            self.jobs.asked(asked, None);
        }
        ended
    }

    async fn serve(&mut self, session: &mut Session, stops: &Stops, backoff: &mut Backoff) -> Result<(), WireError> {
        // First the answers: the server must know what is done before it has anything to assign.
        self.jobs.say_again(session);
        self.register(session);
        let (interval, drain) = (self.worker.options.ping_interval, self.worker.options.drain);
        let mut asked = Instant::now();
        loop {
            self.top_up(session);
            session.link.flush();
            if self.over() {
                return Ok(());
            }
            let ask_at = asked + interval;
            let wake = ask_at.min(self.drained_at());
            tokio::select! {
                packet = session.link.next() => {
                    self.packet(session, packet?);
                    while let Some(packet) = session.link.buffered()? {
                        self.packet(session, packet);
                    }
                    self.worker.connected.set(true);
                    backoff.reset();
                }
                Some(ask) = self.asks.recv() => {
                    self.jobs.ask(ask, Some(session));
                    while let Ok(ask) = self.asks.try_recv() {
                        self.jobs.ask(ask, Some(session));
                    }
                }
                Some(ended) = self.jobs.tasks.join_next_with_id() => {
                    self.ended(session, ended);
                    while let Some(ended) = self.jobs.tasks.try_join_next_with_id() {
                        self.ended(session, ended);
                    }
                }
                phase = self.phase.next(stops, drain) => {
                    if self.works() {
                        for func in self.worker.funcs.iter().chain(&self.worker.options.broadcast) {
                            session.request(Command::CantDo(func.clone()));
                        }
                    }
                    self.enter(phase);
                }
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    if now - session.link.last_heard() > interval * 3 {
                        return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
                    }
                    if now >= ask_at {
                        asked = now;
                        self.ask_again(session);
                    }
                }
            }
        }
    }

    /// Tells the server the funcs.
    fn register(&self, session: &mut Session) {
        if self.works() {
            for func in &self.worker.funcs {
                session.request(Command::CanDo(func.clone()));
            }
            for func in &self.worker.options.broadcast {
                session.request(Command::Broadcast(func.clone()));
            }
        }
    }

    /// Is the server there, and does it know what it is to know? It may have refused what it would take now; and one
    /// that took rights away and gave them back has forgotten the funcs, without a word. All of this may be said twice:
    /// a repeated func changes nothing, and a repeated GRAB is the same GRAB.
    fn ask_again(&self, session: &mut Session) {
        session.request(Command::Ping);
        self.jobs.say_refused(session);
        self.register(session);
        if self.works() && session.may_miss_grabs() {
            for msgid in session.grabs.clone() {
                session.send(msgid, Command::GrabJob);
            }
        }
    }

    /// Opens GRABs for the room there is.
    fn top_up(&self, session: &mut Session) {
        let room = self.worker.options.grabs.max(1);
        if !self.works() || self.jobs.unconfirmed() > MAX_UNCONFIRMED {
            return;
        }
        while self.jobs.running() + session.grabs.len() < room {
            let msgid = session.request(Command::GrabJob);
            session.grabs.insert(msgid);
        }
    }

    fn packet(&mut self, session: &mut Session, Packet { msgid, command }: Packet) {
        let answer = match command {
            Command::JobAssign(job) => {
                session.was_assigned();
                if session.grabs.remove(&msgid) && self.works() {
                    session.send(msgid, Command::JobAssigned);
                    self.jobs.start(job, session);
                } else {
                    session.send(msgid, Command::JobUnassigned);
                }
                return;
            }
            Command::Success => Ok(true),
            Command::Acquired(held) => Ok(held),
            Command::NoWorker => {
                session.was_refused(&self.worker.connect.peer());
                Err(WorkError::Refused)
            }
            _ => return,
        };
        if let Some((key, number)) = session.said.remove(&msgid) {
            if answer.is_ok() {
                self.jobs.confirmed(&key, number);
            } else {
                session.refused.push((key, number));
            }
        } else if let Some(asked) = session.asked.remove(&msgid)
            && let Some(key) = self.jobs.asked(asked, Some(answer))
        {
            self.jobs.say(key, session);
        }
    }

    /// Says how a job ended.
    fn ended(&mut self, session: &mut Session, ended: Ended) {
        if let Some(key) = self.jobs.record(ended) {
            self.jobs.say(key, session);
        }
    }
}
