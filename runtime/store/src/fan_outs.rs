//! How far pushalls have come: a record for each, under the name of its job.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | 1: nobody is left; 0: somebody may be |
//! | 8 | how many have been pushed to, BE |
//! | 8 | the number of the last job when this was written, BE: of two records the one with the smaller is older |
//! | rest | the last recipient that was looked at; empty: none yet |

use async_trait::async_trait;
use pusher_core::{FanOut, FanOuts, JobName, PusherId, StoreError};

use crate::batch::Batch;
use crate::error::{Failure, corrupt, store_error};
use crate::open::Opened;
use crate::store::Store;
use crate::writer::Operation;

/// With more records than this, those that are done are forgotten, the older half of them. A record that is done is
/// needed for as long as its job might be run again, which is seconds.
const MANY: u64 = 4096;

/// A change to the records.
pub(crate) enum FanOutOp {
    Put(JobName, FanOut),
    Remove(JobName),
}

impl Operation for FanOutOp {
    type Done = ();
    type Error = StoreError;

    fn apply(&self, batch: &mut Batch) -> Result<(), Failure> {
        match self {
            Self::Put(id, fan_out) => batch.put_fan_out(id, fan_out, MANY),
            Self::Remove(id) => {
                batch.tables.fan_outs.delete(&mut batch.txn, id.as_str())?;
                Ok(())
            }
        }
    }

    fn bytes(&self) -> usize {
        512
    }

    fn error(reason: StoreError) -> StoreError {
        reason
    }
}

impl Batch<'_> {
    pub(crate) fn put_fan_out(&mut self, id: &JobName, fan_out: &FanOut, many: u64) -> Result<(), Failure> {
        let record = encode(fan_out, self.seqs.last());
        self.room.take(id.as_str().len() + record.len())?;
        self.tables.fan_outs.put(&mut self.txn, id.as_str(), &record)?;
        if fan_out.done && self.tables.fan_outs.len(&self.txn)? > many {
            self.forget_older_half()?;
        }
        Ok(())
    }

    fn forget_older_half(&mut self) -> Result<(), Failure> {
        let mut done = Vec::new();
        for entry in self.tables.fan_outs.iter(&self.txn)? {
            let (id, bytes) = entry?;
            if let Some((FanOut { done: true, .. }, age)) = decode(bytes) {
                done.push((age, id.to_owned()));
            }
        }
        done.sort_unstable();
        for (_, id) in &done[..done.len() / 2] {
            self.tables.fan_outs.delete(&mut self.txn, id)?;
        }
        Ok(())
    }
}

impl Opened {
    fn get_fan_out(&self, id: &JobName) -> Result<Option<FanOut>, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.env.read_txn().map_err(lmdb)?;
        let Some(bytes) = self.tables.fan_outs.get(&txn, id.as_str()).map_err(lmdb)? else { return Ok(None) };
        match decode(bytes) {
            Some((fan_out, _)) => Ok(Some(fan_out)),
            None => Err(corrupt(format!("fan-out {id}"), "it is not one")),
        }
    }
}

fn encode(fan_out: &FanOut, age: u64) -> Vec<u8> {
    let after = fan_out.after.as_ref().map_or("", |id| id.as_str());
    let mut bytes = Vec::with_capacity(17 + after.len());
    bytes.push(u8::from(fan_out.done));
    bytes.extend(fan_out.pushed.to_be_bytes());
    bytes.extend(age.to_be_bytes());
    bytes.extend(after.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(FanOut, u64)> {
    let (&done, rest) = bytes.split_first()?;
    let (&pushed, rest) = rest.split_first_chunk::<8>()?;
    let (&age, after) = rest.split_first_chunk::<8>()?;
    let after = match after {
        [] => None,
        id => Some(PusherId::parse(std::str::from_utf8(id).ok()?).ok()?),
    };
    Some((FanOut { after, pushed: u64::from_be_bytes(pushed), done: done == 1 }, u64::from_be_bytes(age)))
}

#[async_trait]
impl FanOuts for Store {
    async fn get(&self, id: &JobName) -> Result<Option<FanOut>, StoreError> {
        self.opened().get_fan_out(id)
    }

    async fn put(&self, id: &JobName, fan_out: FanOut) -> Result<(), StoreError> {
        self.write_one(FanOutOp::Put(id.clone(), fan_out)).await
    }

    async fn remove(&self, id: &JobName) -> Result<(), StoreError> {
        self.write_one(FanOutOp::Remove(id.clone())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Kept;
    use crate::open::{JobIndexing, StoreOptions};

    fn name(text: &str) -> JobName {
        JobName::parse(text).unwrap()
    }

    #[tokio::test]
    async fn how_far_a_fan_out_has_come_is_kept_across_restarts_and_can_be_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open(dir.path(), StoreOptions::default()).unwrap();
        let begun = FanOut { after: None, pushed: 0, done: false };
        let middle = FanOut { after: Some(PusherId::parse("日本").unwrap()), pushed: 1 << 40, done: true };
        let store = open();
        assert_eq!(FanOuts::get(&store, &name("a")).await.unwrap(), None);
        store.put(&name("a"), begun.clone()).await.unwrap();
        store.put(&name("b"), begun.clone()).await.unwrap();
        store.put(&name("b"), middle.clone()).await.unwrap();
        drop(store);
        let store = open();
        assert_eq!(FanOuts::get(&store, &name("a")).await.unwrap(), Some(begun));
        assert_eq!(FanOuts::get(&store, &name("b")).await.unwrap(), Some(middle));
        store.remove(&name("b")).await.unwrap();
        store.remove(&name("never")).await.unwrap();
        assert_eq!(FanOuts::get(&store, &name("b")).await.unwrap(), None);
    }

    #[test]
    fn of_many_that_are_done_the_oldest_are_forgotten_and_none_that_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (opened, recent) = Opened::open(dir.path(), StoreOptions::default(), JobIndexing::default()).unwrap();
        let mut kept = Kept { recent, scratch: Vec::new() };
        let mut batch = Batch::begin(&opened, &mut kept).unwrap();
        // The names go against the order in time.
        for n in (0..12).rev() {
            batch.seqs.give();
            let fan_out = FanOut { after: None, pushed: 0, done: n % 4 != 0 };
            batch.put_fan_out(&name(&format!("{n:02}")), &fan_out, 11).unwrap();
        }
        batch.put_fan_out(&name("last"), &FanOut { after: None, pushed: 0, done: true }, 11).unwrap();
        batch.commit().unwrap();
        let txn = opened.env.read_txn().unwrap();
        let left: Vec<_> =
            opened.tables.fan_outs.iter(&txn).unwrap().map(|entry| entry.unwrap().0.to_owned()).collect();
        assert_eq!(left, ["00", "01", "02", "03", "04", "05", "08", "last"]);
    }
}
