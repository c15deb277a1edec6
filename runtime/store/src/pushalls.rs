//! Pushalls: how far each has come, and how many of its messages ended how.
//!
//! | database | key | value |
//! | --- | --- | --- |
//! | `pushalls` | number, counted up | a version byte and a [`PushAll`] in postcard's format |
//! | `pushall_names` | name of its job | the number of the last pushall of this name |
//!
//! Each message of a pushall has its number, in its job and in its record, so that what becomes of it is counted where it
//! belongs. The counts of a batch are gathered and written before the commit.

use std::collections::HashMap;

use heed::types::{Bytes, Str};
use heed::{Database, Env, RoTxn, RwTxn, WithoutTls};
use pusher_core::{
    DeliveryState, JobName, Page, PushAll, PushAllCounts, PushAllCursor, PushAllPage, PushAllState, PusherId,
    SenderName, StoreError,
};

use crate::batch::Batch;
use crate::deliveries::number_millis;
use crate::error::{Failure, corrupt, store_error};
use crate::keys::LAST_PUSHALL;
use crate::open::Opened;
use crate::tables::Tables;

const VERSION: u8 = 1;

/// How the counts of pushalls change in a batch.
#[derive(Default)]
pub(crate) struct CountChanges(HashMap<u32, CountChange>);

#[derive(Default)]
struct CountChange {
    merged: i64,
    delivered: i64,
    dead: i64,
    cancelled: i64,
}

impl CountChanges {
    /// A message of this pushall came to stand, or stands no longer, where it counts.
    pub(crate) fn count(&mut self, pushall: u32, state: DeliveryState, by: i64) {
        if pushall == 0 {
            return;
        }
        let change = self.0.entry(pushall).or_default();
        match state {
            DeliveryState::Delivered => change.delivered += by,
            DeliveryState::Dead => change.dead += by,
            DeliveryState::Cancelled => change.cancelled += by,
            DeliveryState::Accepted | DeliveryState::Sending | DeliveryState::Waiting => {}
        }
    }

    /// A message of this pushall is another one's now, or was one before.
    pub(crate) fn merged(&mut self, pushall: u32) {
        if pushall != 0 {
            self.0.entry(pushall).or_default().merged += 1;
        }
    }
}

/// A pushall with its number.
pub(crate) struct Numbered {
    pub(crate) number: u32,
    pub(crate) pushall: PushAll,
}

