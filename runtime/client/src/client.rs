//! The operations on one recipient and its messages: what each asks of the server, and what it gets back.

use async_trait::async_trait;
use bytes::Bytes;
use pusher_core::{
    ContactFields, FanOutProgress, FanOutRequest, JobName, PushRequest, Pusher, PusherId, PusherList, Pushers,
    PushersError, SenderName, Tag,
};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::call::{Call, segment};
use crate::error::ClientError;
use crate::transport::{Options, Transport};

/// A client of one API server. Cheap to clone; clones share their connections.
///
/// All operations fail with a [`ClientError`], whose variants say whether the server refused, failed or was not there.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) transport: Transport,
}

impl Client {
    /// A client of the server at `base` ([`base_url`](crate::base_url) makes one from text). It connects when it is
    /// first used.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if the TLS library cannot be set up.
    pub fn new(base: Url, options: Options) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::new(base, options)? })
    }

    /// The recipient.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is none.
    pub async fn get(&self, id: &PusherId) -> Result<Pusher, ClientError> {
        #[derive(Deserialize)]
        struct One {
            pusher: Pusher,
        }
        let One { pusher } = read(&self.transport.send(&Call::new(Method::GET, pusher_path(id)?)).await?)?;
        Ok(pusher)
    }

    /// Creates a recipient, or sets the given contact fields of one that is there.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked.
    pub async fn create(&self, id: &PusherId, fields: &ContactFields) -> Result<(), ClientError> {
        let call = Call::new(Method::POST, "/pusher/pushers/".to_owned()).with("pusher", id.as_str());
        self.done(&contact(call, fields)).await
    }

    /// Sets the given contact fields. The server takes an empty one for one that is not given; [`create`](Self::create)
    /// can empty a field.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such recipient.
    pub async fn update(&self, id: &PusherId, fields: &ContactFields) -> Result<(), ClientError> {
        self.done(&contact(Call::new(Method::POST, pusher_path(id)?), fields)).await
    }

    /// Forgets a recipient; one that is not there is no error.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn delete(&self, id: &PusherId) -> Result<(), ClientError> {
        self.done(&Call::new(Method::DELETE, pusher_path(id)?)).await
    }

    /// Switches a channel on.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such recipient.
    pub async fn add_sender(&self, id: &PusherId, sender: &SenderName) -> Result<(), ClientError> {
        self.done(&sender_call(sender, "add")?.with("pusher", id.as_str())).await
    }

    /// Switches a channel off.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such recipient.
    pub async fn remove_sender(&self, id: &PusherId, sender: &SenderName) -> Result<(), ClientError> {
        self.done(&sender_call(sender, "delete")?.with("pusher", id.as_str())).await
    }

    /// Puts a label on.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such recipient.
    pub async fn add_tag(&self, id: &PusherId, tag: &Tag) -> Result<(), ClientError> {
        self.done(&Call::new(Method::POST, tag_path(id, tag)?)).await
    }

    /// Takes a label off.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such recipient.
    pub async fn remove_tag(&self, id: &PusherId, tag: &Tag) -> Result<(), ClientError> {
        self.done(&Call::new(Method::DELETE, tag_path(id, tag)?)).await
    }

    /// Pushes one message to one recipient; the name of its job. When this returns, the message is durable.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if there is no such recipient, [`ClientError::Refused`] if it has not switched the
    /// channel on.
    pub async fn push(&self, request: &PushRequest) -> Result<JobName, ClientError> {
        self.accepted(&push_call(request)?).await
    }

    /// Pushes one message to every recipient that has `sender` and, unless it is empty, `tag`: a tag, or an expression of
    /// tags as in `vip AND NOT trial`. The name of its job. `sched_at` is when, in Unix seconds; 0: now.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the tag is no expression; or the server cannot be asked.
    pub async fn pushall(
        &self,
        sender: &SenderName,
        tag: &str,
        data: &str,
        sched_at: i64,
    ) -> Result<JobName, ClientError> {
        self.accepted(&pushall_call(sender, tag, data, sched_at)?).await
    }

    /// Pushes to the next page of a pushall's recipients; how far it has come. Asking again goes on from there.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked.
    pub async fn fan_out(&self, request: &FanOutRequest) -> Result<FanOutProgress, ClientError> {
        #[derive(Deserialize)]
        struct FannedOut {
            pushed: u64,
            done: bool,
        }
        let call = sender_call(&request.sender, "fanout")?
            .with("id", request.id.as_str())
            .with_some("tag", Some(request.tag.as_str()).filter(|tag| !tag.is_empty()))
            .with("data", &request.data)
            .with("limit", &request.limit.to_string());
        let FannedOut { pushed, done } = read(&self.transport.send(&call).await?)?;
        Ok(FanOutProgress { pushed, done })
    }

    /// Cancels a push (`sender` as it was pushed to) or a pushall (`sender` = `pushall`) that has not gone out; one that
    /// is not there is no error.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn cancel(&self, sender: &SenderName, name: &JobName) -> Result<(), ClientError> {
        self.done(&sender_call(sender, "cancelpush")?.with("name", name.as_str())).await
    }

    /// Sends a call that is answered with nothing but that it was done.
    pub(crate) async fn done(&self, call: &Call) -> Result<(), ClientError> {
        #[derive(Deserialize)]
        struct Done {
            #[serde(rename = "result")]
            _result: String,
        }
        read::<Done>(&self.transport.send(call).await?).map(|_| ())
    }

    /// Sends a call that is answered with the name of a job.
    pub(crate) async fn accepted(&self, call: &Call) -> Result<JobName, ClientError> {
        #[derive(Deserialize)]
        struct Accepted {
            name: String,
        }
        let Accepted { name } = read(&self.transport.send(call).await?)?;
        JobName::parse(&name).map_err(|error| ClientError::Unexpected(error.to_string()))
    }
}

