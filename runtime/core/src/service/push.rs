//! Accepting messages, and taking them back.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::{Service, ServiceError};
use crate::audience::TagExpr;
use crate::delivery::{DeliveryEvent, DeliveryFilter, Note, Once};
use crate::gojson;
use crate::job_name::JobName;
use crate::ports::{JobKey, NewJob, PushRequest, QueueError, StoreError};
use crate::words::SenderName;

/// The workload of a pushall job: keys in Go's order, `tag` there even when empty.
#[derive(Serialize)]
struct PushAllData<'a> {
    data: &'a str,
    tag: &'a str,
}

impl Service {
    /// Accepts one message to one recipient. When this returns, the message is durable.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPusher`], [`ServiceError::SenderNotAdded`], or the store or queue failed.
    pub async fn push(&self, request: PushRequest) -> Result<JobName, ServiceError> {
        self.push_noted(request, None).await
    }

    /// The same, unless this request was carried out before: then it is answered as it was, and not done again.
    ///
    /// # Errors
    /// As [`push`](Self::push); [`ServiceError::KeyInProgress`], [`ServiceError::KeyReused`], and
    /// [`ServiceError::NoDeliveries`] without a log.
    pub async fn push_once(&self, request: PushRequest, once: Once) -> Result<JobName, ServiceError> {
        let Some(_under_way) = self.begin_once(&once).await? else {
            return Ok(JobName::for_push(&request.pusher, &request.data));
        };
        self.push_noted(request, Some(once)).await
    }

    async fn push_noted(&self, request: PushRequest, once: Option<Once>) -> Result<JobName, ServiceError> {
        match self.storer.has_sender(&request.pusher, &request.sender).await? {
            None => return Err(ServiceError::NoSuchPusher(request.pusher)),
            Some(false) if !request.force => return Err(ServiceError::SenderNotAdded(request.pusher)),
            Some(_) => {}
        }
        let name = JobName::for_push(&request.pusher, &request.data);
        self.accept(&request.sender, name.clone(), request.data, request.sched_at, None, once).await?;
        self.accepted.pushes.fetch_add(1, Relaxed);
        Ok(name)
    }

    /// Accepts one message to every recipient that has `sender` and on whom `tag`, a tag or an expression of tags, holds,
    /// unless it is empty. The job waits for a worker that runs the `pushall` sender.
    ///
    /// # Errors
    /// The tag is no expression, or the store or the queue failed.
    pub async fn pushall(
        &self,
        sender: &SenderName,
        tag: &str,
        data: &str,
        sched_at: i64,
    ) -> Result<JobName, ServiceError> {
        self.pushall_noted(sender, tag, data, sched_at, None).await
    }

    /// The same, unless this request was carried out before: then it is answered as it was, and not done again.
    ///
    /// # Errors
    /// As [`pushall`](Self::pushall); [`ServiceError::KeyInProgress`], [`ServiceError::KeyReused`], and
    /// [`ServiceError::NoDeliveries`] without a log.
    pub async fn pushall_once(
        &self,
        sender: &SenderName,
        tag: &str,
        data: &str,
        sched_at: i64,
        once: Once,
    ) -> Result<JobName, ServiceError> {
        let Some(_under_way) = self.begin_once(&once).await? else {
            return Ok(JobName::for_pushall(sender, &workload(tag, data)?));
        };
        self.pushall_noted(sender, tag, data, sched_at, Some(once)).await
    }

    async fn pushall_noted(
        &self,
        sender: &SenderName,
        tag: &str,
        data: &str,
        sched_at: i64,
        once: Option<Once>,
    ) -> Result<JobName, ServiceError> {
        TagExpr::parse(tag)?;
        let workload = workload(tag, data)?;
        let name = JobName::for_pushall(sender, &workload);
        let (sender, tag) = (sender.clone(), tag.to_owned());
        let note = Note::PushAll { name: name.clone(), sender, tag, due_at: sched_at };
        self.accept(&pushall_sender(), name.clone(), workload, sched_at, Some(note), once).await?;
        self.accepted.pushalls.fetch_add(1, Relaxed);
        Ok(name)
    }

