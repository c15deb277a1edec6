//! The task behind a [`Client`](super::Client): owns the connection and every request that is not answered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::debug;

use super::{ClientError, ClientOptions};
use crate::backoff::Backoff;
use crate::link::Link;
use crate::transport::Connect;
use crate::wire::{Command, MsgId, Packet, Registration, WireError};

/// Requests sent and not answered, at most.
const WINDOW: usize = 1024;
/// Bytes of such requests beyond which no further one is sent.
const WINDOW_BYTES: usize = 8 << 20;

type Answers = Vec<Result<Command, ClientError>>;

/// What a client asks of its driver.
#[derive(Debug)]
pub(super) enum Call {
    /// Send these and collect their answers.
    Ask { commands: Vec<Command>, reply: oneshot::Sender<Answers> },
    /// Answer what was asked before, then end.
    Close(oneshot::Sender<()>),
}

/// A call whose answers are being collected.
struct Group {
    answers: Vec<Option<Result<Command, ClientError>>>,
    left: usize,
    reply: oneshot::Sender<Answers>,
}

/// A request's place: its group, and which of its answers.
type Slot = (u64, usize);

pub(super) struct Driver {
    connect: Arc<dyn Connect>,
    options: ClientOptions,
    calls: mpsc::Receiver<Call>,
    /// No more calls come.
    closed: bool,
    closers: Vec<oneshot::Sender<()>>,

    groups: HashMap<u64, Group>,
    last_group: u64,
    /// When each group's time is over, soonest first.
    deadlines: VecDeque<(Instant, u64)>,
    /// To be sent, in order.
    pending: VecDeque<(Slot, Command)>,
    /// Sent on the present connection. A ping of our own has no slot.
    sent: HashMap<MsgId, (Option<Slot>, usize)>,
    sent_bytes: usize,

    backoff: Backoff,
    last_error: String,
}

impl Driver {
    pub(super) fn new(connect: Arc<dyn Connect>, options: ClientOptions, calls: mpsc::Receiver<Call>) -> Self {
        Self {
            connect,
            backoff: Backoff::new(options.max_backoff),
            options,
            calls,
            closed: false,
            closers: Vec::new(),
            groups: HashMap::new(),
            last_group: 0,
            deadlines: VecDeque::new(),
            pending: VecDeque::new(),
            sent: HashMap::new(),
            sent_bytes: 0,
            last_error: "not tried yet".to_owned(),
        }
    }

    /// Until the client is closed or gone and everything asked has an answer.
    pub(super) async fn run(mut self) {
        loop {
            if !self.pending.is_empty() {
                if let Some(link) = self.dial().await {
                    "it answers too slowly".clone_into(&mut self.last_error);
                    self.session(link).await;
                }
            } else if self.closed {
                break;
            } else {
                let call = self.calls.recv().await;
                self.take(call);
            }
        }
        for closer in self.closers {
            // Whoever closed it may have stopped waiting.
            let _closer_gone = closer.send(());
        }
    }

    fn take(&mut self, call: Option<Call>) {
        match call {
            Some(Call::Ask { commands, reply }) => {
                self.last_group += 1;
                let group = self.last_group;
                let answers = vec![None; commands.len()];
                self.groups.insert(group, Group { left: answers.len(), answers, reply });
                self.deadlines.push_back((Instant::now() + self.options.timeout, group));
                self.pending.extend(commands.into_iter().enumerate().map(|(index, command)| ((group, index), command)));
            }
            Some(Call::Close(done)) => {
                self.closers.push(done);
                self.calls.close();
            }
            None => self.closed = true,
        }
    }

    /// Tries to connect for as long as somebody waits for it.
    async fn dial(&mut self) -> Option<Link> {
        let connect = Arc::clone(&self.connect);
        let max_payload = self.options.max_payload;
        while !self.pending.is_empty() {
            let wait = self.backoff.next_wait();
            // The future lives across turns of the inner loop: neither a new call nor a timeout begins it anew.
            let try_once = async {
                let opened = Link::open(connect.as_ref(), &Registration::Client, max_payload).await;
                if opened.is_err() {
                    tokio::time::sleep(wait).await;
                }
                opened
            };
            tokio::pin!(try_once);
            let opened = loop {
                let deadline = self.next_deadline();
                tokio::select! {
                    opened = &mut try_once => break opened,
                    call = self.calls.recv(), if !self.closed => self.take(call),
                    () = tokio::time::sleep_until(deadline) => {
                        self.expire();
                        if self.pending.is_empty() {
                            return None;
                        }
                    }
                }
            };
            match opened {
                Ok(link) => return Some(link),
                Err(error) => self.last_error = error.to_string(),
            }
        }
        None
    }

