//! What can be done: each operation of the API as one function over the ports. Recipients are here; `push` accepts
//! messages, `fan_out` makes many of one, `deliveries` looks at what became of them, `once` keeps requests from being done
//! twice.

mod deliveries;
mod fan_out;
mod once;
mod push;

use std::sync::Arc;

use async_trait::async_trait;

pub use deliveries::{Changed, PushAllStatus};

use crate::accepted::{Accepted, AcceptedCounts};
use crate::audience::TagExprError;
use crate::change::{Applied, Change, ContactFields, Limit, PusherChange, PusherFields};
use crate::cursor::Cursor;
use crate::delivery::DeliveryLog;
use crate::fan_out::{FanOutProgress, FanOutRequest};
use crate::job_name::JobName;
use crate::ports::{PushRequest, Pushers, PushersError, Queue, QueueError, Search, SearchError, StoreError, Storer};
use crate::pusher::{Pusher, PusherList, PusherPage};
use crate::words::{Prefix, PusherId, SenderName, Tag};
use once::KeysUnderWay;

/// Why an operation was not done. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// There is no such recipient. The sentence is the Go program's.
    #[error("pusher {0} not exists.")]
    NoSuchPusher(PusherId),
    /// The recipient has not switched the sender on. The sentence is the Go program's.
    #[error("not such pusher {0}")]
    SenderNotAdded(PusherId),
    /// The recipient would have more senders or tags than it may.
    #[error("pusher {0} would have more than {1}, which is the limit; take one off first")]
    OverLimit(PusherId, Limit),
    /// This server keeps no delivery log, and so neither deliveries nor how far a pushall has come.
    #[error("this server keeps no delivery log")]
    NoDeliveries,
    /// Nothing is known of such a message.
    #[error("there is no delivery {0}; it was never accepted here, or it ended so long ago that it was forgotten")]
    NoSuchDelivery(JobName),
    /// Nothing is known of such a pushall.
    #[error("there is no pushall {0}; it was never accepted here, or it ended so long ago that it was forgotten")]
    NoSuchPushAll(JobName),
    /// A message that does not wait cannot be put off.
    #[error("the delivery {0} does not wait: it is being sent, or has ended")]
    NotWaiting(JobName),
    /// A request with this idempotency key is being carried out.
    #[error("a request with this Idempotency-Key is being carried out; ask again when it is answered")]
    KeyInProgress,
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used for another request within 24 hours; take a new one")]
    KeyReused,
    /// The tag of a pushall is no expression of tags.
    #[error(transparent)]
    Tags(#[from] TagExprError),
    /// A pushall of pushalls.
    #[error("the sender pushall cannot be fanned out to")]
    FanOutOfPushAll,
    /// This server cannot search: it was given no index.
    #[error("this server has no search index")]
    NoSearch,
    /// The query was refused, or cannot be answered just now.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The store did not do as asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not do as asked.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The operations, over the ports they need. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(crate) storer: Arc<dyn Storer>,
    search: Option<Arc<dyn Search>>,
    pub(crate) log: Option<Arc<dyn DeliveryLog>>,
    pub(crate) under_way: Arc<KeysUnderWay>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) prefix: Prefix,
    pub(crate) accepted: Arc<AcceptedCounts>,
}

impl Service {
    /// Operations that keep recipients in `storer` and submit jobs to `queue` under `prefix`.
    #[must_use]
    pub fn new(storer: Arc<dyn Storer>, queue: Arc<dyn Queue>, prefix: Prefix) -> Self {
        Self { storer, search: None, log: None, under_way: Arc::default(), queue, prefix, accepted: Arc::default() }
    }

    /// The same operations, with `search` to find recipients by what they are.
    #[must_use]
    pub fn with_search(self, search: Arc<dyn Search>) -> Self {
        Self { search: Some(search), ..self }
    }

    /// The same operations, with `log` to keep what becomes of messages and how far pushalls have come. Without it a
    /// pushall is accepted and waits for a worker that asks a server which has one.
    #[must_use]
    pub fn with_deliveries(self, log: Arc<dyn DeliveryLog>) -> Self {
        Self { log: Some(log), ..self }
    }

    /// How many pushes this service and its clones have accepted.
    #[must_use]
    pub fn accepted(&self) -> Accepted {
        self.accepted.read()
    }

    /// The recipient, if there is one.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPusher`], or the store failed.
    pub async fn get(&self, id: &PusherId) -> Result<Pusher, ServiceError> {
        let found = self.storer.get(std::slice::from_ref(id)).await?;
        found.into_iter().next().flatten().ok_or_else(|| ServiceError::NoSuchPusher(id.clone()))
    }

