//! What was sent on one connection and is not answered, who listens there to jobs, and how much more may be sent.
//!
//! A server does not read on when 1024 requests of a connection are unanswered. Requests that are answered when a job
//! ends could bring it there for as long as that takes, and then it would read no PING either, and look dead. So there
//! is always room left for PINGs, and for short requests beside the long ones.

use std::collections::HashMap;

use bytes::Bytes;

use super::ClientError;
use super::chunks::Outlet;
use super::ledger::{Ledger, Pace, Slot};
use crate::wire::{Command, MsgId};

/// Requests unanswered on one connection, at most: some less than a server's 1024, for PINGs.
const WINDOW: usize = 1000;
/// How many of them may be long.
const LONG: usize = 768;
/// Bytes of short requests, and of long ones, beyond which no further one is sent.
const SHORT_BYTES: usize = 8 << 20;
const LONG_BYTES: usize = 64 << 20;

/// What the last chunk of a stream says.
const END_OF_DATA: &[u8] = b"EOF";

/// A request that was sent.
pub(super) struct Sent {
    /// A ping of our own has none.
    pub(super) slot: Option<Slot>,
    pace: Pace,
    size: usize,
    /// Its answer can be of any size.
    pub(super) unbounded: bool,
}

/// How many requests, and their bytes.
#[derive(Default)]
struct Tally {
    requests: usize,
    bytes: usize,
}

#[derive(Default)]
pub(super) struct Line {
    sent: HashMap<MsgId, Sent>,
    short: Tally,
    long: Tally,
    /// Who listens to jobs, by the msgid of the RECV_DATA.
    streams: HashMap<MsgId, Outlet>,
}

impl Line {
    /// May another one be sent?
    pub(super) fn has_room(&self, pace: Pace) -> bool {
        let in_all = self.short.requests + self.long.requests < WINDOW;
        in_all
            && match pace {
                Pace::Short => self.short.bytes < SHORT_BYTES || self.short.requests == 0,
                Pace::Long => !self.is_full_of_long(),
            }
    }

    /// Have the long requests all that they may have?
    pub(super) fn is_full_of_long(&self) -> bool {
        self.long.requests >= LONG || (self.long.bytes >= LONG_BYTES && self.long.requests > 0)
    }

    /// A request of a call is on its way.
    pub(super) fn sent(&mut self, msgid: MsgId, slot: Slot, pace: Pace, size: usize, unbounded: bool) {
        let tally = self.tally(pace);
        tally.requests += 1;
        tally.bytes += size;
        self.sent.insert(msgid, Sent { slot: Some(slot), pace, size, unbounded });
    }

    /// A ping of our own is on its way.
    pub(super) fn pinged(&mut self, msgid: MsgId) {
        self.short.requests += 1;
        self.sent.insert(msgid, Sent { slot: None, pace: Pace::Short, size: 0, unbounded: false });
    }

    /// A request is answered: which one that was.
    pub(super) fn answered(&mut self, msgid: MsgId) -> Option<Sent> {
        let sent = self.sent.remove(&msgid)?;
        let tally = self.tally(sent.pace);
        tally.requests -= 1;
        tally.bytes -= sent.size;
        Some(sent)
    }

    fn tally(&mut self, pace: Pace) -> &mut Tally {
        match pace {
            Pace::Short => &mut self.short,
            Pace::Long => &mut self.long,
        }
    }

    /// Which requests of a call are not answered.
    pub(super) fn of_call(&self, id: u64) -> impl Iterator<Item = Slot> {
        self.sent.values().filter_map(|sent| sent.slot).filter(move |slot| slot.0 == id)
    }

    /// Is there a long request whose answer nobody waits for any more?
    pub(super) fn has_abandoned(&self, ledger: &Ledger) -> bool {
        self.sent.values().any(|sent| sent.is_abandoned(ledger))
    }

    /// Are all that are not answered such requests?
    pub(super) fn is_abandoned(&self, ledger: &Ledger) -> bool {
        self.sent.values().all(|sent| sent.is_abandoned(ledger))
    }

    /// Somebody listens to the job of this RECV_DATA.
    pub(super) fn listen(&mut self, msgid: MsgId, outlet: Outlet) {
        self.streams.insert(msgid, outlet);
    }

    /// Does somebody listen to a job?
    pub(super) fn has_listeners(&self) -> bool {
        self.streams.values().any(Outlet::is_heard)
    }

    /// What a job's worker says, to whoever listens.
    pub(super) fn chunk(&mut self, msgid: MsgId, chunk: Bytes) {
        let Some(outlet) = self.streams.get(&msgid) else { return };
        let end = if chunk == END_OF_DATA { Some(Ok(())) } else { outlet.push(chunk).err().map(Err) };
        if let Some(end) = end
            && let Some(outlet) = self.streams.remove(&msgid)
        {
            outlet.close(end);
        }
    }

    /// The connection is no more: the streams end with `error`; what was not answered.
    pub(super) fn end(&mut self, error: &ClientError) -> impl Iterator<Item = Sent> + use<> {
        let Self { sent, streams, .. } = std::mem::take(self);
        for outlet in streams.into_values() {
            outlet.close(Err(error.clone()));
        }
        sent.into_values()
    }
}

impl Sent {
    fn is_abandoned(&self, ledger: &Ledger) -> bool {
        self.pace == Pace::Long && self.slot.is_some_and(|slot| !ledger.is_awaited(slot))
    }
}

/// Can its answer be of any size?
pub(super) fn is_unbounded(command: &Command) -> bool {
    matches!(command, Command::Dump | Command::Status | Command::RunJob(_) | Command::RecvData(_))
}
