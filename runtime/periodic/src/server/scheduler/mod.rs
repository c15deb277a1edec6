//! The scheduler: one task that owns everything the server remembers.
//!
//! It sleeps until one of these happens: requests arrive (from connections and from [`Handle`](super::Handle)s); the
//! store has done a batch of operations or read some jobs; the second changes; an assigned job's acknowledgement is
//! overdue. Then it takes one turn: handle all that has arrived, give due jobs to workers with a GRAB open, send the
//! store its operations and the connections their answers.
//!
//! What it knows is in three tables, each with its file: jobs in memory ([`entry`]), funcs with their queues
//! ([`func`]), and connections ([`peer`]). `requests` reads what a connection asks, if `access` lets it; `life` is a job's way into the
//! store, `results` the way back ([`pump`] carries it), `tables` what that does to the tables; `refill` brings places and jobs from the store into memory;
//! `dispatch` brings jobs and workers together; `unstored` are jobs that never need the store; `waiters` are those who wait for a job's end, `locks` what jobs take while
//! they run; `drop_func`, `dump` and `status` are the requests that are about more than one job.
//!
//! Rules that hold between turns:
//!
//! * Memory reflects exactly the operations whose results have come back, in the order they were sent.
//! * Of each func, every stored job up to its horizon is in memory; behind it may be any number that is not.
//! * A key with an operation under way is not assigned, so an overwrite is never lost to the end of what it overwrote.
//! * A key is held by at most one job in memory: the one that runs, ran on a connection that broke, or waits for a lock.
//! * A job with a number that no store gives is in memory only; nobody was promised anything about it.

mod access;
mod dispatch;
mod drop_func;
mod dump;
mod entry;
mod func;
mod leases;
mod life;
mod locks;
mod peer;
mod pump;
mod refill;
mod requests;
mod results;
mod status;
mod tables;
mod unstored;
mod waiters;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use status::FuncStatus;

use self::dispatch::Ack;
use self::dump::{DumpError, Loading, Replaced};
use self::entry::{Entry, KeyState};
use self::func::{Func, FuncId};
use self::life::{After, NotedReply, Reply};
use self::locks::Locks;
use self::peer::Peer;
use self::pump::{Pump, Results};
use self::waiters::Waiters;
use super::auth::Identities;
use super::connection::Outbox;
use super::{Origin, ServerOptions, Settings, SubmitError};
use crate::clock::Clock;
use crate::job::{Job, JobKey};
use crate::store::{JobOp, JobStore, JobStoreError, Seq};
use crate::wire::{MsgId, Packet, Registration};

/// A connection's number, never given twice by one server.
pub(super) type ConnId = u64;

/// Operations that may be under way before further requests are left waiting.
const MAX_UNDER_WAY: usize = 16 << 10;
/// Messages handled in one turn, at most.
const TURN: usize = 256;
/// How late the alarm may ring: the second is told by milliseconds.
const ALARM_LATE: Duration = Duration::from_millis(1);

/// What the scheduler is asked.
#[derive(Debug)]
pub(super) enum Message {
    /// A connection has registered.
    Opened { conn: ConnId, from: Origin, registration: Registration, outbox: Outbox },
    /// A connection sent these, in this order.
    Packets { conn: ConnId, packets: Vec<Packet> },
    /// A connection to which much was to be written has taken so much that it may be given jobs again.
    Writable(ConnId),
    /// A connection has ended; nothing more comes from it.
    Closed(ConnId),
    /// Keep these jobs.
    Submit { jobs: Vec<Job>, reply: oneshot::Sender<Vec<Result<(), SubmitError>>> },
    /// Keep these jobs and the note, all of it or nothing.
    SubmitNoted { jobs: Vec<Job>, note: Bytes, reply: NotedReply },
    /// Keep this job in the place of one that waits.
    Replace { job: Job, reply: oneshot::Sender<Vec<Result<bool, SubmitError>>> },
    /// Delete these jobs.
    Remove { keys: Vec<JobKey>, reply: oneshot::Sender<Vec<Result<bool, SubmitError>>> },
    /// Tell of each whether a worker has it.
    Running { keys: Vec<JobKey>, reply: oneshot::Sender<Vec<bool>> },
    /// Tell about every func.
    Status(oneshot::Sender<Vec<FuncStatus>>),
    /// The file of identities has changed.
    Identities(Identities),
    /// Assign nothing more, and tell when no worker has a job any more.
    Drain(oneshot::Sender<()>),
    /// Finish what is under way, then end.
    Stop,
}

/// What the store was asked to read, beside its operations.
#[derive(Debug)]
pub(super) enum Read {
    Jobs(Loaded),
    Dump(Result<Bytes, DumpError>),
}

/// Jobs of a func.
#[derive(Debug)]
pub(super) struct Loaded {
    func: FuncId,
    seqs: Vec<Seq>,
    jobs: Result<Vec<Option<Job>>, JobStoreError>,
}

