//! The task behind a [`Client`](super::Client): owns the connection and every request that is not answered.
//!
//! A request whose caller has stopped waiting is still owed its answer by the server, and until then counts among the
//! connection's. When such requests leave no room for new ones, the connection is retired: a task of its own keeps it
//! for what is still awaited on it, and everything new goes over another one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::ledger::{Call, Ledger, Pace, Slot};
use super::line::{self, Line};
use super::{ClientError, ClientOptions};
use crate::backoff::Backoff;
use crate::identity::registration;
use crate::link::Link;
use crate::transport::Connect;
use crate::wire::{Command, MsgId, Packet, Role, WireError};

/// Calls with requests that are not sent beyond which no further one is taken up. Those that wait for a long request do
/// not count: they must not keep others from being served.
const MAX_PENDING: usize = 1024;
/// How often to look whether callers have stopped waiting, when that would make room for others.
const LOOK: Duration = Duration::from_millis(100);
/// How often to look for that on a connection that ends when nobody waits on it any more.
const LOOK_AT_END: Duration = Duration::from_secs(1);

pub(super) struct Driver {
    connect: Arc<dyn Connect>,
    options: ClientOptions,
    calls: mpsc::Receiver<Call>,
    /// No more calls come.
    closed: bool,
    closers: Vec<oneshot::Sender<()>>,
    /// The client was closed, for those that keep a retired connection, too.
    closing: CancellationToken,
    /// It keeps a retired connection.
    retired: bool,
    /// Those that keep the retired connections.
    keepers: JoinSet<()>,
    ledger: Ledger,
    /// What was sent on the present connection.
    line: Line,
    backoff: Backoff,
    last_error: String,
}

impl Driver {
    pub(super) fn new(connect: Arc<dyn Connect>, options: ClientOptions, calls: mpsc::Receiver<Call>) -> Self {
        Self {
            connect,
            backoff: Backoff::new(options.max_backoff),
            ledger: Ledger::new(options.timeout),
            options,
            calls,
            closed: false,
            closers: Vec::new(),
            closing: CancellationToken::new(),
            retired: false,
            keepers: JoinSet::new(),
            line: Line::default(),
            last_error: "not tried yet".to_owned(),
        }
    }

    /// Until the client is closed or gone and everything asked has an answer.
    pub(super) async fn run(mut self) {
        loop {
            if self.ledger.is_pending() {
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
        while self.keepers.join_next().await.is_some() {}
        for closer in self.closers {
            // Whoever closed it may have stopped waiting.
            let _closer_gone = closer.send(());
        }
    }

    /// Has a task keep the connection for what is awaited on it.
    fn retire(&mut self, link: Link) {
        debug!(peer = self.connect.peer(), "connection retired: too many requests on it are no longer waited for");
        // Nobody sends calls to it.
        let (_, calls) = mpsc::channel(1);
        let mut keeper = Self::new(Arc::clone(&self.connect), self.options.clone(), calls);
        keeper.closed = true;
        keeper.retired = true;
        keeper.closing = self.closing.clone();
        keeper.ledger = self.ledger.split_begun();
        keeper.line = std::mem::take(&mut self.line);
        while self.keepers.try_join_next().is_some() {}
        self.keepers.spawn(async move {
            keeper.session(link).await;
            // If it broke, there may be something left to send.
            keeper.run().await;
        });
    }

    fn take(&mut self, call: Option<Call>) {
        match call {
            Some(Call::Ask(ask)) => self.ledger.add(ask),
            Some(Call::Close(done)) => {
                self.closers.push(done);
                self.closing.cancel();
                self.calls.close();
            }
            None => self.closed = true,
        }
    }

    /// Tries to connect for as long as somebody waits for it.
    async fn dial(&mut self) -> Option<Link> {
        let connect = Arc::clone(&self.connect);
        let role = if self.options.as_worker { Role::Worker } else { Role::Client };
        let registration = registration(role, self.options.identity.as_ref());
        let (max_payload, retry) = (self.options.max_payload, self.options.retry_connect);
        while self.ledger.is_pending() {
            let wait = self.backoff.next_wait();
            // The future lives across turns of the inner loop: neither a new call nor a timeout begins it anew.
            let try_once = async {
                let opened = Link::open(connect.as_ref(), &registration, max_payload).await;
                if opened.is_err() && retry {
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
                        if !self.ledger.is_pending() {
                            return None;
                        }
                    }
                }
            };
            match opened {
                Ok(link) => return Some(link),
                Err(error) => self.last_error = error.to_string(),
            }
            if !retry {
                for pace in [Pace::Long, Pace::Short] {
                    while let Some((slot, _)) = self.ledger.next_pending(pace) {
                        self.ledger.answer(slot, Err(self.unreachable()));
                    }
                }
            }
        }
        None
    }

    /// Sends and receives until the connection breaks or is retired, or nothing is left to do for a client that was
    /// closed.
    async fn session(&mut self, mut link: Link) {
        let mut last_sent = Instant::now();
        let mut looked: Option<Instant> = None;
        let broken = loop {
            if self.send_pending(&mut link) {
                last_sent = Instant::now();
            }
            if self.is_over() {
                break None;
            }
            let ping_at = last_sent.max(link.last_heard()) + self.options.ping_interval;
            let mut wake = self.next_deadline().min(ping_at);
            if self.line.is_full_of_long() && self.ledger.long_is_awaited() {
                let now = Instant::now();
                if looked.is_none_or(|looked| now >= looked + LOOK) {
                    looked = Some(now);
                    if self.line.has_abandoned(&self.ledger) {
                        return self.retire(link);
                    }
                }
                wake = wake.min(now + LOOK);
            }
            if self.closed {
                wake = wake.min(Instant::now() + LOOK_AT_END);
            }
            let received = tokio::select! {
                received = link.next() => received,
                call = self.calls.recv(), if !self.closed && self.ledger.short_pending() < MAX_PENDING => {
                    self.take(call);
                    while self.ledger.short_pending() < MAX_PENDING && let Ok(call) = self.calls.try_recv() {
                        self.take(Some(call));
                    }
                    continue;
                }
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    let silent = now - link.last_heard();
                    let unanswered = self.expire() && silent > self.options.timeout / 2;
                    if unanswered || silent > self.options.ping_interval * 3 {
                        break Some(WireError::Io(std::io::ErrorKind::TimedOut.into()));
                    }
                    if now >= ping_at {
                        let msgid = link.new_msgid();
                        self.line.pinged(msgid);
                        // A ping always fits into a frame.
                        let _fits = link.queue(msgid, Command::Ping);
                        link.flush();
                        last_sent = now;
                    }
                    continue;
                }
            };
            self.backoff.reset();
            if let Err(error) = self.receive(&mut link, received) {
                break Some(error);
            }
        };
        if let Some(error) = &broken {
            debug!(peer = self.connect.peer(), %error, "connection broken");
            self.last_error = error.to_string();
        }
        self.end(broken.as_ref());
    }

