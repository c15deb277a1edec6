//! The one way into the store: operations go in order, results come back in order.
//!
//! Each turn's operations go to the store at once, also while others are under way: the store joins what has gathered
//! into one commit and begins it the moment the last one is done. Nobody has to be woken in between.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::{BoxFuture, FutureExt, poll_fn};

use crate::store::{JobOp, JobOpDone, JobStore, JobStoreError};

/// What a store says to a batch.
pub(super) type Results = Vec<Result<JobOpDone, JobStoreError>>;

/// Batches of operations on their way, oldest first. How many there may be is bounded by whoever sends them.
pub(super) struct Pump {
    store: Arc<dyn JobStore>,
    /// How many operations are given to the store at once, at most.
    batch: usize,
    under_way: VecDeque<UnderWay>,
}

enum UnderWay {
    Asked(BoxFuture<'static, Results>),
    Answered(Results),
}

impl Pump {
    pub(super) fn new(store: Arc<dyn JobStore>, batch: usize) -> Self {
        Self { store, batch: batch.max(1), under_way: VecDeque::new() }
    }

    /// Gives operations to the store.
    pub(super) fn send(&mut self, mut ops: Vec<JobOp>) {
        while !ops.is_empty() {
            let rest = ops.split_off(ops.len().min(self.batch));
            let mut answer = ask(Arc::clone(&self.store), std::mem::replace(&mut ops, rest));
            // Begun here, so that batches begin in the order in which they are sent; who is to be woken for the answer
            // is said in `next`.
            let begun = answer.poll_unpin(&mut Context::from_waker(Waker::noop()));
            self.under_way.push_back(match begun {
                Poll::Ready(results) => UnderWay::Answered(results),
                Poll::Pending => UnderWay::Asked(answer),
            });
        }
    }

    /// The results of the oldest batch under way, and of those after it that have theirs too; never, if there is none.
    /// Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self, results: &mut Vec<Results>) {
        poll_fn(|cx| {
            while let Some(oldest) = self.under_way.front_mut() {
                match oldest {
                    UnderWay::Answered(answer) => results.push(std::mem::take(answer)),
                    UnderWay::Asked(answer) => match answer.poll_unpin(cx) {
                        Poll::Ready(answer) => results.push(answer),
                        Poll::Pending => break,
                    },
                }
                self.under_way.pop_front();
            }
            if results.is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

/// Asks the store. Whatever becomes of it, there is a result for each operation.
fn ask(store: Arc<dyn JobStore>, ops: Vec<JobOp>) -> BoxFuture<'static, Results> {
    let asked = ops.len();
    let answer = async move { store.apply(ops).await };
    let whole = AssertUnwindSafe(answer).catch_unwind().map(move |answer| {
        let mut results = answer.unwrap_or_default();
        debug_assert!(results.is_empty() || results.len() == asked, "a store answers every operation");
        results.resize_with(asked, || Err(JobStoreError::Failed("the store did not say what became of it".to_owned())));
        results
    });
    whole.boxed()
}
