//! The ports: what the rules need from the world, as traits. Adapters live in their own crates; only the `pusher` crate
//! and tests join the two.
//!
//! Ports take batches (a slice of operations in, a result for each out) so that a networked backend fits behind them
//! without touching a caller.

use async_trait::async_trait;

use crate::audience::Audience;
use crate::change::{Applied, PusherChange};
use crate::cursor::Cursor;
use crate::delivery::Note;
use crate::fan_out::{FanOutProgress, FanOutRequest};
use crate::job_name::JobName;
use crate::message::{Message, Outcome, SendError, Sent};
use crate::pusher::{Pusher, PusherList};
use crate::words::{FuncName, PusherId, SenderName, Tag};

/// Why a store did not do as asked. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// There is no room: the map or the disk is full. Deleting makes room.
    #[error("the store is full: {0}")]
    Full(String),
    /// What is stored cannot be read.
    #[error("the stored record {key} cannot be read: {reason}")]
    Corrupt {
        /// Which record.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What was asked does not hold (any more): a note that came with it says what must be.
    #[error("{0}")]
    Refused(String),
    /// Anything else: the disk, the network, a store that is shutting down.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Which recipients a page is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All that have this sender.
    Sender(SenderName),
    /// All that have this tag.
    Tag(Tag),
}

/// Keeps recipients. One conformance suite ([`conformance`](crate) feature) says what every implementation must do.
#[async_trait]
pub trait Storer: Send + Sync {
    /// Makes the changes in order and durably; one result for each, in the same order. A change that fails leaves the
    /// others in force.
    async fn apply(&self, changes: Vec<PusherChange>) -> Vec<Result<Applied, StoreError>>;

    /// The recipients with these ids, in the same order; `None` where there is none.
    async fn get(&self, ids: &[PusherId]) -> Result<Vec<Option<Pusher>>, StoreError>;

    /// Does this recipient have this sender? `None`: there is no such recipient. Every push asks this; a store that need
    /// not read the whole recipient for it says so here.
    async fn has_sender(&self, id: &PusherId, sender: &SenderName) -> Result<Option<bool>, StoreError> {
        let found = self.get(std::slice::from_ref(id)).await?;
        Ok(found.into_iter().flatten().next().map(|pusher| pusher.has_sender(sender)))
    }

    /// All recipients, newest first by `created_at` (then by id, descending): `size` of them after the first `from`.
    async fn list(&self, from: u64, size: usize) -> Result<PusherList, StoreError>;

    /// The same list: `size` of them that come behind `after`, or from its beginning. Whose place `after` is need not be
    /// there (any more). Paging with the last recipient's place as the next `after` sees everyone who was there
    /// throughout and kept their `created_at` exactly once, whatever is added or deleted meanwhile.
    async fn list_after(&self, after: Option<&Cursor>, size: usize) -> Result<PusherList, StoreError>;

    /// The ids in `scope` that come after `after` in ascending byte order, at most `size`. Paging with the last id as
    /// the next `after` sees every id that was there throughout exactly once, whatever is added or deleted meanwhile.
    async fn page(&self, scope: &Scope, after: Option<&PusherId>, size: usize) -> Result<Vec<PusherId>, StoreError>;

    /// The same for those whom a pushall is for. Fewer than `size`: there are no more. Default: looks at everybody on the
    /// pages of a scope that has them all; a store with indexes does better.
    async fn audience(
        &self,
        audience: &Audience,
        after: Option<&PusherId>,
        size: usize,
    ) -> Result<Vec<PusherId>, StoreError> {
        let required = audience.tags.as_ref().and_then(|tags| tags.required().first().copied().cloned());
        let scope = required.map_or_else(|| Scope::Sender(audience.sender.clone()), Scope::Tag);
        let (mut found, mut after) = (Vec::new(), after.cloned());
        while found.len() < size {
            let page = self.page(&scope, after.as_ref(), size).await?;
            let pushers = self.get(&page).await?;
            found.extend(pushers.into_iter().flatten().filter(|pusher| audience.has(pusher)).map(|pusher| pusher.id));
            if page.len() < size {
                break;
            }
            after = page.into_iter().next_back();
        }
        found.truncate(size);
        Ok(found)
    }

    /// How many they are. Default: by reading all pages.
    async fn count(&self, audience: &Audience) -> Result<u64, StoreError> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.audience(audience, after.as_ref(), COUNTED_AT_ONCE).await?;
            count += page.len() as u64;
            if page.len() < COUNTED_AT_ONCE {
                return Ok(count);
            }
            after = page.into_iter().next_back();
        }
    }
}

/// How many recipients are read at once to be counted.
const COUNTED_AT_ONCE: usize = 1000;

/// Why a search found nothing out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SearchError {
    /// The query is wrong, or asks for more than a search may cost. The sentence says where and what was expected.
    #[error("{0}")]
    Query(String),
    /// Not just now: the index is being built, or too many searches are under way. Asking again later is right.
    #[error("{0}")]
    Unavailable(String),
    /// The store or the index failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds recipients. A recipient changed before the search began is found as it is after the change.
