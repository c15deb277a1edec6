//! How a job is encoded: a fixed head, then func, name and workload. The first byte is the version of this encoding, so
//! that a later one can be told apart record by record.
//!
//! ```text
//! 0        1               9          13           17        18        19             27             31
//! version  sched_at i64 LE  count i32  timeout i32  func len  name len  number u64 LE  pushall u32 LE  func  name  workload
//! ```
//!
//! Version 1 had neither number nor pushall.
//! The head has a fixed size, so putting a job off changes bytes in place and never the size of its record.

use bytes::Bytes;
use periodic::{Job, JobKey};

const VERSION: u8 = 2;
const HEAD: usize = 31;
const HEAD_1: usize = 19;

/// A stored job, not copied out yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobRecord<'a> {
    pub(crate) sched_at: i64,
    pub(crate) count: i32,
    pub(crate) timeout: i32,
    /// When it was accepted, in the delivery log's numbers; 0: that is not known.
    pub(crate) number: u64,
    /// The number of the pushall that it is of; 0: of none.
    pub(crate) pushall: u32,
    pub(crate) func: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) workload: &'a [u8],
}

impl<'a> JobRecord<'a> {
    /// The record of a job whose func and name were found to be no longer than a byte can say.
    pub(crate) fn of(job: &'a Job) -> Self {
        Self {
            sched_at: job.sched_at,
            count: job.count,
            timeout: job.timeout,
            number: 0,
            pushall: 0,
            func: &job.key.func,
            name: &job.key.name,
            workload: &job.workload,
        }
    }

    /// Writes the record over what is in `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        out.reserve(HEAD + self.func.len() + self.name.len() + self.workload.len());
        out.push(VERSION);
        out.extend_from_slice(&self.sched_at.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.timeout.to_le_bytes());
        out.push(self.func.len() as u8);
        out.push(self.name.len() as u8);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.pushall.to_le_bytes());
        out.extend_from_slice(self.func);
        out.extend_from_slice(self.name);
        out.extend_from_slice(self.workload);
    }

    /// Reads a record; the error says what is wrong with it.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, String> {
        let Some((head, mut texts)) = bytes.split_first_chunk::<HEAD_1>() else {
            return Err(format!("it is {} bytes long, shorter than any job", bytes.len()));
        };
        let [version, s0, s1, s2, s3, s4, s5, s6, s7, c0, c1, c2, c3, t0, t1, t2, t3, func_len, name_len] = *head;
        let (mut number, mut pushall) = (0, 0);
        match (version, texts.split_first_chunk::<{ HEAD - HEAD_1 }>()) {
            (1, _) => {}
            (VERSION, Some(([n0, n1, n2, n3, n4, n5, n6, n7, p0, p1, p2, p3], rest))) => {
                number = u64::from_le_bytes([*n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7]);
                pushall = u32::from_le_bytes([*p0, *p1, *p2, *p3]);
                texts = rest;
            }
            (VERSION, None) => return Err(format!("it is {} bytes long, shorter than any job", bytes.len())),
            _ => return Err(format!("its encoding is version {version}; this program knows {VERSION}")),
        }
        let (func_len, name_len) = (usize::from(func_len), usize::from(name_len));
        if texts.len() < func_len + name_len {
            return Err(format!("it ends within its func or name ({} bytes)", bytes.len()));
        }
        let (func, texts) = texts.split_at(func_len);
        let (name, workload) = texts.split_at(name_len);
        Ok(Self {
            sched_at: i64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            count: i32::from_le_bytes([c0, c1, c2, c3]),
            timeout: i32::from_le_bytes([t0, t1, t2, t3]),
            number,
            pushall,
            func,
            name,
            workload,
        })
    }

    /// Is this the job with this key?
    pub(crate) fn is(&self, key: &JobKey) -> bool {
        self.func == key.func && self.name == key.name
    }

    /// The job, copied out in one allocation.
    pub(crate) fn to_job(self) -> Job {
        let mut texts = Vec::with_capacity(self.func.len() + self.name.len() + self.workload.len());
        texts.extend_from_slice(self.func);
        texts.extend_from_slice(self.name);
        texts.extend_from_slice(self.workload);
        let mut rest = Bytes::from(texts);
        let func = rest.split_to(self.func.len());
        let name = rest.split_to(self.name.len());
        Job {
            key: JobKey { func, name },
            workload: rest,
            sched_at: self.sched_at,
            count: self.count,
            timeout: self.timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job() -> impl Strategy<Value = Job> {
        let text = || prop::collection::vec(any::<u8>(), 0..=255).prop_map(Bytes::from);
        let workload = prop::collection::vec(any::<u8>(), 0..600).prop_map(Bytes::from);
        (text(), text(), workload, any::<(i64, i32, i32)>()).prop_map(
            |(func, name, workload, (sched_at, count, timeout))| Job {
                key: JobKey { func, name },
                workload,
                sched_at,
                count,
                timeout,
            },
        )
    }

    proptest! {
        #[test]
        fn a_job_comes_back_as_it_went_in(job in job(), number in any::<u64>(), pushall in any::<u32>()) {
            let mut bytes = Vec::new();
            let record = JobRecord { number, pushall, ..JobRecord::of(&job) };
            record.encode(&mut bytes);
            prop_assert_eq!(JobRecord::decode(&bytes).unwrap(), record);
            prop_assert_eq!(JobRecord::decode(&bytes).unwrap().to_job(), job);
        }

        #[test]
        fn a_job_of_version_1_is_read(job in job()) {
            let mut bytes = Vec::new();
            JobRecord::of(&job).encode(&mut bytes);
            bytes[0] = 1;
            bytes.drain(HEAD_1..HEAD);
            prop_assert_eq!(JobRecord::decode(&bytes).unwrap().to_job(), job);
        }

        #[test]
        fn reading_any_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = JobRecord::decode(&bytes);
        }
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        assert!(JobRecord::decode(&[]).unwrap_err().contains("shorter"));
        let mut bytes = vec![0; HEAD];
        assert!(JobRecord::decode(&bytes).unwrap_err().contains("version 0"));
        bytes[0] = VERSION;
        bytes[17] = 3;
        assert!(JobRecord::decode(&bytes[..HEAD - 1]).unwrap_err().contains("shorter"));
        assert!(JobRecord::decode(&bytes).unwrap_err().contains("ends within"));
    }
}
