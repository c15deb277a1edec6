//! Fan-out: one pushall becomes one push per recipient, page by page.
//!
//! The pages follow the exact index of the tag, or of the sender, by a cursor on the recipient's id, so whoever is there
//! throughout is on exactly one of them. How far a fan-out has come is durable ([`FanOuts`]), so another attempt goes on
//! where the last one ended. A page's jobs are durable before the cursor moves past them: what dies in between submits
//! the page again, and those of its jobs that still wait are the same jobs.

use std::sync::atomic::Ordering::Relaxed;

use async_trait::async_trait;

use crate::job_name::JobName;
use crate::ports::{JobKey, NewJob, QueueError, Scope, StoreError};
use crate::service::{Service, ServiceError, pushall_sender};
use crate::words::{PusherId, SenderName, Tag};

/// The most recipients on one page.
pub const MAX_FAN_OUT_PAGE: usize = 1000;
/// A page carries no more data than this, in bytes, unless one message alone is larger: it is held in memory as a whole.
const MAX_PAGE_DATA: usize = 8 << 20;

/// A page of a fan-out, as a sender asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOutRequest {
    /// The pushall's job, under whose name it is kept how far it has come.
    pub id: JobName,
    /// The channel to push to.
    pub sender: SenderName,
    /// Only those who have this label.
    pub tag: Option<Tag>,
    /// What to say.
    pub data: String,
    /// How many recipients to look at, at most [`MAX_FAN_OUT_PAGE`].
    pub limit: usize,
}

/// How far a fan-out has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanOutProgress {
    /// How many recipients have been pushed to since it began.
    pub pushed: u64,
    /// Is the last recipient among them?
    pub done: bool,
}

/// The same, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FanOut {
    /// The last recipient that was looked at; `None`: none yet.
    pub after: Option<PusherId>,
    /// How many have been pushed to.
    pub pushed: u64,
    /// Nobody is left.
    pub done: bool,
}

/// Keeps how far fan-outs have come.
#[async_trait]
pub trait FanOuts: Send + Sync {
    /// How far the one of this name has come; `None`: it is not known.
    async fn get(&self, id: &JobName) -> Result<Option<FanOut>, StoreError>;

    /// Keeps it, durably. Of those that are done the oldest may be forgotten when there are thousands.
    async fn put(&self, id: &JobName, fan_out: FanOut) -> Result<(), StoreError>;

    /// Forgets it.
    async fn remove(&self, id: &JobName) -> Result<(), StoreError>;
}

impl Service {
    /// Pushes to the next page of recipients.
    ///
    /// # Errors
    /// [`ServiceError::NoFanOut`] unless this service keeps fan-outs; [`ServiceError::FanOutOfPushAll`]; or the store or
    /// the queue failed. Then the page is not done, and asking again does it.
    pub async fn fan_out(&self, request: &FanOutRequest) -> Result<FanOutProgress, ServiceError> {
        let FanOutRequest { id, sender, tag, data, limit } = request;
        let kept = self.fan_outs.as_ref().ok_or(ServiceError::NoFanOut)?;
        if *sender == pushall_sender() {
            return Err(ServiceError::FanOutOfPushAll);
        }
        let mut fan_out = kept.get(id).await?.unwrap_or_default();
        if !fan_out.done {
            let size = (*limit).min(MAX_FAN_OUT_PAGE).min(MAX_PAGE_DATA / data.len().max(1)).max(1);
            let scope = tag.as_ref().map_or_else(|| Scope::Sender(sender.clone()), |tag| Scope::Tag(tag.clone()));
            let page = self.storer.page(&scope, fan_out.after.as_ref(), size).await?;
            let jobs = self.jobs_of_page(&page, request).await?;
            let pushed = jobs.len() as u64;
            self.queue.submit(jobs).await.into_iter().collect::<Result<(), QueueError>>()?;
            self.accepted.fanned_out.fetch_add(pushed, Relaxed);
            let done = page.len() < size;
            fan_out =
                FanOut { after: page.into_iter().next_back().or(fan_out.after), pushed: fan_out.pushed + pushed, done };
            kept.put(id, fan_out.clone()).await?;
        }
        Ok(FanOutProgress { pushed: fan_out.pushed, done: fan_out.done })
    }

    /// A job for each who has the sender.
    async fn jobs_of_page(&self, page: &[PusherId], request: &FanOutRequest) -> Result<Vec<NewJob>, StoreError> {
        let FanOutRequest { sender, data, .. } = request;
        let func = self.prefix.func(sender);
        let job = |id: &PusherId| {
            let key = JobKey { func: func.clone(), name: JobName::for_push(id, data) };
            NewJob { key, workload: data.clone(), sched_at: 0 }
        };
        if request.tag.is_none() {
            return Ok(page.iter().map(job).collect());
        }
        // The index of a tag does not say who has the sender.
        let found = self.storer.get(page).await?;
        Ok(found.iter().flatten().filter(|pusher| pusher.has_sender(sender)).map(|pusher| job(&pusher.id)).collect())
    }

    /// The same pushall as one that is done already is a new one: it begins at the beginning. One that is under way, or
    /// was given up on the way, is the same still, and nobody is pushed to twice.
    pub(crate) async fn begin_anew(&self, id: &JobName) -> Result<(), StoreError> {
        let Some(kept) = &self.fan_outs else { return Ok(()) };
        match kept.get(id).await? {
            Some(FanOut { done: true, .. }) => kept.remove(id).await,
            _ => Ok(()),
        }
    }
}