impl Batch<'_> {
    /// The last pushall of this name.
    pub(crate) fn pushall_named(&self, name: &JobName) -> Result<Option<Numbered>, Failure> {
        read_named(self.tables, &self.txn, name).map_err(Failure::Refused)
    }

    pub(crate) fn pushall_at(&self, number: u32) -> Result<Option<PushAll>, Failure> {
        read(self.tables, &self.txn, number).map_err(Failure::Refused)
    }

    /// A pushall is accepted: a new one, unless the last one of its name has not ended.
    pub(crate) fn accept_pushall(
        &mut self,
        name: &JobName,
        sender: &SenderName,
        tag: &str,
        due_at: i64,
    ) -> Result<(), Failure> {
        match self.pushall_named(name)? {
            Some(Numbered { number, pushall }) if !pushall.state.is_final() => {
                self.put_pushall(number, &PushAll { due_at, ..pushall })
            }
            _ => self.add_pushall(name, sender, tag, due_at).map(drop),
        }
    }

    fn add_pushall(
        &mut self,
        name: &JobName,
        sender: &SenderName,
        tag: &str,
        due_at: i64,
    ) -> Result<Numbered, Failure> {
        // Not the last one in the table: it may be forgotten before the last of its messages is.
        let last = self.tables.counters.get(&self.txn, LAST_PUSHALL)?.and_then(|last| u32::try_from(last).ok());
        let last = last.max(self.tables.pushalls.last(&self.txn)?.map(|(number, _)| number)).unwrap_or(0);
        let number =
            last.checked_add(1).ok_or_else(|| Failure::Refused(StoreError::Failed("too many pushalls".into())))?;
        self.tables.counters.put(&mut self.txn, LAST_PUSHALL, &number.into())?;
        let now = number_millis(self.next_number()?);
        let pushall = PushAll {
            name: name.clone(),
            sender: sender.clone(),
            tag: tag.to_owned(),
            accepted_at: now,
            due_at,
            state: PushAllState::Accepted,
            changed_at: now,
            recipients: None,
            after: None,
            counts: PushAllCounts::default(),
        };
        self.put_pushall(number, &pushall)?;
        self.tables.pushall_names.put(&mut self.txn, name.as_str(), &number)?;
        Ok(Numbered { number, pushall })
    }

    /// Refuses a page that does not begin where its pushall stands.
    pub(crate) fn check_page(&self, page: &Page) -> Result<(), Failure> {
        let refused =
            |why: &str| Err(Failure::Refused(StoreError::Refused(format!("the pushall {} {why}", page.name))));
        match self.pushall_named(&page.name)? {
            Some(Numbered { pushall, .. }) if pushall.state.is_final() => refused("has ended"),
            Some(Numbered { pushall, .. }) if pushall.after != page.behind => refused("has come elsewhere meanwhile"),
            None if page.behind.is_some() => refused("has not begun"),
            _ => Ok(()),
        }
    }

    /// Moves a pushall's cursor; its number. `merged` of the page's messages were being sent already.
    pub(crate) fn enter_page(&mut self, page: &Page, merged: u64) -> Result<u32, Failure> {
        let Numbered { number, mut pushall } = match self.pushall_named(&page.name)? {
            Some(found) => found,
            // Submitted to the Periodic server by somebody else than this API.
            None => self.add_pushall(&page.name, &page.sender, &page.tag, 0)?,
        };
        pushall.tag.clone_from(&page.tag);
        pushall.after.clone_from(&page.through);
        pushall.recipients = page.recipients.or(pushall.recipients);
        pushall.counts.submitted += page.pushed;
        pushall.counts.merged += merged;
        pushall.state = if page.done { PushAllState::Done } else { PushAllState::Running };
        pushall.changed_at = number_millis(self.next_number()?);
        self.put_pushall(number, &pushall)?;
        Ok(number)
    }

    /// No further page is taken.
    pub(crate) fn cancel_pushall(&mut self, name: &JobName) -> Result<(), Failure> {
        let Some(Numbered { number, pushall }) = self.pushall_named(name)? else { return Ok(()) };
        if pushall.state.is_final() {
            return Ok(());
        }
        let changed_at = number_millis(self.next_number()?);
        self.put_pushall(number, &PushAll { state: PushAllState::Cancelled, changed_at, ..pushall })
    }

    fn put_pushall(&mut self, number: u32, pushall: &PushAll) -> Result<(), Failure> {
        put(self.tables, &mut self.txn, number, pushall)
    }

    pub(crate) fn keep_pushall_counts(&mut self) -> Result<(), Failure> {
        for (number, change) in std::mem::take(&mut self.pushall_counts.0) {
            let Some(mut pushall) = self.pushall_at(number)? else { continue };
            let counts = &mut pushall.counts;
            counts.merged = counts.merged.saturating_add_signed(change.merged);
            counts.delivered = counts.delivered.saturating_add_signed(change.delivered);
            counts.dead = counts.dead.saturating_add_signed(change.dead);
            counts.cancelled = counts.cancelled.saturating_add_signed(change.cancelled);
            self.put_pushall(number, &pushall)?;
        }
        Ok(())
    }

    /// Forgets pushalls that ended before this time, in Unix milliseconds, and whose messages all have; looks at so many.
    pub(crate) fn prune_pushalls(&mut self, before: i64, limit: usize) -> Result<(), Failure> {
        let mut old = Vec::new();
        for entry in self.tables.pushalls.iter(&self.txn)?.take(limit) {
            let (number, bytes) = entry?;
            let Ok(pushall) = decode(number, bytes) else { continue };
            if pushall.accepted_at >= before {
                break;
            }
            if pushall.state.is_final() && pushall.changed_at < before && pushall.counts.waiting() == 0 {
                old.push((number, pushall.name));
            }
        }
        for (number, name) in old {
            self.tables.pushalls.delete(&mut self.txn, &number)?;
            if self.tables.pushall_names.get(&self.txn, name.as_str())? == Some(number) {
                self.tables.pushall_names.delete(&mut self.txn, name.as_str())?;
            }
        }
        Ok(())
    }
}

impl Opened {
    pub(crate) fn pushall(&self, name: &JobName) -> Result<Option<PushAll>, StoreError> {
        let txn = self.env.read_txn().map_err(|e| store_error(&e))?;
        Ok(read_named(&self.tables, &txn, name)?.map(|found| found.pushall))
    }

