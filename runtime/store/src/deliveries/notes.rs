//! Notes: what is kept together with jobs, in their commit. All that can refuse them is looked at before anything is written.

use std::collections::HashMap;

use periodic::{Job, JobOpDone};
use pusher_core::{DeliveryEvent, DeliveryState, JobName, Note, SenderName, StoreError};

use crate::batch::Batch;
use crate::error::Failure;
use crate::writer::Operation;

/// Notes and events without jobs.
pub(super) struct Noted {
    pub(super) notes: Vec<Note>,
    pub(super) events: Vec<DeliveryEvent>,
}

/// Of which pushall jobs are, by what came with them.
enum PushAllOf {
    /// All of this one; 0: of none.
    All(u32),
    /// Each of its own; a job that is not here is left out.
    Each(HashMap<(Vec<u8>, Vec<u8>), u32>),
}

impl Operation for Noted {
    type Done = ();
    type Error = StoreError;

    fn apply(&self, batch: &mut Batch) -> Result<(), Failure> {
        batch.check_notes(&self.notes)?;
        for note in &self.notes {
            whole(batch.enter_note(note, None))?;
        }
        self.events.iter().try_for_each(|event| whole(batch.enter_delivery(event)))
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(Operation::bytes).sum::<usize>() + 1024 * self.notes.len()
    }

    fn error(reason: StoreError) -> StoreError {
        reason
    }
}

impl Batch<'_> {
    /// Stores jobs and what is noted with them, or refuses both.
    pub(crate) fn put_jobs_noted(&mut self, jobs: &[Job], note: &[u8]) -> Result<JobOpDone, Failure> {
        let notes = match note {
            [] => Vec::new(),
            bytes => Note::from_bytes(bytes).map_err(|why| Failure::Refused(StoreError::Failed(why)))?,
        };
        self.check_notes(&notes)?;
        jobs.iter().try_for_each(|job| self.check_job(job))?;
        let mut of = PushAllOf::All(0);
        for note in &notes {
            of = match whole(self.enter_note(note, Some(jobs.len() as u64)))? {
                PushAllOf::All(0) => of,
                other => other,
            };
        }
        let mut put = Vec::with_capacity(jobs.len());
        for job in jobs {
            let pushall = match &of {
                PushAllOf::All(number) => Some(*number),
                PushAllOf::Each(each) => each.get(&(job.key.func.to_vec(), job.key.name.to_vec())).copied(),
            };
            put.push(pushall.map(|pushall| whole(self.put_checked(job, pushall))).transpose()?);
        }
        Ok(JobOpDone::PutAll(put))
    }

    fn check_notes(&mut self, notes: &[Note]) -> Result<(), Failure> {
        notes.iter().try_for_each(|note| match note {
            Note::Page(page) => self.check_page(page),
            Note::Once(once) => self.check_once(once),
            Note::PushAll { .. } | Note::CancelPushAll { .. } | Note::Redriven { .. } => Ok(()),
        })
    }

    /// So many jobs come with it; `None`: they were submitted elsewhere.
    fn enter_note(&mut self, note: &Note, jobs: Option<u64>) -> Result<PushAllOf, Failure> {
        match note {
            Note::PushAll { name, sender, tag, due_at } => self.accept_pushall(name, sender, tag, *due_at)?,
            Note::Page(page) => {
                let were_sent = jobs.map_or(0, |jobs| page.pushed.saturating_sub(jobs));
                return Ok(PushAllOf::All(self.enter_page(page, were_sent)?));
            }
            Note::CancelPushAll { name } => self.cancel_pushall(name)?,
            Note::Redriven { deliveries } => return self.enter_redriven(deliveries),
            Note::Once(once) => self.enter_once(once)?,
        }
        Ok(PushAllOf::All(0))
    }

    /// Those that are dead, and of which pushall each is. One that was pushed again since has a job, which stays as it is.
    fn enter_redriven(&mut self, deliveries: &[(SenderName, JobName)]) -> Result<PushAllOf, Failure> {
        let mut each = HashMap::with_capacity(deliveries.len());
        for (sender, name) in deliveries {
            let Some(kept) = self.delivery_kept(sender, name)? else { continue };
            if kept.delivery.state == DeliveryState::Dead && self.facts_of(sender, name)?.is_none() {
                let redriven = DeliveryEvent::Redriven { sender: sender.clone(), name: name.clone() };
                self.enter(&redriven, None)?;
                let func = String::from(self.store.prefix.func(sender)).into_bytes();
                each.insert((func, name.as_str().as_bytes().to_vec()), kept.pushall);
            }
        }
        Ok(PushAllOf::Each(each))
    }
}

/// Something was written already: what is refused now takes all of it back.
fn whole<T>(done: Result<T, Failure>) -> Result<T, Failure> {
    done.map_err(|failure| match failure {
        Failure::Refused(reason) | Failure::Lost(reason) => Failure::Lost(reason),
    })
}