/// See the module's description.
pub(super) struct Scheduler {
    store: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    options: Arc<ServerOptions>,
    settings: Settings,

    /// Jobs in memory, by their number.
    entries: HashMap<Seq, Entry>,
    /// Keys about which something is to be remembered; most are not here.
    keys: HashMap<JobKey, KeyState>,
    /// Who waits for a key's end, or listens.
    waiters: HashMap<JobKey, Waiters>,
    locks: Locks,
    /// Bytes of jobs kept with the entries.
    cached: usize,
    /// Counts jobs that are run without being stored, and who waits for those that are to be stored after all.
    last_unstored: u64,
    storing: HashMap<Seq, Vec<Reply>>,
    /// The highest number the store has given since the start.
    last_seq: Option<Seq>,

    funcs: Vec<Func>,
    func_ids: HashMap<Bytes, FuncId>,
    /// Funcs that may have a job for somebody, least recently served first.
    ready: BTreeSet<(u64, FuncId)>,
    /// Counts assignments; a func's stamp is its last one.
    served: u64,

    /// Who may do what; `None`: everybody may do everything.
    identities: Option<Identities>,
    peers: HashMap<ConnId, Peer>,
    /// Connections that have something to be sent at the end of the turn.
    talking: Vec<ConnId>,
    /// GRABs open on all connections.
    open_grabs: usize,
    /// Assignments to be acknowledged, oldest first.
    acks: VecDeque<Ack>,
    /// Counts leases.
    last_lease: u64,

    /// Operations of this turn.
    ops: Vec<JobOp>,
    /// What to do with the result of each operation under way, oldest first.
    under_way: VecDeque<After>,
    pump: Pump,
    loaded: UnboundedSender<Read>,
    /// Reads of jobs under way.
    loads: usize,
    /// DUMPs to be answered; the first one's jobs are being read.
    dumps: VecDeque<(ConnId, MsgId)>,
    /// While one is read: what has taken the place of other jobs since.
    dumping: Option<Replaced>,
    /// LOADs whose jobs are not all submitted yet.
    loading: VecDeque<Loading>,
    /// Requests of several operations that are not answered yet.
    gathers: HashMap<u64, life::Gather>,
    last_gather: u64,

    /// This turn's time: Unix seconds, and the runtime's clock.
    now: i64,
    instant: Instant,
    /// Cancelled when a client has asked for the server's end.
    shutdown: CancellationToken,
    /// Nothing more is assigned.
    stopping: bool,
    /// Who waits for the last lease to end.
    drained: Option<oneshot::Sender<()>>,
}

impl Scheduler {
    /// Reads which funcs the store has, and is then ready to [`run`](Self::run).
    pub(super) async fn open(
        store: Arc<dyn JobStore>,
        clock: Arc<dyn Clock>,
        options: Arc<ServerOptions>,
        loaded: UnboundedSender<Read>,
        shutdown: CancellationToken,
    ) -> Result<Self, JobStoreError> {
        let stored = store.funcs().await?;
        let pump = Pump::new(Arc::clone(&store), options.batch);
        let now = clock.now();
        let identities = options.auth.as_ref().map(|file| file.identities.clone());
        let mut scheduler = Self {
            store,
            clock,
            settings: options.settings.clone(),
            options,
            entries: HashMap::new(),
            keys: HashMap::new(),
            waiters: HashMap::new(),
            locks: Locks::default(),
            cached: 0,
            last_unstored: 0,
            storing: HashMap::new(),
            last_seq: None,
            funcs: Vec::new(),
            func_ids: HashMap::new(),
            ready: BTreeSet::new(),
            served: 0,
            identities,
            peers: HashMap::new(),
            talking: Vec::new(),
            open_grabs: 0,
            acks: VecDeque::new(),
            last_lease: 0,
            ops: Vec::new(),
            under_way: VecDeque::new(),
            pump,
            loaded,
            loads: 0,
            dumps: VecDeque::new(),
            dumping: None,
            loading: VecDeque::new(),
            gathers: HashMap::new(),
            last_gather: 0,
            now,
            instant: Instant::now(),
            shutdown,
            stopping: false,
            drained: None,
        };
        for found in stored {
            let id = scheduler.new_func(found.func);
            scheduler.funcs[id].stored = found.jobs;
            scheduler.funcs[id].horizon = func::Horizon::Unread;
            scheduler.refill(id);
        }
        info!(funcs = scheduler.funcs.len(), "jobs opened");
        Ok(scheduler)
    }

