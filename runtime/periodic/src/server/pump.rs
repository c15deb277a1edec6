//! The one way into the store: operations go in order, results come back in order.
//!
//! While one batch commits, whatever the scheduler sends gathers here and becomes the next batch. That is the group
//! commit: the more there is to do, the more jobs share one commit.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::scheduler::Event;
use crate::store::{JobOp, JobStore, JobStoreError};

/// Carries operations to the store until the scheduler is gone. The channels are unbounded because the scheduler
/// itself bounds how many operations are under way.
pub(super) async fn run(
    store: Arc<dyn JobStore>,
    mut ops: UnboundedReceiver<Vec<JobOp>>,
    events: UnboundedSender<Event>,
    batch: usize,
) {
    let mut gathered: Vec<JobOp> = Vec::new();
    loop {
        if gathered.is_empty() {
            match ops.recv().await {
                Some(more) => gathered = more,
                None => return,
            }
        }
        while gathered.len() < batch
            && let Ok(more) = ops.try_recv()
        {
            gathered.extend(more);
        }
        let rest = gathered.split_off(gathered.len().min(batch));
        let now = std::mem::replace(&mut gathered, rest);
        let sent = now.len();
        let mut results = store.apply(now).await;
        debug_assert_eq!(sent, results.len(), "a store answers every operation");
        results.resize_with(sent, || Err(JobStoreError::Failed("the store did not say what became of it".to_owned())));
        if events.send(Event::Applied(results)).is_err() {
            return;
        }
    }
}
