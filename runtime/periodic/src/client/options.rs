//! How a client behaves.

use std::time::Duration;

use crate::identity::Identity;
use crate::wire::DEFAULT_MAX_PAYLOAD;

/// How a client behaves. `Default` is right for most.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long a request may take, connecting included. Default 10 s. A call of many requests
    /// ([`Client::submit_many`](super::Client::submit_many)) has this time anew with each answer.
    /// [`Client::run_job`](super::Client::run_job) has it until its job is sent, and then the job's.
    pub timeout: Duration,
    /// How long a request may take, once it is sent, whose work grows with the data: [`drop_func`], [`dump`], and each
    /// part of a [`load`]. Default 1 h. It is the limit for a server that works: one that is gone is noticed by
    /// [`ClientOptions::ping_interval`].
    ///
    /// [`drop_func`]: super::Client::drop_func
    /// [`dump`]: super::Client::dump
    /// [`load`]: super::Client::load
    pub patience: Duration,
    /// The longest wait between two tries to connect. Default 3 s; the first is 50 ms.
    pub max_backoff: Duration,
    /// Whether to try to connect again, within [`ClientOptions::timeout`], when it did not work. Default yes. A command
    /// that a person waits for does without.
    pub retry_connect: bool,
    /// How long the connection may be idle before the server is asked whether it is there. Default 20 s; a server
    /// closes what is silent for 120 s. One that has said nothing for three times as long is taken for dead.
    pub ping_interval: Duration,
    /// The largest payload sent and taken, in bytes. Default 16 MiB. An answer over it is
    /// [`ClientError::TooLarge`](super::ClientError::TooLarge). As many bytes of chunks may wait to be taken from one
    /// [`Chunks`](super::Chunks).
    pub max_payload: usize,
    /// Who to say that we are. Default: nobody, which a server with an auth file refuses everything.
    pub identity: Option<Identity>,
    /// Register as a worker, which may ask all that a client may: for an identity that is a worker's, and submits jobs as
    /// well. Default no.
    pub as_worker: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            patience: Duration::from_secs(3600),
            max_backoff: Duration::from_secs(3),
            retry_connect: true,
            ping_interval: Duration::from_secs(20),
            max_payload: DEFAULT_MAX_PAYLOAD,
            identity: None,
            as_worker: false,
        }
    }
}