    /// Sends and receives until the connection breaks, or nothing is left to do for a client that was closed.
    async fn session(&mut self, mut link: Link) {
        let mut last_heard = Instant::now();
        let mut last_sent = Instant::now();
        let broken = loop {
            if self.send_pending(&mut link) {
                last_sent = Instant::now();
            }
            if self.closed && self.sent.is_empty() && self.pending.is_empty() {
                break None;
            }
            let ping_at = last_sent.max(last_heard) + self.options.ping_interval;
            let wake = self.next_deadline().min(ping_at);
            let received = tokio::select! {
                received = link.next() => received,
                call = self.calls.recv(), if !self.closed && self.pending.len() < WINDOW => {
                    self.take(call);
                    while self.pending.len() < WINDOW && let Ok(call) = self.calls.try_recv() {
                        self.take(Some(call));
                    }
                    continue;
                }
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    let unanswered = self.expire() && now - last_heard > self.options.timeout / 2;
                    if unanswered || now - last_heard > self.options.ping_interval * 3 {
                        break Some(WireError::Io(std::io::ErrorKind::TimedOut.into()));
                    }
                    if now >= ping_at {
                        let msgid = link.new_msgid();
                        self.sent.insert(msgid, (None, 0));
                        // A ping always fits into a frame.
                        let _fits = link.queue(msgid, Command::Ping);
                        link.flush();
                        last_sent = now;
                    }
                    continue;
                }
            };
            last_heard = Instant::now();
            self.backoff.reset();
            if let Err(error) = self.receive(&mut link, received) {
                break Some(error);
            }
        };
        if let Some(error) = broken {
            debug!(peer = self.connect.peer(), %error, "connection broken");
            self.last_error = error.to_string();
        }
        self.sent_bytes = 0;
        for (slot, _) in std::mem::take(&mut self.sent).into_values() {
            if let Some(slot) = slot {
                self.answer(slot, Err(ClientError::Lost));
            }
        }
    }

    /// The frame that came, and all that came with it.
    fn receive(&mut self, link: &mut Link, first: Result<Packet, WireError>) -> Result<(), WireError> {
        let mut next = Some(first?);
        while let Some(Packet { msgid, command }) = next {
            if let Some((slot, size)) = self.sent.remove(&msgid) {
                self.sent_bytes -= size;
                if let Some(slot) = slot {
                    let answer = if command == Command::NoWorker { Err(ClientError::Refused) } else { Ok(command) };
                    self.answer(slot, answer);
                }
            }
            next = link.buffered()?;
        }
        Ok(())
    }

    /// Sends what the window has room for, as one write. True when that was something.
    fn send_pending(&mut self, link: &mut Link) -> bool {
        let mut any = false;
        while self.sent.len() < WINDOW
            && (self.sent_bytes < WINDOW_BYTES || self.sent.is_empty())
            && let Some((slot, command)) = self.pending.pop_front()
        {
            // Nobody waits for it any more, and nobody knows whether it was sent: it was not.
            if self.groups.get(&slot.0).is_none_or(|group| group.reply.is_closed()) {
                self.answer(slot, Err(ClientError::Closed));
                continue;
            }
            let size = if let Command::SubmitJob(job) = &command { job.workload.len() } else { 0 };
            let msgid = link.new_msgid();
            match link.queue(msgid, command) {
                Ok(()) => {
                    self.sent.insert(msgid, (Some(slot), size));
                    self.sent_bytes += size;
                    any = true;
                }
                Err(error) => self.answer(slot, Err(ClientError::Invalid(error.to_string()))),
            }
        }
        link.flush();
        any
    }

    fn answer(&mut self, (id, index): Slot, answer: Result<Command, ClientError>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.answers[index].replace(answer).is_none() {
            group.left -= 1;
        }
        if group.left == 0
            && let Some(group) = self.groups.remove(&id)
        {
            // Whoever asked may have stopped waiting.
            let _asker_gone = group.reply.send(group.answers.into_iter().flatten().collect());
        }
    }

    /// When the next group's time is over; far away when there is none.
    fn next_deadline(&mut self) -> Instant {
        while let Some((deadline, group)) = self.deadlines.front() {
            if self.groups.contains_key(group) {
                return *deadline;
            }
            self.deadlines.pop_front();
        }
        Instant::now() + self.options.timeout
    }

    /// Answers the requests whose time is over. True when one of them had been sent.
    fn expire(&mut self) -> bool {
        let now = Instant::now();
        let mut any_sent = false;
        while let Some((_, group)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            let of_group = |slot: &Slot| slot.0 == group;
            let unsent = |slot: &(Slot, Command)| of_group(&slot.0);
            let slots: Vec<Slot> = self.pending.iter().filter(|slot| unsent(slot)).map(|(slot, _)| *slot).collect();
            self.pending.retain(|slot| !unsent(slot));
            for slot in slots {
                let error = ClientError::Unreachable { peer: self.connect.peer(), reason: self.last_error.clone() };
                self.answer(slot, Err(error));
            }
            let sent: Vec<Slot> = self.sent.values().filter_map(|(slot, _)| *slot).filter(of_group).collect();
            any_sent |= !sent.is_empty();
            for slot in sent {
                self.answer(slot, Err(ClientError::Timeout));
            }
        }
        any_sent
    }
}
