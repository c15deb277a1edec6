//! The writer: commits are shared, failures are not.

use std::sync::Arc;

use periodic::{JobOp, JobOpDone};
use pusher_core::{StoreError, Storer};

use super::{change, funcs, job, op, open, put_pusher};
use crate::batch::Batch;
use crate::error::Failure;
use crate::writer::Operation;

/// An operation as bad as an operation can be.
pub(super) enum Odd {
    Put(&'static str),
    /// Writes, then finds the disk full.
    Lose(&'static str),
    /// Writes, then panics.
    Panic(&'static str),
}

impl Operation for Odd {
    type Done = JobOpDone;
    type Error = StoreError;

    fn apply(&self, batch: &mut Batch) -> Result<JobOpDone, Failure> {
        let (Self::Put(name) | Self::Lose(name) | Self::Panic(name)) = self;
        let done = batch.apply_job_op(&JobOp::Put(job("f", name, 0)))?;
        match self {
            Self::Put(_) => Ok(done),
            Self::Lose(_) => Err(Failure::Lost(StoreError::Full("no space left".into()))),
            Self::Panic(_) => panic!("as planned"),
        }
    }

    fn bytes(&self) -> usize {
        0
    }

    fn error(reason: StoreError) -> StoreError {
        reason
    }
}

#[tokio::test]
async fn an_operation_that_fails_leaves_the_others_of_its_request_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ops = vec![Odd::Put("a"), Odd::Lose("b"), Odd::Put("c"), Odd::Panic("d"), Odd::Put("e")];
    let results = store.writer().write(ops).await;
    assert_eq!(results[0].as_ref().unwrap(), &JobOpDone::Put { seq: 1, replaced: None });
    assert!(matches!(&results[1], Err(StoreError::Full(_))));
    assert_eq!(results[2].as_ref().unwrap(), &JobOpDone::Put { seq: 2, replaced: None });
    assert!(matches!(&results[3], Err(StoreError::Failed(reason)) if reason.contains("as planned")));
    assert_eq!(results[4].as_ref().unwrap(), &JobOpDone::Put { seq: 3, replaced: None });
    assert_eq!(funcs(&store).await, [("f".into(), 3)]);
}

#[tokio::test]
async fn a_request_that_fails_takes_no_other_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let writer = store.writer();
    for round in 0..20 {
        let who = round.to_string();
        let (lost, panicked, put, changed) = tokio::join!(
            writer.write(vec![Odd::Lose("x")]),
            writer.write(vec![Odd::Panic("y")]),
            op(&store, JobOp::Put(job("f", &who, 0))),
            change(&store, put_pusher(&who, round)),
        );
        assert!(lost[0].is_err() && panicked[0].is_err());
        assert!(put.is_ok() && changed.is_ok());
    }
    assert_eq!(funcs(&store).await, [("f".into(), 20)]);
    assert_eq!(store.list(0, 0).await.unwrap().total, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_that_come_together_share_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    let commits = || store.opened().env.info().last_txn_id;
    let before = commits();
    let writes: Vec<_> = (0..2_000)
        .map(|n: i64| {
            let store = store.clone();
            tokio::spawn(async move {
                let name = n.to_string();
                if n % 2 == 0 {
                    op(&store, JobOp::Put(job("f", &name, n))).await.map(|_| ()).map_err(|e| e.to_string())
                } else {
                    change(&store, put_pusher(&name, n)).await.map(|_| ()).map_err(|e| e.to_string())
                }
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    let commits = commits() - before;
    assert!(commits <= 1_000, "{commits} commits for 2000 writes");
    assert_eq!(funcs(&store).await, [("f".into(), 1_000)]);
    assert_eq!(store.list(0, 0).await.unwrap().total, 1_000);
}

#[tokio::test]
async fn commits_are_counted_with_what_they_had_and_only_if_they_came_about() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = store.map_use().unwrap();
    store.writer().write(vec![Odd::Put("a"), Odd::Put("b"), Odd::Put("c")]).await;
    store.writer().write(vec![Odd::Lose("d")]).await;
    let commits = store.commits();
    assert_eq!((commits.operations.count(), commits.operations.sum, commits.times.count()), (1, 3, 1));
    assert!(commits.times.sum > 0, "{commits:?}");
    let after = store.map_use().unwrap();
    assert!(after.used > before.used && after.used < after.size, "{before:?} {after:?}");
}
