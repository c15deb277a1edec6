//! Requests that are not done twice: what was asked with which key, for 24 hours.
//!
//! | database | key | value |
//! | --- | --- | --- |
//! | `requests` | digest of the key | digest of what was asked ‖ number |
//! | `request_times` | number | digest of the key |
//!
//! The numbers are those of the delivery log, and stand for the time.

use pusher_core::{Once, StoreError};

use crate::batch::Batch;
use crate::deliveries::{millis_number, number_millis};
use crate::error::{Failure, corrupt, store_error};
use crate::open::Opened;

/// How long a key is kept, in milliseconds: 24 hours, as is usual for Idempotency-Key.
const KEPT: i64 = 24 * 60 * 60 * 1000;

impl Batch<'_> {
    /// Refuses a key with which something else was asked, not too long ago.
    pub(crate) fn check_once(&mut self, once: &Once) -> Result<(), Failure> {
        let now = number_millis(self.next_number()?);
        match self.tables.requests.get(&self.txn, &once.key)?.map(decode).transpose().map_err(Failure::Refused)? {
            Some((request, number)) if request != once.request && number_millis(number) > now - KEPT => {
                Err(Failure::Refused(StoreError::Refused("the key of this request was used for another one".into())))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn enter_once(&mut self, once: &Once) -> Result<(), Failure> {
        // For each that comes two that are old enough go: there are never many more than a day's.
        self.prune_requests(2)?;
        let number = self.next_number()?;
        if let Some(bytes) = self.tables.requests.get(&self.txn, &once.key)? {
            let (_, before) = decode(bytes).map_err(Failure::Refused)?;
            self.tables.request_times.delete(&mut self.txn, &before)?;
        }
        let value = [&once.request[..], &number.to_be_bytes()].concat();
        self.tables.requests.put(&mut self.txn, &once.key, &value)?;
        Ok(self.tables.request_times.put(&mut self.txn, &number, &once.key)?)
    }

    /// Forgets keys that are old enough, so many at most.
    pub(crate) fn prune_requests(&mut self, limit: usize) -> Result<(), Failure> {
        let end = millis_number(number_millis(self.next_number()?) - KEPT);
        let mut old = Vec::new();
        for entry in self.tables.request_times.range(&self.txn, &(..end))?.take(limit) {
            let (number, key) = entry?;
            old.push((number, key.to_vec()));
        }
        for (number, key) in old {
            self.tables.request_times.delete(&mut self.txn, &number)?;
            self.tables.requests.delete(&mut self.txn, &key)?;
        }
        Ok(())
    }
}

impl Opened {
    pub(crate) fn asked(&self, key: &[u8; 32], now: i64) -> Result<Option<[u8; 32]>, StoreError> {
        let lmdb = |e| store_error(&e);
        let txn = self.env.read_txn().map_err(lmdb)?;
        let found = self.tables.requests.get(&txn, key).map_err(lmdb)?.map(decode).transpose()?;
        Ok(found.filter(|(_, number)| number_millis(*number) > now - KEPT).map(|(request, _)| request))
    }
}

fn decode(bytes: &[u8]) -> Result<([u8; 32], u64), StoreError> {
    let read = bytes
        .split_first_chunk::<32>()
        .and_then(|(request, number)| Some((*request, u64::from_be_bytes(number.try_into().ok()?))));
    read.ok_or_else(|| corrupt("a request that is not done twice", "it is not 40 bytes long"))
}