    pub(crate) fn list_pushalls(&self, after: Option<PushAllCursor>, size: usize) -> Result<PushAllPage, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.env.read_txn().map_err(lmdb)?;
        let end = after.map_or(u32::MAX, |PushAllCursor(number)| u32::try_from(number).unwrap_or(u32::MAX));
        let mut walk = self.tables.pushalls.rev_range(&txn, &(..end)).map_err(lmdb)?;
        let mut page = PushAllPage::default();
        let mut last = None;
        for entry in walk.by_ref().take(size) {
            let (number, bytes) = entry.map_err(lmdb)?;
            page.pushalls.push(decode(number, bytes)?);
            last = Some(PushAllCursor(number.into()));
        }
        page.next = last.filter(|_| walk.next().is_some());
        Ok(page)
    }
}

fn read_named(tables: &Tables, txn: &RoTxn, name: &JobName) -> Result<Option<Numbered>, StoreError> {
    let number = tables.pushall_names.get(txn, name.as_str()).map_err(|e| store_error(&e))?;
    let Some(number) = number else { return Ok(None) };
    Ok(read(tables, txn, number)?.map(|pushall| Numbered { number, pushall }))
}

/// The pushall of this number; 0 is none.
pub(crate) fn read(tables: &Tables, txn: &RoTxn, number: u32) -> Result<Option<PushAll>, StoreError> {
    if number == 0 {
        return Ok(None);
    }
    let bytes = tables.pushalls.get(txn, &number).map_err(|e| store_error(&e))?;
    bytes.map(|bytes| decode(number, bytes)).transpose()
}

fn put(tables: &Tables, txn: &mut RwTxn, number: u32, pushall: &PushAll) -> Result<(), Failure> {
    let written = postcard::to_extend(pushall, vec![VERSION]);
    let bytes = written
        .map_err(|error| Failure::Refused(StoreError::Failed(format!("a pushall cannot be written: {error}"))))?;
    Ok(tables.pushalls.put(txn, &number, &bytes)?)
}

fn decode(number: u32, bytes: &[u8]) -> Result<PushAll, StoreError> {
    let unreadable = |reason: String| corrupt(format!("pushall {number}"), reason);
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|error| unreadable(error.to_string())),
        _ => Err(unreadable("it is of no version that is known".into())),
    }
}

/// Schema 3 kept of a pushall how far it had come: a byte that says whether it was done, how many had been pushed to, eight
/// bytes that do not matter any more, and the last recipient. One that is under way goes on from there.
pub(crate) fn take_fan_outs_over(env: &Env<WithoutTls>, tables: &Tables, txn: &mut RwTxn) -> heed::Result<()> {
    let before: Option<Database<Str, Bytes>> = env.open_database(txn, Some("fan_outs"))?;
    let Some(before) = before else { return Ok(()) };
    let mut taken = Vec::new();
    for entry in before.iter(txn)? {
        let (name, bytes) = entry?;
        taken.extend(fan_out(name, bytes));
    }
    for (number, pushall) in (1..).zip(taken) {
        put(tables, txn, number, &pushall).map_err(|failure| heed::Error::Encoding(failure.into_reason().into()))?;
        tables.pushall_names.put(txn, pushall.name.as_str(), &number)?;
    }
    before.clear(txn)
}

fn fan_out(name: &str, bytes: &[u8]) -> Option<PushAll> {
    let (&done, rest) = bytes.split_first()?;
    let (&pushed, rest) = rest.split_first_chunk::<8>()?;
    let after = std::str::from_utf8(rest.get(8..)?).ok()?;
    let (sender, _) = name.rsplit_once('_')?;
    let submitted = u64::from_be_bytes(pushed);
    Some(PushAll {
        name: JobName::parse(name).ok()?,
        sender: SenderName::parse(sender).ok()?,
        tag: String::new(),
        accepted_at: 0,
        due_at: 0,
        state: if done == 1 { PushAllState::Done } else { PushAllState::Running },
        changed_at: 0,
        recipients: None,
        after: PusherId::parse(after).ok(),
        // What became of them was not kept.
        counts: PushAllCounts { submitted, merged: submitted, ..PushAllCounts::default() },
    })
}