#[async_trait]
pub trait Search: Send + Sync {
    /// The recipients that `query` finds, best first: `size` of them after the first `from`, and how many there are in
    /// all. The query language is described in `docs/search.md`.
    async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, SearchError>;
}

/// A job to submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Whose it is.
    pub key: JobKey,
    /// What the worker is given.
    pub workload: String,
    /// When to run it, in Unix seconds; 0 or the past: now.
    pub sched_at: i64,
    /// How often it was tried already.
    pub count: u32,
}

/// A job's identity: jobs are unique by func and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobKey {
    /// The queue.
    pub func: FuncName,
    /// The name in it.
    pub name: JobName,
}

/// Why a queue did not take a job.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// There is no room; the job was not taken.
    #[error("the queue is full: {0}")]
    Full(String),
    /// The queue cannot be reached or is stopping; whether the job was taken is not known. Submitting it again is safe:
    /// the same job is taken once.
    #[error("the queue is not available: {0}")]
    Unavailable(String),
    /// A note that came with the jobs does not hold; nothing was done.
    #[error("{0}")]
    Refused(String),
}

/// Takes jobs. An `Ok` is given only when the job is durable.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Submits jobs; one result for each, in the same order. A job whose key waits already replaces it; a job whose key
    /// is being run is the same job and is not run again.
    async fn submit(&self, jobs: Vec<NewJob>) -> Vec<Result<(), QueueError>>;

    /// Removes jobs, whatever their state; a job that is not there is no error. A job being run is not interrupted.
    async fn remove(&self, keys: Vec<JobKey>) -> Vec<Result<(), QueueError>>;

    /// Are its jobs in the same store as the [`DeliveryLog`](crate::DeliveryLog)? Then it can
    /// [`submit_noted`](Self::submit_noted), and the log sees the jobs. Default: they are not.
    fn keeps_notes(&self) -> bool {
        false
    }

    /// Submits jobs and keeps notes in one commit: all of it or nothing. With [`Note::Redriven`] only the jobs of what it
    /// redrives are submitted. Default: refused.
    async fn submit_noted(&self, jobs: Vec<NewJob>, notes: Vec<Note>) -> Result<(), QueueError> {
        _ = (jobs, notes);
        Err(QueueError::Refused("this queue keeps no notes".into()))
    }

    /// Submits a job in the place of one with its key that waits. False: there is none, and nothing was done. Default:
    /// submits it, whether there is one or not.
    async fn replace(&self, job: NewJob) -> Result<bool, QueueError> {
        self.submit(vec![job]).await.into_iter().collect::<Result<(), _>>().map(|()| true)
    }

    /// For each of these, in the same order: is it being run? Default: not that anybody knew.
    async fn running(&self, keys: &[JobKey]) -> Vec<bool> {
        vec![false; keys.len()]
    }
}

/// A channel: delivers one message at a time.
#[async_trait]
pub trait Sender: Send + Sync {
    /// The channel's name, which is also its Periodic func after the prefix.
    fn name(&self) -> &SenderName;

    /// Delivers `message`. Must be safe to call many times at once.
    async fn send(&self, message: Message) -> Result<Outcome, SendError>;

    /// Delivers `message`, and says what else is known of how that went. Default: nothing.
    async fn attempt(&self, message: Message) -> Sent {
        self.send(message).await.into()
    }

    /// Which version of the sender this is, for the delivery log. Default: not known.
    fn version(&self) -> Option<&str> {
        None
    }
}

/// One message to one recipient, as an application or a sender asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRequest {
    /// The channel.
    pub sender: SenderName,
    /// The recipient.
    pub pusher: PusherId,
    /// What to say.
    pub data: String,
    /// When, in Unix seconds; 0: now.
    pub sched_at: i64,
    /// Push although the recipient has not switched the channel on.
    pub force: bool,
}

/// Why a sender's request about recipients was not served.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PushersError {
    /// The request itself is wrong: no such recipient, the recipient lacks the sender, a query that is none.
    #[error("{0}")]
    Refused(String),
    /// The API server or its store cannot be reached just now.
    #[error("pushers are not available: {0}")]
    Unavailable(String),
}

/// What a sender may be allowed to do with recipients. Served by [`Service`](crate::Service) directly where the worker
/// runs inside the API server, and over HTTP where it runs alone.
#[async_trait]
pub trait Pushers: Send + Sync {
    /// The recipient with this id.
    async fn get(&self, id: &PusherId) -> Result<Option<Pusher>, PushersError>;

    /// The recipients that a query finds (`docs/search.md`), best first: `size` of them, 100 at most, after the first
    /// `from`.
    async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, PushersError>;

    /// Pushes one message; the name of its job.
    async fn push(&self, request: PushRequest) -> Result<JobName, PushersError>;

    /// Pushes to the next page of those whom a pushall is for; how far it has come.
    async fn fan_out(&self, request: &FanOutRequest) -> Result<FanOutProgress, PushersError>;
}