    /// Takes turns until it is told to stop, or nobody is left who could ask for anything.
    pub(super) async fn run(mut self, mut intake: mpsc::Receiver<Message>, mut loaded: UnboundedReceiver<Read>) {
        let mut messages = Vec::with_capacity(TURN);
        let mut applied = Vec::new();
        let mut read = Vec::new();
        let mut open = true;
        let mut alarm = std::pin::pin!(tokio::time::sleep_until(self.next_wake()));
        self.flush();
        while open || !self.under_way.is_empty() || self.loads > 0 || !self.loading.is_empty() {
            let wake = self.next_wake();
            // Left as it is if it rings in time: to set it anew costs more than a turn too many.
            if alarm.is_elapsed() || wake + ALARM_LATE < alarm.deadline() {
                alarm.as_mut().reset(wake);
            }
            tokio::select! {
                () = self.pump.next(&mut applied) => {}
                _ = loaded.recv_many(&mut read, TURN) => {}
                received = intake.recv_many(&mut messages, TURN), if open && self.has_room() => {
                    open = received > 0;
                }
                () = alarm.as_mut() => {}
                () = std::future::ready(()), if self.may_load() => {}
            }
            if open && !messages.is_empty() {
                // One message wakes this task before those run who are about to send the next: they are let go first, so
                // that what comes together is handled in one turn and given to the store at once.
                tokio::task::yield_now().await;
                while messages.len() < TURN
                    && let Ok(message) = intake.try_recv()
                {
                    messages.push(message);
                }
            }
            let new_second = self.begin_turn();
            for results in applied.drain(..) {
                self.applied(results);
            }
            for read in read.drain(..) {
                match read {
                    Read::Jobs(Loaded { func, seqs, jobs }) => self.loaded(func, &seqs, jobs),
                    Read::Dump(dumped) => self.dumped(dumped),
                }
            }
            for message in messages.drain(..) {
                if matches!(message, Message::Stop) {
                    self.stopping = true;
                    intake.close();
                } else {
                    self.message(message);
                }
            }
            // After the messages: what has come in time counts, even if the turn is late.
            self.expire_acks();
            if new_second {
                // Who waits as long as the worker may take is told that, and not what becomes of the job then.
                self.expire_waiters();
                self.expire_leases();
                self.expire_locks();
                self.close_silent_peers();
            }
            if self.may_load() {
                self.load_some();
            }
            self.dispatch();
            self.flush();
            self.tell_drained();
            if self.may_load() {
                // There is always something to do then, but others want the thread, too.
                tokio::task::yield_now().await;
            }
        }
        info!("jobs closed");
    }

    /// What time it is. True when a new second has begun.
    fn begin_turn(&mut self) -> bool {
        self.instant = Instant::now();
        let before = std::mem::replace(&mut self.now, self.clock.now());
        if self.now != before {
            self.wake_funcs();
        }
        self.now != before
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Opened { conn, from, registration, outbox } => self.open_peer(conn, from, registration, outbox),
            Message::Packets { conn, packets } => self.packets(conn, packets),
            Message::Writable(conn) => self.writable(conn),
            Message::Closed(conn) => self.peer_ended(conn),
            Message::Submit { jobs, reply } => self.submit_all(jobs, reply),
            Message::SubmitNoted { jobs, note, reply } => self.submit_noted(jobs, note, reply),
            Message::Replace { job, reply } => self.replace(job, reply),
            Message::Remove { keys, reply } => self.remove_all(keys, reply),
            Message::Running { keys, reply } => {
                let _asker_gone = reply.send(keys.iter().map(|key| self.is_running(key)).collect());
            }
            Message::Status(reply) => {
                let _asker_gone = reply.send(self.status());
            }
            Message::Identities(identities) => self.identities(identities),
            Message::Drain(reply) => {
                self.stopping = true;
                self.drained = Some(reply);
            }
            Message::Stop => {}
        }
    }

    /// Are there not too many operations under way?
    fn has_room(&self) -> bool {
        self.under_way.len() < MAX_UNDER_WAY
    }

    /// Is there something to be submitted that came with a LOAD, and room for it?
    fn may_load(&self) -> bool {
        !self.loading.is_empty() && self.has_room()
    }

    /// The results of the oldest operations under way, in order.
    fn applied(&mut self, results: Results) {
        for result in results {
            match self.under_way.pop_front() {
                Some(after) => self.done(after, result),
                None => warn!("the store answered more than it was asked"),
            }
        }
    }

    /// The next second of the wall clock, when jobs become due, or the next overdue acknowledgement.
    fn next_wake(&self) -> Instant {
        let into_second = self.clock.now_ms().rem_euclid(1000).unsigned_abs();
        let second = Instant::now() + Duration::from_millis(1000 - into_second);
        self.acks.front().map_or(second, |ack| ack.deadline.min(second))
    }

    /// Tells whoever waits for it that no worker has a job.
    fn tell_drained(&mut self) {
        if self.drained.is_some()
            && self.peers.values().all(|peer| peer.leases.is_empty())
            && let Some(reply) = self.drained.take()
        {
            let _asker_gone = reply.send(());
        }
    }

    /// Sends the store and the connections what this turn has for them.
    fn flush(&mut self) {
        self.pump.send(std::mem::take(&mut self.ops));
        self.flush_peers();
    }
}