fn pusher_path(id: &PusherId) -> Result<String, ClientError> {
    Ok(format!("/pusher/pushers/{}/", segment(id.as_str())?))
}

fn tag_path(id: &PusherId, tag: &Tag) -> Result<String, ClientError> {
    Ok(format!("{}{}/", pusher_path(id)?, segment(tag.as_str())?))
}

fn sender_call(sender: &SenderName, operation: &str) -> Result<Call, ClientError> {
    Ok(Call::new(Method::POST, format!("/pusher/{}/{operation}", segment(sender.as_str())?)))
}

/// What a push asks.
pub(crate) fn push_call(request: &PushRequest) -> Result<Call, ClientError> {
    Ok(sender_call(&request.sender, "push")?
        .not_idempotent()
        .with("pusher", request.pusher.as_str())
        .with("data", &request.data)
        .with_some("schedat", sched_at(request.sched_at).as_deref())
        .with_some("force", request.force.then_some("true")))
}

/// What a pushall asks.
pub(crate) fn pushall_call(sender: &SenderName, tag: &str, data: &str, sched_at: i64) -> Result<Call, ClientError> {
    Ok(sender_call(sender, "pushall")?
        .not_idempotent()
        .with("data", data)
        .with_some("tag", Some(tag).filter(|tag| !tag.is_empty()))
        .with_some("schedat", self::sched_at(sched_at).as_deref()))
}

fn contact(call: Call, fields: &ContactFields) -> Call {
    let created_at = fields.created_at.map(|seconds| seconds.to_string());
    call.with_some("email", fields.email.as_deref())
        .with_some("nickname", fields.nickname.as_deref())
        .with_some("phoneNumber", fields.phone_number.as_deref())
        .with_some("createdAt", created_at.as_deref())
}

fn sched_at(seconds: i64) -> Option<String> {
    (seconds != 0).then(|| seconds.to_string())
}

/// What an answer says.
pub(crate) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Unexpected(error.to_string()))
}

#[async_trait]
impl Pushers for Client {
    async fn get(&self, id: &PusherId) -> Result<Option<Pusher>, PushersError> {
        match Self::get(self, id).await {
            Ok(pusher) => Ok(Some(pusher)),
            Err(ClientError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, PushersError> {
        Ok(Self::search(self, query, from, size).await?)
    }

    async fn push(&self, request: PushRequest) -> Result<JobName, PushersError> {
        Ok(Self::push(self, &request).await?)
    }

    async fn fan_out(&self, request: &FanOutRequest) -> Result<FanOutProgress, PushersError> {
        Ok(Self::fan_out(self, request).await?)
    }
}

impl From<ClientError> for PushersError {
    fn from(error: ClientError) -> Self {
        match error {
            // As the service words it when there is no HTTP between.
            ClientError::NotFound(sentence) | ClientError::Refused { sentence, .. } => Self::Refused(sentence),
            ClientError::Unaddressable(_) => Self::Refused(error.to_string()),
            ClientError::Unavailable(sentence) | ClientError::TooBusy(sentence) => Self::Unavailable(sentence),
            ClientError::Failed { .. }
            | ClientError::TooLate(_)
            | ClientError::Unreachable(_)
            | ClientError::Unexpected(_)
            | ClientError::Signing(_)
            | ClientError::BaseUrl { .. } => Self::Unavailable(error.to_string()),
        }
    }
}
