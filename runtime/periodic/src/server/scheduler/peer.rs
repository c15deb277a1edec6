//! Connections as the scheduler sees them: what each can do, has open, holds, and is to be told.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::access::Access;
use super::func::FuncId;
use super::{ConnId, Scheduler};
use crate::job::JobKey;
use crate::server::Origin;
use crate::server::connection::{Outbox, Outgoing};
use crate::store::Seq;
use crate::wire::{Command, MsgId, Packet, Registration};

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) from: Origin,
    pub(super) registration: Registration,
    pub(super) access: Access,
    outbox: Outbox,
    /// To be sent at the end of the turn.
    outgoing: Vec<Outgoing>,
    /// How many bytes that is.
    unsent: usize,
    pub(super) funcs: Vec<FuncId>,
    /// Those it has registered for and may not do now; it is not told when it may again.
    pub(super) withheld: Vec<FuncId>,
    pub(super) grabs: Grabs,
    /// Jobs assigned under a GRAB's msgid and not acknowledged.
    pub(super) unacked: HashMap<MsgId, Seq>,
    /// Jobs it has.
    pub(super) leases: HashSet<Seq>,
    /// It has said how a job ended without having acknowledged it: an old worker, which never does.
    pub(super) never_acks: bool,
    /// Keys whose end it waits for, or listens for.
    pub(super) waits: HashSet<JobKey>,
    /// Jobs it listens to.
    pub(super) streams: usize,
    /// Requests that have come after a LOAD that is still being submitted.
    pub(super) behind_load: Vec<Packet>,
    /// Requests that are not answered.
    pub(super) requests: usize,
    /// It says nothing more, and is there only until its requests are answered.
    leaving: bool,
    pub(super) last_heard: Instant,
}

/// A connection's open GRABs. The most recent is used first, as by the reference server.
#[derive(Debug, Default)]
pub(super) struct Grabs {
    stack: Vec<MsgId>,
    /// What is on the stack, because a worker may repeat a GRAB.
    open: HashSet<MsgId>,
}

impl Grabs {
    /// Opens one. False: it is open.
    pub(super) fn open(&mut self, msgid: MsgId) -> bool {
        let new = self.open.insert(msgid);
        if new {
            self.stack.push(msgid);
        }
        new
    }

    /// Uses one up.
    pub(super) fn take(&mut self) -> Option<MsgId> {
        let msgid = self.stack.pop()?;
        self.open.remove(&msgid);
        Some(msgid)
    }

    pub(super) fn len(&self) -> usize {
        self.stack.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }
}

impl Peer {
    /// Can it be given a job? It has a GRAB open, and takes what it is sent.
    pub(super) fn is_free(&self) -> bool {
        !self.grabs.is_empty() && !self.outbox.is_full(self.unsent)
    }
}

impl Scheduler {
    pub(super) fn open_peer(&mut self, conn: ConnId, from: Origin, registration: Registration, outbox: Outbox) {
        let peer = Peer {
            access: Access::of(from, &registration, self.identities.as_ref()),
            from,
            registration,
            outbox,
            outgoing: Vec::new(),
            unsent: 0,
            funcs: Vec::new(),
            withheld: Vec::new(),
            grabs: Grabs::default(),
            unacked: HashMap::new(),
            leases: HashSet::new(),
            never_acks: false,
            waits: HashSet::new(),
            streams: 0,
            behind_load: Vec::new(),
            requests: 0,
            leaving: false,
            last_heard: self.instant,
        };
        self.peers.insert(conn, peer);
    }

    /// A connection's stream has ended: it says nothing more. It may listen all the same, as one does that sends its requests
    /// and closes its half: those that the store works on are still answered. What it has, waits for or can do is over.
    pub(super) fn peer_ended(&mut self, conn: ConnId) {
        self.let_go(conn);
        if self.peers.get(&conn).is_some_and(|peer| peer.requests == 0) {
            self.close_peer(conn, "its stream ended");
        }
    }

    /// Forgets a connection. Answers that are on their way to it are still written; its jobs are ready again at once.
    pub(super) fn close_peer(&mut self, conn: ConnId, reason: &str) {
        let leases = self.let_go(conn);
        let Some(mut peer) = self.peers.remove(&conn) else { return };
        debug!(conn, reason, leases, "connection closed");
        if !peer.outgoing.is_empty() {
            peer.outbox.send(std::mem::take(&mut peer.outgoing), peer.unsent, usize::MAX);
        }
    }

    /// Takes from a connection what it has, waits for and can do. How many jobs it had.
    fn let_go(&mut self, conn: ConnId) -> usize {
        let Some(peer) = self.peers.get_mut(&conn) else { return 0 };
        let (waits, leases) = (std::mem::take(&mut peer.waits), std::mem::take(&mut peer.leases));
        let (funcs, grabs) = (std::mem::take(&mut peer.funcs), std::mem::take(&mut peer.grabs));
        (peer.leaving, peer.streams) = (true, 0);
        peer.withheld.clear();
        peer.unacked.clear();
        self.open_grabs -= grabs.len();
        for func in funcs {
            self.funcs[func].workers.retain(|worker| *worker != conn);
        }
        let (unanswered, count) = (self.stop_waiting(conn, waits), leases.len());
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.requests -= unanswered;
        }
        for seq in leases {
            self.holder_lost(seq, conn);
        }
        count
    }

    /// A connection that was full is not any more: it may have jobs again.
    pub(super) fn writable(&mut self, conn: ConnId) {
        let funcs = self.peers.get(&conn).map(|peer| peer.funcs.clone());
        for func in funcs.unwrap_or_default() {
            self.mark_ready(func);
        }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, conn: ConnId, msgid: MsgId, command: Command) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.requests -= 1;
            self.push_out(conn, Outgoing { packet: Packet { msgid, command }, answers: true });
        }
    }

    /// A request is over that has no answer.
    pub(super) fn no_answer(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.requests -= 1;
            peer.outbox.no_answer();
        }
    }

    /// Has a frame written at the end of the turn that is no answer.
    pub(super) fn send(&mut self, conn: ConnId, packet: Packet) {
        self.push_out(conn, Outgoing { packet, answers: false });
    }

    fn push_out(&mut self, conn: ConnId, outgoing: Outgoing) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if peer.outgoing.is_empty() {
            self.talking.push(conn);
        }
        peer.unsent += outgoing.weight();
        peer.outgoing.push(outgoing);
    }

    pub(super) fn flush_peers(&mut self) {
        for conn in std::mem::take(&mut self.talking) {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            let (outgoing, bytes) = (std::mem::take(&mut peer.outgoing), std::mem::take(&mut peer.unsent));
            if !outgoing.is_empty() && !peer.outbox.send(outgoing, bytes, self.options.max_backlog) {
                self.close_peer(conn, "it does not read its answers");
            } else if self.peers.get(&conn).is_some_and(|peer| peer.leaving && peer.requests == 0) {
                self.close_peer(conn, "its stream ended, and all is answered");
            }
        }
    }

    /// Closes connections that have been silent for too long; one that waits for an answer of ours is not silent.
    pub(super) fn close_silent_peers(&mut self) {
        if self.settings.keepalive == 0 {
            return;
        }
        let keepalive = Duration::from_secs(self.settings.keepalive.into());
        let silent = |peer: &Peer| peer.requests == 0 && self.instant.duration_since(peer.last_heard) > keepalive;
        let silent: Vec<_> = self.peers.iter().filter(|(_, peer)| silent(peer)).map(|(conn, _)| *conn).collect();
        for conn in silent {
            self.close_peer(conn, "it has been silent for too long");
        }
    }
}
