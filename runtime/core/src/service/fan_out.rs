//! Fan-out: one pushall becomes one push per recipient, page by page.
//!
//! The pages follow the exact indexes of sender and tags by a cursor on the recipient's id, so whoever is there throughout is on
//! exactly one of them. Where jobs and delivery log are in one store, a page is one commit that moves the cursor and inserts
//! the jobs, and a page that does not begin where the cursor stands is refused: a kill at any moment repeats nothing and
//! leaves nobody out. With a Periodic server elsewhere the page is first entered into the log, then submitted, and then the
//! cursor is moved; a page that may have been submitted before is looked at recipient by recipient.

use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::join;

use super::push::pushall_sender;
use super::{Service, ServiceError};
use crate::audience::{Audience, TagExpr};
use crate::delivery::{DeliveryEvent, DeliveryLog, DeliveryState, Note, Page, PushAll, PushAllState};
use crate::fan_out::{FanOutProgress, FanOutRequest, MAX_FAN_OUT};
use crate::job_name::JobName;
use crate::ports::{JobKey, NewJob, QueueError, StoreError};
use crate::words::PusherId;

/// The most recipients on one page, which is one commit.
const PAGE: usize = 1000;
/// A page carries no more data than this, in bytes, unless one message alone is larger: it is held in memory as a whole.
const PAGE_BYTES: usize = 8 << 20;

/// One page, ready to be submitted.
struct Ready {
    jobs: Vec<NewJob>,
    page: Page,
}

/// What stays the same from page to page.
struct FanOut<'s> {
    service: &'s Service,
    request: &'s FanOutRequest,
    audience: Audience,
    log: &'s dyn DeliveryLog,
}

impl Service {
    /// Pushes to the next recipients, `limit` at most.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`] unless this service has a log; [`ServiceError::FanOutOfPushAll`]; the tag is no
    /// expression; or the store or the queue failed. Then the last page is not done, and asking again does it.
    pub async fn fan_out(&self, request: &FanOutRequest) -> Result<FanOutProgress, ServiceError> {
        let log = self.log()?;
        if request.sender == pushall_sender() {
            return Err(ServiceError::FanOutOfPushAll);
        }
        let audience = Audience { sender: request.sender.clone(), tags: TagExpr::parse(&request.tag)? };
        let kept = log.pushall(&request.id).await?;
        if let Some(ended) = kept.as_ref().filter(|kept| kept.state.is_final()) {
            return Ok(progress(ended));
        }
        let fan_out = FanOut { service: self, request, audience, log };
        match fan_out.pages(kept).await {
            // Somebody else has moved the cursor meanwhile, or it was cancelled: what is kept says how far it has come.
            Err(ServiceError::Queue(QueueError::Refused(_)) | ServiceError::Store(StoreError::Refused(_))) => {
                let kept = log.pushall(&request.id).await?;
                Ok(kept.as_ref().map_or(FanOutProgress { pushed: 0, done: false }, progress))
            }
            done => done,
        }
    }

    pub(super) fn log(&self) -> Result<&dyn DeliveryLog, ServiceError> {
        self.log.as_deref().ok_or(ServiceError::NoDeliveries)
    }
}

fn progress(kept: &PushAll) -> FanOutProgress {
    FanOutProgress { pushed: kept.counts.submitted, done: kept.state.is_final() }
}

