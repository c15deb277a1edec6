//! The recipient that the arguments describe, in the place of the API server.

use std::sync::Mutex;
use std::sync::PoisonError;

use async_trait::async_trait;
use pusher::core::{
    Audience, FanOutProgress, FanOutRequest, JobName, PushRequest, Pusher, PusherId, PusherList, Pushers, PushersError,
    TagExpr,
};

/// All the recipients there are: one, or none. What is pushed to them is kept and goes nowhere.
#[derive(Default)]
pub(crate) struct Recipient {
    pusher: Option<Pusher>,
    pushed: Mutex<Vec<PushRequest>>,
}

impl Recipient {
    /// There is no one.
    pub(crate) fn nobody() -> Self {
        Self::default()
    }

    /// There is this one.
    pub(crate) fn only(pusher: Pusher) -> Self {
        Self { pusher: Some(pusher), ..Self::default() }
    }

    /// What was pushed.
    pub(crate) fn pushed(&self) -> Vec<PushRequest> {
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Pushers for Recipient {
    async fn get(&self, id: &PusherId) -> Result<Option<Pusher>, PushersError> {
        Ok(self.pusher.clone().filter(|pusher| pusher.id == *id))
    }

    /// Every query finds everybody: there is no index here.
    async fn search(&self, _query: &str, from: u64, size: usize) -> Result<PusherList, PushersError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let pushers = self.pusher.iter().skip(from).take(size).cloned().collect();
        Ok(PusherList { total: u64::from(self.pusher.is_some()), pushers })
    }

    async fn push(&self, request: PushRequest) -> Result<JobName, PushersError> {
        if self.get(&request.pusher).await?.is_none() {
            return Err(PushersError::Refused(format!("pusher {} not exists.", request.pusher)));
        }
        let name = JobName::for_push(&request.pusher, &request.data);
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        Ok(name)
    }

    /// One page, with the recipient on it if the pushall is for them.
    async fn fan_out(&self, request: &FanOutRequest) -> Result<FanOutProgress, PushersError> {
        let tags = TagExpr::parse(&request.tag).map_err(|wrong| PushersError::Refused(wrong.to_string()))?;
        let audience = Audience { sender: request.sender.clone(), tags };
        let found = self.pusher.as_ref().filter(|pusher| audience.has(pusher));
        if let Some(pusher) = found {
            let (sender, data) = (request.sender.clone(), request.data.clone());
            self.push(PushRequest { sender, pusher: pusher.id.clone(), data, sched_at: 0, force: false }).await?;
        }
        Ok(FanOutProgress { pushed: u64::from(found.is_some()), done: true })
    }
}
