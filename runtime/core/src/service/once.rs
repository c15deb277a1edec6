//! Requests that are not done twice: which are under way is known here, which were done the log knows.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Service, ServiceError};
use crate::delivery::Once;

/// The keys of requests that are being carried out.
#[derive(Debug, Default)]
pub(crate) struct KeysUnderWay(Mutex<HashSet<[u8; 32]>>);

/// Takes its key out when the request is over, however it ends.
#[derive(Debug)]
pub(super) struct UnderWay {
    keys: Arc<KeysUnderWay>,
    key: [u8; 32],
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Service {
    /// Begins a request. `None`: it was done before.
    pub(super) async fn begin_once(&self, once: &Once) -> Result<Option<UnderWay>, ServiceError> {
        let log = self.log()?;
        if !self.under_way.0.lock().unwrap_or_else(PoisonError::into_inner).insert(once.key) {
            return Err(ServiceError::KeyInProgress);
        }
        let under_way = UnderWay { keys: Arc::clone(&self.under_way), key: once.key };
        match log.asked(&once.key).await? {
            None => Ok(Some(under_way)),
            Some(request) if request == once.request => Ok(None),
            Some(_) => Err(ServiceError::KeyReused),
        }
    }
}