    /// Cancels a push (`sender` as it was pushed to) or a pushall (`sender` = `pushall`) that has not gone out. Of a pushall
    /// that is under way no further page goes out, and those of its messages that have not gone out are cancelled. One
    /// that is not there is no error, as in the Go program.
    ///
    /// # Errors
    /// The queue or the store failed. Of a pushall some messages may be cancelled then; asking again cancels the others.
    pub async fn cancel(&self, sender: &SenderName, name: JobName) -> Result<(), ServiceError> {
        let is_pushall = *sender == pushall_sender();
        if is_pushall && let Some(log) = &self.log {
            log.note(vec![Note::CancelPushAll { name: name.clone() }], Vec::new()).await?;
        }
        self.remove(vec![(sender.clone(), name.clone())]).await?;
        if is_pushall && self.log.is_some() {
            let of_it = DeliveryFilter { pushall: Some(name), ..DeliveryFilter::default() };
            self.cancel_page(&of_it, usize::MAX).await?;
        }
        Ok(())
    }

    /// Takes messages out of the queue, and has the log say so.
    pub(super) async fn remove(&self, which: Vec<(SenderName, JobName)>) -> Result<(), ServiceError> {
        let key =
            |(sender, name): &(SenderName, JobName)| JobKey { func: self.prefix.func(sender), name: name.clone() };
        let keys = which.iter().map(key).collect();
        self.queue.remove(keys).await.into_iter().collect::<Result<(), QueueError>>()?;
        // Where jobs and log are in one store, the log knows.
        if let Some(log) = self.log.as_ref().filter(|_| !self.queue.keeps_notes()) {
            let cancelled = which.into_iter().map(|(sender, name)| DeliveryEvent::Cancelled { sender, name });
            log.note(Vec::new(), cancelled.collect()).await?;
        }
        Ok(())
    }

    /// Submits a job and keeps what goes with it.
    async fn accept(
        &self,
        sender: &SenderName,
        name: JobName,
        workload: String,
        sched_at: i64,
        note: Option<Note>,
        once: Option<Once>,
    ) -> Result<(), ServiceError> {
        let key = JobKey { func: self.prefix.func(sender), name };
        let once = once.map(Note::Once);
        if self.queue.keeps_notes() {
            let job = NewJob { key, workload, sched_at, count: 0 };
            let notes: Vec<Note> = note.into_iter().chain(once).collect();
            if notes.is_empty() {
                return Ok(one(self.queue.submit(vec![job]).await)?);
            }
            return Ok(self.queue.submit_noted(vec![job], notes).await?);
        }
        // Apart, because a push that does not go that way would carry it along.
        Box::pin(self.accept_elsewhere(sender, NewJob { key, workload, sched_at, count: 0 }, note, once)).await
    }

    /// The same with a Periodic server elsewhere: the log is written first, so that nothing that was taken there is unknown
    /// here; what a kill leaves between the two stands as accepted, and nobody was told so.
    async fn accept_elsewhere(
        &self,
        sender: &SenderName,
        job: NewJob,
        note: Option<Note>,
        once: Option<Note>,
    ) -> Result<(), ServiceError> {
        if let Some(log) = &self.log {
            let accepted = DeliveryEvent::Accepted {
                sender: sender.clone(),
                name: job.key.name.clone(),
                due_at: job.sched_at,
                pushall: None,
                tag: None,
                data: Some(job.workload.clone()),
            };
            log.note(note.into_iter().collect(), vec![accepted]).await?;
        }
        one(self.queue.submit(vec![job]).await)?;
        if let (Some(log), Some(once)) = (&self.log, once) {
            log.note(vec![once], Vec::new()).await?;
        }
        Ok(())
    }
}

fn workload(tag: &str, data: &str) -> Result<String, StoreError> {
    gojson::to_string(&PushAllData { data, tag })
        .map_err(|error| StoreError::Failed(format!("the workload has no JSON form: {error}")))
}

/// The sender that turns one pushall into one push per recipient.
pub(super) fn pushall_sender() -> SenderName {
    let Ok(name) = SenderName::parse("pushall") else { unreachable!("a short constant that is not reserved") };
    name
}

/// The one result of a batch of one.
pub(super) fn one(results: Vec<Result<(), QueueError>>) -> Result<(), QueueError> {
    results.into_iter().next().unwrap_or_else(|| Err(QueueError::Unavailable("the queue gave no result".into())))
}