    /// `size` recipients after the first `from`, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list(&self, from: u64, size: usize) -> Result<PusherList, ServiceError> {
        Ok(self.storer.list(from, size).await?)
    }

    /// `size` recipients that come behind `after` in the same list, or from its beginning, and where the list goes on.
    /// Whoever is there throughout is seen exactly once by following [`PusherPage::next`], whatever changes meanwhile.
    ///
    /// # Errors
    /// The store failed.
    pub async fn list_after(&self, after: Option<&Cursor>, size: usize) -> Result<PusherPage, ServiceError> {
        // One more than asked for tells whether there is a next page.
        let PusherList { total, mut pushers } = self.storer.list_after(after, size.saturating_add(1)).await?;
        let more = pushers.len() > size;
        pushers.truncate(size);
        let next = pushers.last().filter(|_| more).map(Cursor::behind);
        Ok(PusherPage { total, pushers, next })
    }

    /// The recipients that `query` finds, best first: `size` of them after the first `from`.
    ///
    /// # Errors
    /// [`ServiceError::NoSearch`] unless there is a search ([`with_search`](Self::with_search)); the query is wrong; or
    /// the index or the store failed.
    pub async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, ServiceError> {
        let search = self.search.as_ref().ok_or(ServiceError::NoSearch)?;
        Ok(search.search(query, from, size).await?)
    }

    /// Creates a recipient, or sets the given contact fields of one that is there.
    ///
    /// # Errors
    /// The store failed.
    pub async fn create(&self, id: PusherId, fields: ContactFields) -> Result<Applied, ServiceError> {
        self.change(id, Change::Put(fields)).await
    }

    /// Creates recipients, or sets the given fields of those that are there, in order and in one commit; a result for
    /// each. One that is refused leaves the others in force.
    pub async fn set(&self, pushers: Vec<(PusherId, PusherFields)>) -> Vec<Result<Applied, ServiceError>> {
        let ids: Vec<PusherId> = pushers.iter().map(|(id, _)| id.clone()).collect();
        let change = |(id, fields)| PusherChange { id, change: Change::Set(fields) };
        let applied = self.storer.apply(pushers.into_iter().map(change).collect()).await;
        let mut applied = applied.into_iter();
        ids.into_iter().map(|id| outcome(id, applied.next())).collect()
    }

    /// Sets the given contact fields.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPusher`], or the store failed.
    pub async fn update(&self, id: PusherId, fields: ContactFields) -> Result<Applied, ServiceError> {
        self.change(id, Change::Update(fields)).await
    }

    /// Forgets a recipient; one that is not there is no error, as in the Go program.
    ///
    /// # Errors
    /// The store failed.
    pub async fn delete(&self, id: PusherId) -> Result<(), ServiceError> {
        match self.change(id, Change::Delete).await {
            Ok(_) | Err(ServiceError::NoSuchPusher(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Switches a channel on.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPusher`], [`ServiceError::OverLimit`], or the store failed.
    pub async fn add_sender(&self, id: PusherId, sender: SenderName) -> Result<Applied, ServiceError> {
        self.change(id, Change::AddSender(sender)).await
    }

    /// Switches a channel off.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPusher`], or the store failed.
    pub async fn remove_sender(&self, id: PusherId, sender: SenderName) -> Result<Applied, ServiceError> {
        self.change(id, Change::RemoveSender(sender)).await
    }

    /// Puts a label on.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPusher`], [`ServiceError::OverLimit`], or the store failed.
    pub async fn add_tag(&self, id: PusherId, tag: Tag) -> Result<Applied, ServiceError> {
        self.change(id, Change::AddTag(tag)).await
    }

    /// Takes a label off.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPusher`], or the store failed.
    pub async fn remove_tag(&self, id: PusherId, tag: Tag) -> Result<Applied, ServiceError> {
        self.change(id, Change::RemoveTag(tag)).await
    }

    async fn change(&self, id: PusherId, change: Change) -> Result<Applied, ServiceError> {
        let applied = self.storer.apply(vec![PusherChange { id: id.clone(), change }]).await;
        outcome(id, applied.into_iter().next())
    }
}

/// What the store's answer to a change of this recipient means.
fn outcome(id: PusherId, applied: Option<Result<Applied, StoreError>>) -> Result<Applied, ServiceError> {
    match applied {
        Some(Ok(Applied::Missing)) => Err(ServiceError::NoSuchPusher(id)),
        Some(Ok(Applied::OverLimit(limit))) => Err(ServiceError::OverLimit(id, limit)),
        Some(result) => Ok(result?),
        None => Err(StoreError::Failed("the store gave no result".into()).into()),
    }
}

#[async_trait]
impl Pushers for Service {
    async fn get(&self, id: &PusherId) -> Result<Option<Pusher>, PushersError> {
        match Self::get(self, id).await {
            Ok(pusher) => Ok(Some(pusher)),
            Err(ServiceError::NoSuchPusher(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, PushersError> {
        Ok(Self::search(self, query, from, size).await?)
    }

    async fn push(&self, request: PushRequest) -> Result<JobName, PushersError> {
        Ok(Self::push(self, request).await?)
    }

    async fn fan_out(&self, request: &FanOutRequest) -> Result<FanOutProgress, PushersError> {
        Ok(Self::fan_out(self, request).await?)
    }
}

impl From<ServiceError> for PushersError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NoSuchPusher(_)
            | ServiceError::SenderNotAdded(_)
            | ServiceError::OverLimit(..)
            | ServiceError::NoSearch
            | ServiceError::NoDeliveries
            | ServiceError::NoSuchDelivery(_)
            | ServiceError::NoSuchPushAll(_)
            | ServiceError::NotWaiting(_)
            | ServiceError::KeyReused
            | ServiceError::Tags(_)
            | ServiceError::Queue(QueueError::Refused(_))
            | ServiceError::Store(StoreError::Refused(_))
            | ServiceError::FanOutOfPushAll
            | ServiceError::Search(SearchError::Query(_)) => Self::Refused(error.to_string()),
            ServiceError::Search(SearchError::Unavailable(_) | SearchError::Store(_))
            | ServiceError::KeyInProgress
            | ServiceError::Store(_)
            | ServiceError::Queue(QueueError::Full(_) | QueueError::Unavailable(_)) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}
