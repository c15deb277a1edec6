//! The delivery log and the jobs in the same store: which jobs are messages, and what their ends mean.
//!
//! A message that waits and was never tried has no record: it is its job. What its worker says with its end is kept in the
//! commit that ends it; a job that is deleted before that was cancelled; one that a worker ended without a word was
//! delivered, as far as anybody knows.

use periodic::{JobKey, Seq};
use pusher_core::{
    Attempted, Delivery, DeliveryEvent, JobName, Prefix, PushAll, Report, Reported, SenderName, StoreError,
};

use super::record::{Kept, number_millis};
use super::write::JobFacts;
use crate::batch::Batch;
use crate::error::Failure;
use crate::jobs;
use crate::record::JobRecord;
use crate::writer::Operation;

/// How a job came to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End<'r> {
    /// It is done, and its worker said this.
    Done(&'r [u8]),
    /// It was not.
    Discarded,
}

/// What a job says of its delivery. One of an earlier schema has no time: its number will do, which is smaller than any time.
pub(crate) fn facts(seq: Seq, record: &JobRecord) -> JobFacts {
    let number = if record.number == 0 { seq } else { record.number };
    JobFacts { number, pushall: record.pushall, sched_at: record.sched_at }
}

/// The sender of a job of this func, if it is one of ours.
pub(crate) fn sender_of(prefix: &Prefix, func: &[u8]) -> Option<SenderName> {
    let name = func.strip_prefix(prefix.as_str().as_bytes())?;
    SenderName::parse(std::str::from_utf8(name).ok()?).ok()
}

/// The job as a message that was not tried yet.
pub(crate) fn accepted(sender: &SenderName, name: &JobName, job: JobFacts, of: Option<&PushAll>) -> Option<Kept> {
    let delivery = Delivery::accepted(sender, name, number_millis(job.number), job.sched_at)?;
    let pushall = of.map(|of| of.name.clone());
    let tag = of.map(|of| of.tag.clone()).filter(|tag| !tag.is_empty());
    Some(Kept { pushall: of.map_or(0, |_| job.pushall), delivery: Delivery { pushall, tag, ..delivery } })
}

/// What the end of a job means for the log, if it was a message.
pub(crate) fn event_of(prefix: &Prefix, record: &JobRecord, end: End) -> Option<DeliveryEvent> {
    let sender = sender_of(prefix, record.func)?;
    let name = JobName::parse(std::str::from_utf8(record.name).ok()?).ok()?;
    if let End::Done(said) = end
        && let Some(Attempted { sender: from, attempt, dead }) = Attempted::from_bytes(said)
        && from == sender
    {
        let reported = match dead {
            None => Reported::Delivered,
            Some(reason) => Reported::Dead { reason, data: String::from_utf8_lossy(record.workload).into_owned() },
        };
        return Some(DeliveryEvent::Concluded(Report { sender, name, attempt, reported }));
    }
    // Nobody has looked yet whether it is a message.
    name.verify(record.workload)?;
    Some(match end {
        End::Done(_) => DeliveryEvent::Ended { sender, name },
        End::Discarded => DeliveryEvent::Cancelled { sender, name },
    })
}

impl Batch<'_> {
    /// What the job of a message says, if it is here.
    pub(super) fn facts_of(&self, sender: &SenderName, name: &JobName) -> Result<Option<JobFacts>, Failure> {
        Ok(self.waiting(sender, name)?.map(|(facts, _)| facts))
    }

    /// The same, with the message's data.
    fn waiting(&self, sender: &SenderName, name: &JobName) -> Result<Option<(JobFacts, &[u8])>, Failure> {
        let key = JobKey {
            func: String::from(self.store.prefix.func(sender)).into(),
            name: String::from(name.clone()).into(),
        };
        let Some(seq) = self.find_job(self.store.hash.of(&key.func, &key.name), &key)? else { return Ok(None) };
        Ok(jobs::read(self.tables, &self.txn, seq)?.map(|record| (facts(seq, &record), record.workload)))
    }
}

/// Looks for jobs of this name, under each of these senders. It is asked of the writer, which has the newest part of the
/// index.
pub(super) struct Find {
    pub(super) name: JobName,
    pub(super) senders: Vec<SenderName>,
}

/// A message that waits.
pub(super) struct Waiting {
    pub(super) sender: SenderName,
    pub(super) facts: JobFacts,
    pub(super) data: String,
}

impl Operation for Find {
    type Done = Vec<Waiting>;
    type Error = StoreError;

    fn apply(&self, batch: &mut Batch) -> Result<Vec<Waiting>, Failure> {
        let mut found = Vec::new();
        for sender in &self.senders {
            if let Some((facts, data)) = batch.waiting(sender, &self.name)? {
                let data = String::from_utf8_lossy(data).into_owned();
                found.push(Waiting { sender: sender.clone(), facts, data });
            }
        }
        Ok(found)
    }

    fn bytes(&self) -> usize {
        0
    }

    fn error(reason: StoreError) -> StoreError {
        reason
    }
}
