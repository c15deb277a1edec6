//! Looking at what became of messages, and changing it: redrive, cancel, put off, forget.

use super::push::pushall_sender;
use super::{Service, ServiceError};
use crate::delivery::{
    Delivery, DeliveryCursor, DeliveryEvent, DeliveryFilter, DeliveryPage, DeliveryState, Note, PushAll, PushAllCursor,
    PushAllPage, Report, Retention,
};
use crate::job_name::JobName;
use crate::ports::{JobKey, NewJob, QueueError, StoreError};
use crate::words::SenderName;

/// How many deliveries are changed in one commit.
const AT_ONCE: usize = 500;

/// How often a list is walked for what is to be cancelled. The second walk is over what changed during the first, and so
/// on: a few are enough.
const MAX_WALKS: usize = 32;

/// What is done to deliveries.
#[derive(Debug, Clone, Copy)]
enum Act {
    Redrive,
    Cancel,
    Forget,
}

/// What a request that changes many deliveries has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// How many were changed.
    pub count: u64,
    /// There may be more: ask again.
    pub more: bool,
}

/// How a pushall is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushAllStatus {
    /// What is kept of it.
    pub pushall: PushAll,
    /// Its own job was given up, and why: nobody else is pushed to until that dead letter (of the sender `pushall`) is
    /// redriven.
    pub dead: Option<String>,
}