impl FanOut<'_> {
    /// Page after page; the next one is made while the last one is being written.
    async fn pages(&self, kept: Option<PushAll>) -> Result<FanOutProgress, ServiceError> {
        let mut pushed = kept.as_ref().map_or(0, |kept| kept.counts.submitted);
        let recipients = match &kept {
            Some(PushAll { recipients: Some(_), .. }) => None,
            _ => Some(self.service.storer.count(&self.audience).await?),
        };
        let mut left = self.request.limit.clamp(1, MAX_FAN_OUT);
        let mut ready = self.make(kept.as_ref().and_then(|kept| kept.after.clone()), left).await?;
        ready.page.recipients = recipients;
        if !self.service.queue.keeps_notes() {
            self.leave_out_submitted(kept.as_ref(), &mut ready).await?;
        }
        loop {
            let (page, count) = (ready.page.clone(), ready.page.pushed);
            left = left.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
            if page.done || left == 0 {
                self.submit(ready).await?;
                return Ok(FanOutProgress { pushed: pushed + count, done: page.done });
            }
            let (submitted, next) = join(self.submit(ready), self.make(page.through, left)).await;
            submitted?;
            pushed += count;
            ready = next?;
        }
    }

    async fn make(&self, behind: Option<PusherId>, left: usize) -> Result<Ready, ServiceError> {
        let FanOutRequest { id, sender, tag, data, .. } = self.request;
        let size = PAGE.min(left).min(PAGE_BYTES / data.len().max(1)).max(1);
        let ids = self.service.storer.audience(&self.audience, behind.as_ref(), size).await?;
        let func = self.service.prefix.func(sender);
        let job = |id: &PusherId| {
            let key = JobKey { func: func.clone(), name: JobName::for_push(id, data) };
            NewJob { key, workload: data.clone(), sched_at: 0, count: 0 }
        };
        let jobs: Vec<NewJob> = ids.iter().map(job).collect();
        let page = Page {
            name: id.clone(),
            sender: sender.clone(),
            tag: tag.clone(),
            pushed: jobs.len() as u64,
            done: ids.len() < size,
            through: ids.into_iter().next_back().or_else(|| behind.clone()),
            behind,
            recipients: None,
        };
        Ok(Ready { jobs, page })
    }

    async fn submit(&self, Ready { jobs, page }: Ready) -> Result<(), ServiceError> {
        let (queue, count) = (&self.service.queue, jobs.len() as u64);
        if queue.keeps_notes() {
            queue.submit_noted(jobs, vec![Note::Page(page)]).await?;
        } else {
            let accepted = jobs.iter().map(|job| self.accepted(job)).collect();
            self.log.note(Vec::new(), accepted).await?;
            let names: Vec<_> = jobs.iter().map(|job| job.key.name.clone()).collect();
            queue.submit(jobs).await.into_iter().collect::<Result<(), QueueError>>()?;
            if let Err(refused) = self.log.note(vec![Note::Page(page)], Vec::new()).await {
                self.take_back_if_cancelled(names).await?;
                return Err(refused.into());
            }
        }
        self.service.accepted.fanned_out.fetch_add(count, Relaxed);
        Ok(())
    }

    /// Who cancelled the pushall while its page was submitted may have looked for these jobs before they were there.
    async fn take_back_if_cancelled(&self, names: Vec<JobName>) -> Result<(), ServiceError> {
        let FanOutRequest { id, sender, .. } = self.request;
        let pushall = self.log.pushall(id).await?;
        if pushall.is_some_and(|pushall| pushall.state == PushAllState::Cancelled) {
            self.service.remove(names.into_iter().map(|name| (sender.clone(), name)).collect()).await?;
        }
        Ok(())
    }

    fn accepted(&self, job: &NewJob) -> DeliveryEvent {
        let FanOutRequest { id, sender, tag, .. } = self.request;
        DeliveryEvent::Accepted {
            sender: sender.clone(),
            name: job.key.name.clone(),
            due_at: 0,
            pushall: Some(id.clone()),
            tag: Some(tag.clone()).filter(|tag| !tag.is_empty()),
            data: Some(job.workload.clone()),
        }
    }

    /// A page may have been submitted already, if a kill came before its cursor was moved: whoever of it has been tried since is
    /// not pushed to again.
    async fn leave_out_submitted(&self, kept: Option<&PushAll>, ready: &mut Ready) -> Result<(), ServiceError> {
        let Some(kept) = kept else { return Ok(()) };
        let mut left = Vec::with_capacity(ready.jobs.len());
        for job in std::mem::take(&mut ready.jobs) {
            let known = self.log.get(&job.key.name).await?;
            let is_out = known.iter().any(|delivery| {
                delivery.sender == self.request.sender
                    && delivery.pushall.as_ref() == Some(&kept.name)
                    && delivery.state != DeliveryState::Accepted
                    && delivery.accepted_at.is_some_and(|at| at >= kept.accepted_at)
            });
            if !is_out {
                left.push(job);
            }
        }
        ready.jobs = left;
        Ok(())
    }
}
