//! The primitive encodings: integers, strings with one-, four- and eight-byte lengths, handles and jobs (PROTOCOL §3).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::WireError;
use crate::job::{Job, JobKey};

/// How long a func, a job's name, a lock's name or a config key may be, in bytes.
pub const MAX_NAME: usize = u8::MAX as usize;

/// The least a job takes: empty func, name and workload, `sched_at` and version.
const SMALLEST_JOB: usize = 1 + 1 + 4 + 8 + 1;

/// A job carries its count.
const HAS_COUNT: u8 = 1;
/// A job carries its timeout.
const HAS_TIMEOUT: u8 = 2;

/// Takes fields off the front of a payload.
pub(super) struct Fields(pub(super) Bytes);

impl Fields {
    pub(super) fn bytes(&mut self, len: usize) -> Result<Bytes, WireError> {
        if len > self.0.len() {
            return Err(WireError::Truncated);
        }
        Ok(self.0.split_to(len))
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.0.try_get_u8().map_err(|_| WireError::Truncated)
    }

    pub(super) fn i16(&mut self) -> Result<i16, WireError> {
        self.0.try_get_i16().map_err(|_| WireError::Truncated)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.0.try_get_u32().map_err(|_| WireError::Truncated)
    }

    fn i32(&mut self) -> Result<i32, WireError> {
        self.0.try_get_i32().map_err(|_| WireError::Truncated)
    }

    pub(super) fn i64(&mut self) -> Result<i64, WireError> {
        self.0.try_get_i64().map_err(|_| WireError::Truncated)
    }

    fn u64(&mut self) -> Result<u64, WireError> {
        self.0.try_get_u64().map_err(|_| WireError::Truncated)
    }

    pub(super) fn str8(&mut self) -> Result<Bytes, WireError> {
        let len = self.u8()?;
        self.bytes(usize::from(len))
    }

    fn str32(&mut self) -> Result<Bytes, WireError> {
        let len = self.u32()?;
        self.bytes(usize::try_from(len).map_err(|_| WireError::Truncated)?)
    }

    pub(super) fn str64(&mut self) -> Result<Bytes, WireError> {
        let len = self.u64()?;
        self.bytes(usize::try_from(len).map_err(|_| WireError::Truncated)?)
    }

    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    pub(super) fn key(&mut self) -> Result<JobKey, WireError> {
        Ok(JobKey { func: self.str8()?, name: self.str8()? })
    }

    pub(super) fn job(&mut self) -> Result<Job, WireError> {
        let key = self.key()?;
        let workload = self.str32()?;
        let sched_at = self.i64()?;
        // A version that nobody has defined carries nothing; the reference server reads it as 0 too.
        let carried = match self.u8()? {
            version @ 0..=3 => version,
            _ => 0,
        };
        let count = if carried & HAS_COUNT != 0 { self.i32()? } else { 0 };
        let timeout = if carried & HAS_TIMEOUT != 0 { self.i32()? } else { 0 };
        Ok(Job { key, workload, sched_at, count, timeout })
    }

    pub(super) fn jobs(&mut self) -> Result<Vec<Job>, WireError> {
        let count = usize::try_from(self.u64()?).map_err(|_| WireError::Truncated)?;
        if count > self.0.len() / SMALLEST_JOB {
            return Err(WireError::Truncated);
        }
        (0..count).map(|_| self.job()).collect()
    }

    pub(super) fn end(self) -> Result<(), WireError> {
        match self.0.len() {
            0 => Ok(()),
            surplus => Err(WireError::Trailing(surplus)),
        }
    }
}

pub(super) fn put_str8(to: &mut BytesMut, text: &[u8]) -> Result<(), WireError> {
    let len = u8::try_from(text.len()).map_err(|_| WireError::NameTooLong(text.len()))?;
    to.put_u8(len);
    to.put_slice(text);
    Ok(())
}

fn put_str32(to: &mut BytesMut, text: &[u8]) -> Result<(), WireError> {
    let max = u32::MAX as usize;
    let len = u32::try_from(text.len()).map_err(|_| WireError::TooLarge { size: text.len(), max })?;
    to.put_u32(len);
    to.put_slice(text);
    Ok(())
}

pub(super) fn put_str64(to: &mut BytesMut, text: &[u8]) {
    to.put_u64(text.len() as u64);
    to.put_slice(text);
}

pub(super) fn put_key(to: &mut BytesMut, key: &JobKey) -> Result<(), WireError> {
    put_str8(to, &key.func)?;
    put_str8(to, &key.name)
}

pub(super) fn put_job(to: &mut BytesMut, job: &Job) -> Result<(), WireError> {
    put_key(to, &job.key)?;
    put_str32(to, &job.workload)?;
    to.put_i64(job.sched_at);
    let count = if job.count > 0 { HAS_COUNT } else { 0 };
    let timeout = if job.timeout > 0 { HAS_TIMEOUT } else { 0 };
    to.put_u8(count | timeout);
    if count != 0 {
        to.put_i32(job.count);
    }
    if timeout != 0 {
        to.put_i32(job.timeout);
    }
    Ok(())
}

pub(crate) fn put_jobs(to: &mut BytesMut, jobs: &[Job]) -> Result<(), WireError> {
    to.put_u64(jobs.len() as u64);
    jobs.iter().try_for_each(|job| put_job(to, job))
}
