//! The recipient that the arguments describe, in the place of the API server.

use async_trait::async_trait;
use pusher::core::{JobName, PushRequest, Pusher, PusherId, PusherList, Pushers, PushersError};

/// All the recipients there are.
pub(crate) struct Recipient {
    pusher: Option<Pusher>,
}

impl Recipient {
    /// There is no one.
    pub(crate) fn nobody() -> Self {
        Self { pusher: None }
    }
}

#[async_trait]
impl Pushers for Recipient {
    async fn get(&self, id: &PusherId) -> Result<Option<Pusher>, PushersError> {
        Ok(self.pusher.clone().filter(|pusher| pusher.id == *id))
    }

    async fn search(&self, _query: &str, _from: u64, _size: usize) -> Result<PusherList, PushersError> {
        Err(PushersError::Unavailable("there is no API server to search; name one with --api".to_owned()))
    }

    async fn push(&self, _request: PushRequest) -> Result<JobName, PushersError> {
        Err(PushersError::Unavailable("there is no API server to push to; name one with --api".to_owned()))
    }
}
