//! A server on a store that fails now and then: what was taken is still run, and nothing waits for ever.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{PATIENCE, Running, job};
use periodic::{
    Answer, Handler, Job, JobKey, JobOp, JobOpDone, JobStore, JobStoreError, MemoryStore, Seq, ServerOptions,
    StoredFunc, SystemClock, Work, Worker, WorkerOptions,
};
use tokio_util::sync::CancellationToken;

/// Fails every so many operations, and as often when it reads.
struct Flaky {
    store: MemoryStore,
    every: usize,
    asked: AtomicUsize,
}

impl Flaky {
    fn fails(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) % self.every == self.every - 1
    }
}

fn failure() -> JobStoreError {
    JobStoreError::Failed("as the test says".to_owned())
}

#[async_trait]
impl JobStore for Flaky {
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        let mut results = Vec::new();
        for op in ops {
            if self.fails() {
                results.push(Err(failure()));
            } else {
                results.extend(self.store.apply(vec![op]).await);
            }
        }
        results
    }

    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        if self.fails() { Err(failure()) } else { self.store.load(seqs).await }
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        self.store.funcs().await
    }
}

/// Remembers which jobs ran; every third is put off once.
#[derive(Default)]
struct Seen(Mutex<HashSet<JobKey>>);

#[async_trait]
impl Handler for Seen {
    async fn run(&self, job: Job, _work: Work) -> Answer {
        let later = job.count == 0 && job.key.name.len().is_multiple_of(3);
        self.0.lock().unwrap().insert(job.key);
        if later { Answer::Later { delay_seconds: 0, step: 1 } } else { Answer::Done(Bytes::new()) }
    }
}

#[tokio::test]
async fn a_store_that_fails_now_and_then_loses_no_job_that_was_taken() {
    let store = MemoryStore::new();
    let flaky = Flaky { store: store.clone(), every: 53, asked: AtomicUsize::new(0) };
    let options = ServerOptions { queue_cap: 8, cache_bytes: 1000, ..ServerOptions::default() };
    let server = Running::with(flaky, Arc::new(SystemClock), options).await;
    let funcs: Vec<String> = (0..10).map(|index| format!("f{index}")).collect();
    let mut taken = HashSet::new();
    for func in &funcs {
        let jobs: Vec<_> = (0..20).map(|index| job(func, &"x".repeat(index + 1))).collect();
        for (job, result) in jobs.clone().into_iter().zip(server.server.handle().submit(jobs).await) {
            if result.is_ok() {
                taken.insert(job.key);
            }
        }
    }
    assert!(taken.len() < 200, "some were refused, and said to be");

    let seen = Arc::new(Seen::default());
    let options = WorkerOptions { max_backoff: Duration::from_millis(50), ..WorkerOptions::default() };
    let can_do = funcs.iter().map(|func| Bytes::from(func.clone())).collect();
    let connect = Arc::new(server.endpoint.clone());
    let worker = Worker::new(connect, options, can_do, Arc::clone(&seen) as Arc<dyn Handler>);
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    let all_done = async {
        while !store.funcs().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 2, all_done).await.expect("every job ends");
    assert_eq!(*seen.0.lock().unwrap(), taken);
    stop.cancel();
    working.await.unwrap();
    server.stop().await;
}
