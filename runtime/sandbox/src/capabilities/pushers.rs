//! The pushers capability: recipients, as far as `[pushers]` grants them. The port behind it is core's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use pusher_core::{
    FanOutRequest, JobName, NameError, PushRequest, Pusher, PusherId, Pushers as Port, PushersError, SenderName,
    WordError,
};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::pushers;
use crate::counts::DenialCounts;
use crate::manifest::Pushers as Section;
use crate::state::State;

use pushers::Error;

/// The most recipients on one page of a search: as many as the API gives.
const MAX_PAGE: u32 = 100;

/// What one sender may do with recipients.
#[derive(Clone)]
pub(crate) struct Grant {
    port: Arc<dyn Port>,
    allowed: Section,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.allowed.fmt(f)
    }
}

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    pushers::add_to_linker::<State, HasSelf<Host>>(linker, |state| &mut state.pushers)
}

pub(super) fn configure(port: &Arc<dyn Port>, section: Section) -> Grant {
    Grant { port: Arc::clone(port), allowed: section }
}

/// The host's side for one send.
pub(crate) struct Host {
    grant: Grant,
    denials: Arc<DenialCounts>,
}

pub(super) fn prepare(grant: &Grant, denials: &Arc<DenialCounts>) -> Host {
    Host { grant: grant.clone(), denials: Arc::clone(denials) }
}

impl pushers::Host for Host {
    async fn get(&mut self, id: String) -> Result<pushers::Pusher, Error> {
        self.allow(self.grant.allowed.read, "read")?;
        let id = PusherId::parse(&id)?;
        self.grant.port.get(&id).await?.map(to_guest).ok_or(Error::NotFound)
    }

    async fn search(&mut self, query: String, from: u64, size: u32) -> Result<pushers::Page, Error> {
        self.allow(self.grant.allowed.read, "read")?;
        let found = self.grant.port.search(&query, from, size.min(MAX_PAGE) as usize).await?;
        Ok(pushers::Page { total: found.total, pushers: found.pushers.into_iter().map(to_guest).collect() })
    }

    async fn push(&mut self, sender: String, pusher: String, data: String, schedat: i64) -> Result<String, Error> {
        self.allow(self.grant.allowed.push, "push")?;
        let request = PushRequest {
            sender: SenderName::parse(&sender)?,
            pusher: PusherId::parse(&pusher)?,
            data,
            sched_at: schedat,
            force: false,
        };
        Ok(self.grant.port.push(request).await?.as_str().to_owned())
    }

    async fn fan_out(
        &mut self,
        message_id: String,
        sender: String,
        tag: String,
        data: String,
        limit: u32,
    ) -> Result<pushers::Progress, Error> {
        self.allow(self.grant.allowed.fan_out, "fan-out")?;
        let request = FanOutRequest {
            id: JobName::parse(&message_id)?,
            sender: SenderName::parse(&sender)?,
            tag,
            data,
            limit: limit as usize,
        };
        let progress = self.grant.port.fan_out(&request).await?;
        Ok(pushers::Progress { pushed: progress.pushed, done: progress.done })
    }
}

impl Host {
    fn allow(&self, granted: bool, key: &str) -> Result<(), Error> {
        if granted {
            return Ok(());
        }
        self.denials.pushers.fetch_add(1, Relaxed);
        Err(Error::Denied(format!("the manifest does not grant it: [pushers] {key} = true")))
    }
}

impl From<WordError> for Error {
    fn from(error: WordError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<PushersError> for Error {
    fn from(error: PushersError) -> Self {
        match error {
            PushersError::Refused(reason) => Self::Refused(reason),
            PushersError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

fn to_guest(pusher: Pusher) -> pushers::Pusher {
    pushers::Pusher {
        id: pusher.id.into(),
        email: pusher.email,
        nickname: pusher.nickname,
        phone_number: pusher.phone_number,
        senders: pusher.senders.into_iter().map(String::from).collect(),
        tags: pusher.tags.into_iter().map(String::from).collect(),
        created_at: pusher.created_at,
    }
}
