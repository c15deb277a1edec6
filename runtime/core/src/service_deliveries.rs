//! What can be done with deliveries: what workers elsewhere did is entered in the log.

use std::sync::Arc;

use crate::delivery::{DeliveryEvent, DeliveryLog, Report};
use crate::service::{Service, ServiceError};

impl Service {
    /// The same operations, with `log` to keep what became of messages.
    #[must_use]
    pub fn with_deliveries(self, log: Arc<dyn DeliveryLog>) -> Self {
        Self { deliveries: Some(log), ..self }
    }

    /// Enters what workers report, in order and together. When this returns, all of it is durable. What was entered before
    /// changes nothing, so a report that may or may not have come can be told again.
    ///
    /// # Errors
    /// [`ServiceError::NoDeliveries`] unless there is a log ([`with_deliveries`](Self::with_deliveries)), or the store
    /// failed; then some may have been entered, and telling all of them again is right.
    pub async fn record(&self, reports: Vec<Report>) -> Result<(), ServiceError> {
        let log = self.deliveries.as_ref().ok_or(ServiceError::NoDeliveries)?;
        let entered = log.record(reports.into_iter().map(DeliveryEvent::Attempted).collect()).await;
        Ok(entered.into_iter().collect::<Result<(), _>>()?)
    }
}
