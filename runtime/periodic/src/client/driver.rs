//! The task behind a [`Client`](super::Client): owns the connection and every request that is not answered.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::debug;

use super::chunks::Outlet;
use super::ledger::{Call, Ledger, Sent, Slot};
use super::{ClientError, ClientOptions};
use crate::backoff::Backoff;
use crate::identity::registration;
use crate::link::Link;
use crate::transport::Connect;
use crate::wire::{Command, MsgId, Packet, Role, WireError};

/// Requests sent and not answered, at most.
const WINDOW: usize = 1024;
/// Bytes of such requests beyond which no further one is sent.
const WINDOW_BYTES: usize = 8 << 20;

/// What the last chunk of a stream says.
const END_OF_DATA: &[u8] = b"EOF";

pub(super) struct Driver {
    connect: Arc<dyn Connect>,
    options: ClientOptions,
    calls: mpsc::Receiver<Call>,
    /// No more calls come.
    closed: bool,
    closers: Vec<oneshot::Sender<()>>,
    ledger: Ledger,
    sent: HashMap<MsgId, Sent>,
    sent_bytes: usize,
    /// Who listens to jobs, by the msgid of the RECV_DATA.
    streams: HashMap<MsgId, Outlet>,
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
            sent: HashMap::new(),
            sent_bytes: 0,
            streams: HashMap::new(),
            last_error: "not tried yet".to_owned(),
        }
    }

    /// Until the client is closed or gone and everything asked has an answer.
    pub(super) async fn run(mut self) {
        loop {
            if self.ledger.pending() > 0 {
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
            Some(Call::Ask(ask)) => self.ledger.add(ask),
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
        let role = if self.options.as_worker { Role::Worker } else { Role::Client };
        let registration = registration(role, self.options.identity.as_ref());
        let (max_payload, retry) = (self.options.max_payload, self.options.retry_connect);
        while self.ledger.pending() > 0 {
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
                        if self.ledger.pending() == 0 {
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
                while let Some((slot, _)) = self.ledger.next_pending() {
                    self.ledger.answer(slot, Err(self.unreachable()));
                }
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
            if self.closed && self.sent.is_empty() && self.ledger.pending() == 0 {
                break None;
            }
            let ping_at = last_sent.max(last_heard) + self.options.ping_interval;
            let wake = self.next_deadline().min(ping_at);
            let received = tokio::select! {
                received = link.next() => received,
                call = self.calls.recv(), if !self.closed && self.ledger.pending() < WINDOW => {
                    self.take(call);
                    while self.ledger.pending() < WINDOW && let Ok(call) = self.calls.try_recv() {
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
                        self.sent.insert(msgid, Sent { slot: None, size: 0, unbounded: false });
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
        if let Some(error) = &broken {
            debug!(peer = self.connect.peer(), %error, "connection broken");
            self.last_error = error.to_string();
        }
        self.end(broken.as_ref());
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
        self.sent_bytes = 0;
        for sent in std::mem::take(&mut self.sent).into_values() {
            if let Some(slot) = sent.slot {
                self.ledger.answer(slot, Err(if sent.unbounded { unbounded.clone() } else { bounded.clone() }));
            }
        }
        for outlet in std::mem::take(&mut self.streams).into_values() {
            outlet.close(Err(unbounded.clone()));
        }
        self.ledger.interrupted();
    }

    /// The frame that came, and all that came with it.
    fn receive(&mut self, link: &mut Link, first: Result<Packet, WireError>) -> Result<(), WireError> {
        let mut next = Some(first?);
        while let Some(Packet { msgid, command }) = next {
            if let Some(sent) = self.sent.remove(&msgid) {
                self.sent_bytes -= sent.size;
                if let Some(slot) = sent.slot {
                    self.answered(msgid, slot, command);
                }
            } else if let Command::Data(chunk) = command {
                self.chunk(msgid, chunk);
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
            self.streams.insert(msgid, outlet);
        }
        self.ledger.answer(slot, Ok(command));
    }

    /// What a job's worker says, to whoever listens.
    fn chunk(&mut self, msgid: MsgId, chunk: bytes::Bytes) {
        let Some(outlet) = self.streams.get(&msgid) else { return };
        let end = if chunk == END_OF_DATA { Some(Ok(())) } else { outlet.push(chunk).err().map(Err) };
        if let Some(end) = end
            && let Some(outlet) = self.streams.remove(&msgid)
        {
            outlet.close(end);
        }
    }

    /// Sends what the window has room for, as one write. True when that was something.
    fn send_pending(&mut self, link: &mut Link) -> bool {
        let mut any = false;
        while self.sent.len() < WINDOW
            && (self.sent_bytes < WINDOW_BYTES || self.sent.is_empty())
            && let Some((slot, command)) = self.ledger.next_pending()
        {
            let size = super::weight(&command);
            let unbounded =
                matches!(command, Command::Dump | Command::Status | Command::RunJob(_) | Command::RecvData(_));
            let msgid = link.new_msgid();
            match link.queue(msgid, command) {
                Ok(()) => {
                    self.ledger.sent(slot);
                    self.sent.insert(msgid, Sent { slot: Some(slot), size, unbounded });
                    self.sent_bytes += size;
                    any = true;
                }
                Err(error) => self.ledger.answer(slot, Err(ClientError::Invalid(error.to_string()))),
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
            for slot in self.sent.values().filter_map(|sent| sent.slot).filter(|slot| slot.0 == id) {
                any_sent = true;
                self.ledger.answer(slot, Err(ClientError::Timeout));
            }
        }
        any_sent
    }
}
