//! What a worker has made of messages, told to the server: many reports in one request.

use bytes::Bytes;
use pusher_core::Report;
use reqwest::Method;
use serde::Deserialize;

use crate::bulk::{Batch, BatchError};
use crate::call::Call;
use crate::client::{Client, read};
use crate::error::ClientError;

/// What one request holds: reports, within the server's limits.
#[derive(Debug, Clone, Default)]
pub struct ReportBatch(Batch);

impl ReportBatch {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a report.
    ///
    /// # Errors
    /// [`BatchError::Full`] if there is no room for it; the batch is as it was.
    pub fn add(&mut self, report: &Report) -> Result<(), BatchError> {
        self.0.add_json(report)
    }

    /// Does it hold nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Client {
    /// Has what a worker has made of messages entered in the delivery log, all in one commit. What is entered already
    /// changes nothing, so this is tried again like a read.
    ///
    /// # Errors
    /// [`ClientError::Signing`] with v1 credentials, which cannot sign this; [`ClientError::Refused`] with status 422 if
    /// the server takes one of them for no report, and then enters none; otherwise if it cannot be asked.
    pub async fn report(&self, batch: ReportBatch) -> Result<(), ClientError> {
        #[derive(Deserialize)]
        struct Entered {
            reported: usize,
        }
        let sent = batch.0.lines();
        let call = Call::new(Method::POST, "/pusher/deliveries/_report".to_owned());
        let call = call.with_lines(Bytes::from(batch.0.into_body()));
        match read(&self.transport.send(&call).await?)? {
            Entered { reported } if reported == sent => Ok(()),
            Entered { reported } => {
                Err(ClientError::Unexpected(format!("{reported} reports are entered, {sent} were sent")))
            }
        }
    }
}