impl Service {
    /// The deliveries that are asked for, the one that changed last first: `size` at most, behind `after`.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`], or the store failed.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<DeliveryCursor>,
        size: usize,
    ) -> Result<DeliveryPage, ServiceError> {
        Ok(self.log()?.list(filter, after, size).await?)
    }

    /// The deliveries of this name, at most one for each sender.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchDelivery`], [`ServiceError::NoDeliveries`], or the store failed.
    pub async fn delivery(&self, name: &JobName) -> Result<Vec<Delivery>, ServiceError> {
        let mut found = self.log()?.get(name).await?;
        if found.is_empty() {
            return Err(ServiceError::NoSuchDelivery(name.clone()));
        }
        let key = |delivery: &Delivery| JobKey { func: self.prefix.func(&delivery.sender), name: name.clone() };
        let running = self.queue.running(&found.iter().map(key).collect::<Vec<_>>()).await;
        for (delivery, is_running) in found.iter_mut().zip(running) {
            if is_running && delivery.state.may_become(DeliveryState::Sending) {
                delivery.state = DeliveryState::Sending;
            }
        }
        Ok(found)
    }

    /// Enters what workers report, in order and together. When this returns, all of it is durable. What was entered before
    /// changes nothing, so a report that may or may not have come can be told again.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`], or the store failed; then some may have been entered, and telling all of them again is
    /// right.
    pub async fn record(&self, reports: Vec<Report>) -> Result<(), ServiceError> {
        let events = reports.into_iter().map(DeliveryEvent::Attempted).collect();
        Ok(self.log()?.record(events).await.into_iter().collect::<Result<(), StoreError>>()?)
    }

    /// Accepts dead letters once more, `limit` at most.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`], or the store or the queue failed; some may be redriven then.
    pub async fn redrive(&self, filter: &DeliveryFilter, limit: usize) -> Result<Changed, ServiceError> {
        let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..filter.clone() };
        let mut changed = Changed::default();
        self.in_pages(&dead, limit, &mut changed, Act::Redrive).await?;
        Ok(changed)
    }

    /// How many were changed: a dead letter whose data is not kept cannot be redriven.
    async fn act(&self, act: Act, page: Vec<Delivery>) -> Result<u64, ServiceError> {
        let mut count = page.len() as u64;
        match act {
            Act::Redrive => {
                let mut letters = Vec::with_capacity(page.len());
                for found in page {
                    let kept = self.log()?.get(&found.name).await?;
                    // The same message may have been pushed again since: that one waits for its own time.
                    let is_it = |kept: &Delivery| {
                        kept.sender == found.sender && kept.state == DeliveryState::Dead && kept.data.is_some()
                    };
                    letters.extend(kept.into_iter().filter(is_it));
                }
                count = letters.len() as u64;
                self.redrive_letters(letters).await?;
            }
            Act::Cancel => self.remove(page.into_iter().map(|found| (found.sender, found.name)).collect()).await?,
            Act::Forget => {
                let forgotten = page.into_iter().map(|found| {
                    let Delivery { sender, name, .. } = found;
                    DeliveryEvent::Deleted { sender, name }
                });
                self.log()?.note(Vec::new(), forgotten.collect()).await?;
            }
        }
        Ok(count)
    }

    async fn redrive_letters(&self, letters: Vec<Delivery>) -> Result<(), ServiceError> {
        let mut deliveries = Vec::with_capacity(letters.len());
        let mut jobs = Vec::with_capacity(letters.len());
        for Delivery { sender, name, data, .. } in letters {
            let key = JobKey { func: self.prefix.func(&sender), name: name.clone() };
            jobs.push(NewJob { key, workload: data.unwrap_or_default(), sched_at: 0, count: 0 });
            deliveries.push((sender, name));
        }
        let note = Note::Redriven { deliveries };
        if self.queue.keeps_notes() {
            return Ok(self.queue.submit_noted(jobs, vec![note]).await?);
        }
        self.queue.submit(jobs).await.into_iter().collect::<Result<(), QueueError>>()?;
        Ok(self.log()?.note(vec![note], Vec::new()).await?)
    }

    /// Cancels messages that have not gone out, `limit` at most. Of a pushall that is named no further page goes out.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`], or the store or the queue failed; some may be cancelled then.
    pub async fn cancel_deliveries(&self, filter: &DeliveryFilter, limit: usize) -> Result<Changed, ServiceError> {
        if let Some(name) = &filter.pushall {
            self.log()?.note(vec![Note::CancelPushAll { name: name.clone() }], Vec::new()).await?;
            self.remove(vec![(pushall_sender(), name.clone())]).await?;
        }
        self.cancel_page(filter, limit).await
    }

    /// Cancels messages that wait, and touches no pushall.
    pub(super) async fn cancel_page(&self, filter: &DeliveryFilter, limit: usize) -> Result<Changed, ServiceError> {
        let mut changed = Changed::default();
        // In this order: what is tried meanwhile goes from the first to the second.
        for state in [DeliveryState::Accepted, DeliveryState::Waiting] {
            if filter.state.is_none_or(|wanted| wanted == state) {
                self.cancel_all(DeliveryFilter { state: Some(state), ..filter.clone() }, limit, &mut changed).await?;
            }
        }
        Ok(changed)
    }

    /// Cancels what stands in one state. A message that is tried again meanwhile goes to the front of the list, where a walk
    /// has been already; so after a walk there is another one over what has come to the front since it began, until one
    /// look at that finds nothing.
    async fn cancel_all(
        &self,
        mut filter: DeliveryFilter,
        limit: usize,
        changed: &mut Changed,
    ) -> Result<(), ServiceError> {
        let log = self.log()?;
        let of_state = DeliveryFilter { state: filter.state, ..DeliveryFilter::default() };
        for _ in 0..MAX_WALKS {
            let newest = log.list(&of_state, None, 1).await?.deliveries.first().map(|newest| newest.changed_at);
            let count = changed.count;
            let pages = self.in_pages(&filter, limit, changed, Act::Cancel).await?;
            if changed.more || (pages == 1 && changed.count == count) {
                return Ok(());
            }
            filter.since = filter.since.max(newest);
        }
        changed.more = true;
        Ok(())
    }

    /// Forgets deliveries that have ended, `limit` at most.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`], or the store failed; some may be forgotten then.
    pub async fn delete_deliveries(&self, filter: &DeliveryFilter, limit: usize) -> Result<Changed, ServiceError> {
        let mut changed = Changed::default();
        for state in DeliveryState::ALL.into_iter().filter(|state| state.is_final()) {
            if filter.state.is_none_or(|wanted| wanted == state) {
                let ended = DeliveryFilter { state: Some(state), ..filter.clone() };
                self.in_pages(&ended, limit, &mut changed, Act::Forget).await?;
            }
        }
        Ok(changed)
    }

    /// Does something to what a filter finds, page by page, until nothing is left or so many were found. How many pages
    /// there were.
    async fn in_pages(
        &self,
        filter: &DeliveryFilter,
        limit: usize,
        changed: &mut Changed,
        act: Act,
    ) -> Result<usize, ServiceError> {
        let log = self.log()?;
        let mut after = None;
        let mut pages = 0;
        loop {
            let left = limit.saturating_sub(usize::try_from(changed.count).unwrap_or(usize::MAX));
            if left == 0 {
                changed.more = true;
                return Ok(pages);
            }
            pages += 1;
            let page = log.list(filter, after, left.min(AT_ONCE)).await?;
            if !page.deliveries.is_empty() {
                changed.count += self.act(act, page.deliveries).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(pages);
            }
        }
    }

    /// Moves a message that waits to another time, in Unix seconds; 0: now. Without a sender it must be clear which one is
    /// meant.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchDelivery`]; [`ServiceError::NotWaiting`]; [`ServiceError::NoDeliveries`]; or the store or the
    /// queue failed.
    pub async fn move_delivery(
        &self,
        name: &JobName,
        sender: Option<&SenderName>,
        sched_at: i64,
    ) -> Result<(), ServiceError> {
        let mut found = self.log()?.get(name).await?;
        found.retain(|delivery| sender.is_none_or(|sender| delivery.sender == *sender));
        if found.is_empty() {
            return Err(ServiceError::NoSuchDelivery(name.clone()));
        }
        let waits = found.into_iter().find(|delivery| !delivery.state.is_final() && delivery.data.is_some());
        let Some(Delivery { sender, name, data, state, attempts, pushall, tag, .. }) = waits else {
            return Err(ServiceError::NotWaiting(name.clone()));
        };
        // What was tried stays tried: who is moved again and again is not tried for ever.
        let is_waiting = state == DeliveryState::Waiting;
        let count = attempts.last().filter(|_| is_waiting).map_or(0, |last| last.number);
        let key = JobKey { func: self.prefix.func(&sender), name: name.clone() };
        let workload = data.unwrap_or_default();
        if !self.queue.replace(NewJob { key, workload: workload.clone(), sched_at, count }).await? {
            return Err(ServiceError::NotWaiting(name));
        }
        let (mut notes, mut events) = (Vec::new(), Vec::new());
        if sender == pushall_sender()
            && let Some(PushAll { name, sender, tag, .. }) = self.log()?.pushall(&name).await?
        {
            notes.push(Note::PushAll { name, sender, tag, due_at: sched_at });
        }
        // Where the log has the jobs, what was not tried yet is its job.
        if is_waiting || !self.queue.keeps_notes() {
            let data = Some(workload).filter(|_| !self.queue.keeps_notes());
            events.push(DeliveryEvent::Accepted { sender, name, due_at: sched_at, pushall, tag, data });
        }
        if notes.is_empty() && events.is_empty() { Ok(()) } else { Ok(self.log()?.note(notes, events).await?) }
    }

    /// The last pushall of this name.
    ///
    /// # Errors
    /// [`ServiceError::NoSuchPushAll`], [`ServiceError::NoDeliveries`], or the store failed.
    pub async fn pushall_status(&self, name: &JobName) -> Result<PushAllStatus, ServiceError> {
        let log = self.log()?;
        let pushall = log.pushall(name).await?.ok_or_else(|| ServiceError::NoSuchPushAll(name.clone()))?;
        let own = log.get(name).await?.into_iter().find(|delivery| delivery.sender == pushall_sender());
        let dead = own.filter(|own| own.state == DeliveryState::Dead && !pushall.state.is_final());
        Ok(PushAllStatus { pushall, dead: dead.map(|own| own.reason.unwrap_or_default()) })
    }

    /// Pushalls, the one that was accepted last first: `size` at most, behind `after`.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`], or the store failed.
    pub async fn pushalls(&self, after: Option<PushAllCursor>, size: usize) -> Result<PushAllPage, ServiceError> {
        Ok(self.log()?.pushalls(after, size).await?)
    }

    /// Forgets what is old, the oldest first, `limit` at most; how many deliveries that were.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`], or the store failed.
    pub async fn prune(&self, retention: Retention, limit: usize) -> Result<usize, ServiceError> {
        Ok(self.log()?.prune(retention, limit).await?)
    }
}
