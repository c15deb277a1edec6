//! Jobs that come with a note, and jobs that take another's place: what a process that embeds the server can ask for.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use common::{Running, job, key};
use periodic::{
    Job, JobOp, JobOpDone, JobStore, JobStoreError, MemoryStore, Seq, ServerOptions, StoredFunc, SubmitError,
    SystemClock,
};

/// Refuses the note "no", leaves out what is named "left out", and remembers the notes.
#[derive(Default)]
struct Noting {
    jobs: MemoryStore,
    notes: Mutex<Vec<Bytes>>,
}

#[async_trait]
impl JobStore for &'static Noting {
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        let mut results = Vec::new();
        for op in ops {
            let result = match op {
                JobOp::PutAll { note, .. } if note == "no" => Err(JobStoreError::Refused("told to".into())),
                JobOp::PutAll { jobs, note } => {
                    self.notes.lock().unwrap().push(note);
                    let mut put = Vec::new();
                    for job in jobs {
                        let is_left_out = job.key.name == "left out";
                        put.push(match self.jobs.apply(vec![JobOp::Put(job)]).await.remove(0) {
                            Ok(JobOpDone::Put { seq, replaced }) if !is_left_out => Some((seq, replaced)),
                            Ok(JobOpDone::Put { seq, .. }) => {
                                _ = self.jobs.apply(vec![JobOp::Discard(seq)]).await;
                                None
                            }
                            other => panic!("{other:?}"),
                        });
                    }
                    Ok(JobOpDone::PutAll(put))
                }
                op => self.jobs.apply(vec![op]).await.remove(0),
            };
            results.push(result);
        }
        results
    }

    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        self.jobs.load(seqs).await
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        self.jobs.funcs().await
    }
}

async fn noting() -> (&'static Noting, Running) {
    let store: &'static Noting = Box::leak(Box::default());
    let clock = std::sync::Arc::new(SystemClock);
    (store, Running::with(store, clock, ServerOptions::default()).await)
}

#[tokio::test]
async fn jobs_with_a_note_are_all_taken_and_run_in_order() {
    let (store, server) = noting().await;
    let jobs = ["a", "left out", "b", "c"].map(|name| job("f", name));
    assert_eq!(server.handle().submit_noted(jobs.into(), Bytes::from_static(b"yes")).await, Ok(()));
    assert_eq!(*store.notes.lock().unwrap(), ["yes"]);
    let status = server.status("f").await;
    assert_eq!(status.jobs, 3);
    let mut worker = server.worker(&["f"]).await;
    for expected in ["a", "b", "c"] {
        let got = worker.take().await;
        assert_eq!(got.key, key("f", expected));
        worker.done(&got).await;
    }
    assert_eq!(server.status("f").await.jobs, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_note_that_does_not_hold_leaves_everything_as_it_was() {
    let (_, server) = noting().await;
    server.submit(Job { workload: Bytes::from_static(b"first"), ..job("f", "a") }).await;
    let refused = server.handle().submit_noted(vec![job("f", "a"), job("f", "b")], Bytes::from_static(b"no")).await;
    assert_eq!(refused, Err(SubmitError::Refused("told to".into())));
    assert_eq!(server.status("f").await.jobs, 1);
    let mut worker = server.worker(&["f"]).await;
    let got = worker.take().await;
    assert_eq!((got.key.clone(), got.workload.as_ref()), (key("f", "a"), &b"first"[..]));
    // What runs is the same job: it is left out, and the note is kept.
    let both = vec![job("f", "a"), job("f", "b")];
    assert_eq!(server.handle().submit_noted(both, Bytes::from_static(b"yes")).await, Ok(()));
    assert_eq!(server.status("f").await.jobs, 2);
    worker.done(&got).await;
    assert_eq!(worker.take().await.key, key("f", "b"));
    let too_long = Job { key: key("f", &"x".repeat(300)), ..job("f", "") };
    let invalid = server.handle().submit_noted(vec![too_long], Bytes::new()).await;
    assert!(matches!(invalid, Err(SubmitError::Invalid(_))), "{invalid:?}");
    server.stop().await;
}

#[tokio::test]
async fn only_a_job_that_waits_is_replaced() {
    let (_, server) = noting().await;
    let handle = server.handle();
    let newer = Job { workload: Bytes::from_static(b"newer"), ..job("f", "a") };
    assert_eq!(handle.replace(newer.clone()).await, Ok(false));
    assert_eq!(handle.status().await, [], "nothing is submitted by that");
    server.submit(job("f", "a")).await;
    assert_eq!(handle.replace(newer.clone()).await, Ok(true));
    assert_eq!(handle.running(vec![key("f", "a"), key("f", "b")]).await, [false, false]);
    let mut worker = server.worker(&["f"]).await;
    let got = worker.take().await;
    assert_eq!(got.workload, newer.workload);
    assert_eq!(handle.running(vec![key("f", "a"), key("f", "b")]).await, [true, false]);
    assert_eq!(handle.replace(job("f", "a")).await, Ok(false), "it runs");
    worker.done(&got).await;
    assert_eq!(server.status("f").await.jobs, 0);
    server.stop().await;
}
