//! A job and its identity.

use bytes::{Bytes, BytesMut};

/// A job's identity: jobs are unique by func and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey {
    /// The queue, at most 255 bytes.
    pub func: Bytes,
    /// The name in it, at most 255 bytes.
    pub name: Bytes,
}

/// A job, as it goes over the wire (PROTOCOL §3) and into a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its identity.
    pub key: JobKey,
    /// What the worker is given.
    pub workload: Bytes,
    /// When to run it, in Unix seconds; in a submit 0 or the past means now.
    pub sched_at: i64,
    /// How often it was put off, as the workers counted.
    pub count: i32,
    /// Seconds a worker may take; 0: the server's default.
    pub timeout: i32,
}

/// A workload from this size on is not copied by [`Job::compact`]: it fills most of the buffer it came in anyway.
const LARGE: usize = 16 << 10;

impl Job {
    /// The same job in memory of its own. One that was decoded shares the buffer it was read into, with all its
    /// neighbours; kept for long, it would keep all of them.
    #[must_use]
    pub fn compact(mut self) -> Self {
        let (func, name) = (self.key.func.len(), self.key.name.len());
        let workload = if self.workload.len() < LARGE { self.workload.len() } else { 0 };
        let mut own = BytesMut::with_capacity(func + name + workload);
        own.extend_from_slice(&self.key.func);
        own.extend_from_slice(&self.key.name);
        own.extend_from_slice(&self.workload[..workload]);
        let mut own = own.freeze();
        self.key = JobKey { func: own.split_to(func), name: own.split_to(name) };
        if workload > 0 {
            self.workload = own;
        }
        self
    }
}