    /// Is nothing left to do on this connection for anybody?
    fn is_over(&self) -> bool {
        let listened_to = self.retired && !self.closing.is_cancelled() && self.line.has_listeners();
        self.closed && !self.ledger.is_pending() && !listened_to && self.line.is_abandoned(&self.ledger)
    }

    /// Answers what was sent on a connection that is no more.
    fn end(&mut self, broken: Option<&WireError>) {
        let bounded = if broken.is_some() { ClientError::Lost } else { ClientError::Closed };
        // Which answer it was that is too large was not read.
        let unbounded = match broken {
            Some(WireError::TooLarge { size, .. }) => {
                ClientError::TooLarge { size: *size, max: self.options.max_payload }
            }
            _ => bounded.clone(),
        };
        for sent in self.line.end(&unbounded) {
            if let Some(slot) = sent.slot {
                self.ledger.answer(slot, Err(if sent.unbounded { unbounded.clone() } else { bounded.clone() }));
            }
        }
        self.ledger.interrupted();
    }

    /// The frame that came, and all that came with it.
    fn receive(&mut self, link: &mut Link, first: Result<Packet, WireError>) -> Result<(), WireError> {
        let mut next = Some(first?);
        while let Some(Packet { msgid, command }) = next {
            if let Some(sent) = self.line.answered(msgid) {
                if let Some(slot) = sent.slot {
                    self.answered(msgid, slot, command);
                }
            } else if let Command::Data(chunk) = command {
                self.line.chunk(msgid, chunk);
            }
            next = link.buffered()?;
        }
        Ok(())
    }

    fn answered(&mut self, msgid: MsgId, slot: Slot, command: Command) {
        self.ledger.renew(slot, Instant::now());
        if command == Command::NoWorker {
            return self.ledger.answer(slot, Err(ClientError::Refused));
        }
        if command == Command::Success
            && let Some(outlet) = self.ledger.outlet(slot)
        {
            self.line.listen(msgid, outlet);
        }
        self.ledger.answer(slot, Ok(command));
    }

    /// Sends what there is room for, as one write. True when that was something.
    fn send_pending(&mut self, link: &mut Link) -> bool {
        let mut any = false;
        // Long ones first: there can be only so many of them, and then it is the others' turn.
        for pace in [Pace::Long, Pace::Short] {
            while self.line.has_room(pace)
                && let Some((slot, command)) = self.ledger.next_pending(pace)
            {
                let (size, unbounded) = (super::weight(&command), line::is_unbounded(&command));
                let msgid = link.new_msgid();
                match link.queue(msgid, command) {
                    Ok(()) => {
                        self.ledger.sent(slot);
                        self.line.sent(msgid, slot, pace, size, unbounded);
                        any = true;
                    }
                    Err(error) => self.ledger.answer(slot, Err(ClientError::Invalid(error.to_string()))),
                }
            }
        }
        link.flush();
        any
    }

    /// When the next call's time is over; far away when there is none.
    fn next_deadline(&self) -> Instant {
        self.ledger.next_deadline().unwrap_or_else(|| Instant::now() + self.options.timeout)
    }

    /// What is said to those who wait for a connection.
    fn unreachable(&self) -> ClientError {
        ClientError::Unreachable { peer: self.connect.peer(), reason: self.last_error.clone() }
    }

    /// Answers the requests whose time is over. True when one of them had been sent.
    fn expire(&mut self) -> bool {
        let now = Instant::now();
        let mut any_sent = false;
        let unreachable = self.unreachable();
        while let Some(id) = self.ledger.expire(now, &unreachable) {
            for slot in self.line.of_call(id) {
                any_sent = true;
                self.ledger.answer(slot, Err(ClientError::Timeout));
            }
        }
        any_sent
    }
}
