//! The client: submits jobs to a server, removes them, and asks how things stand.
//!
//! All clones of a [`Client`] share one connection, opened when it is first needed and again when it breaks. Requests
//! are sent without waiting for the answers to those before, and matched to their answers by number.

mod driver;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use self::driver::{Call, Driver};
use crate::job::{Job, JobKey};
use crate::server::FuncStatus;
use crate::transport::Connect;
use crate::wire::{Command, DEFAULT_MAX_PAYLOAD, MAX_NAME};

/// Calls that may wait to be taken up; callers beyond it wait themselves.
const CALLS: usize = 256;

/// How a client behaves. `Default` is right for most.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long a request may take, connecting included. Default 10 s.
    pub timeout: Duration,
    /// The longest wait between two tries to connect. Default 3 s; the first is 50 ms.
    pub max_backoff: Duration,
    /// How long the connection may be idle before the server is asked whether it is there. Default 20 s; a server
    /// closes what is silent for 120 s.
    pub ping_interval: Duration,
    /// The largest payload sent and taken, in bytes. Default 16 MiB.
    pub max_payload: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            max_backoff: Duration::from_secs(3),
            ping_interval: Duration::from_secs(20),
            max_payload: DEFAULT_MAX_PAYLOAD,
        }
    }
}

/// Why a request was not answered as hoped. [`ClientError::not_taken`] tells whether it may have had an effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// It cannot be sent to any server.
    #[error("the request is not valid: {0}")]
    Invalid(String),
    /// There was no connection in time.
    #[error("the Periodic server at {peer} cannot be reached: {reason}")]
    Unreachable {
        /// Which server.
        peer: String,
        /// Why the last try failed.
        reason: String,
    },
    /// The server does not let us.
    #[error("the Periodic server refused the request")]
    Refused,
    /// The connection broke after the request was sent.
    #[error("the connection to the Periodic server broke before it answered")]
    Lost,
    /// The server did not answer in time.
    #[error("the Periodic server did not answer in time")]
    Timeout,
    /// The server answered something else.
    #[error("the Periodic server gave an answer that does not fit the request: {0}")]
    Unexpected(String),
    /// The client was closed before the request was sent.
    #[error("the client has been closed")]
    Closed,
}

impl ClientError {
    /// Is it certain that the request had no effect? If not, it may have had: a submit may then be repeated, because a
    /// job that waits or runs is not there twice; one that has been done meanwhile would be done again.
    pub fn not_taken(&self) -> bool {
        match self {
            Self::Invalid(_) | Self::Unreachable { .. } | Self::Refused | Self::Closed => true,
            Self::Lost | Self::Timeout | Self::Unexpected(_) => false,
        }
    }
}

/// A client. A clone is the same client. When the last clone is gone the connection is closed, after what was asked has
/// been answered.
#[derive(Debug, Clone)]
pub struct Client {
    calls: mpsc::Sender<Call>,
    max_payload: usize,
}

impl Client {
    /// A client of the server that `connect` leads to. Nothing is sent yet. Must be called within a tokio runtime.
    pub fn new(connect: Arc<dyn Connect>, options: ClientOptions) -> Self {
        let (calls, taken) = mpsc::channel(CALLS);
        let max_payload = options.max_payload;
        tokio::spawn(Driver::new(connect, options, taken).run());
        Self { calls, max_payload }
    }

    /// Submits a job. `Ok`: the server has taken it.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::not_taken`] tells whether the server may have it after all.
    pub async fn submit(&self, job: Job) -> Result<(), ClientError> {
        one(self.submit_many(vec![job]).await)
    }

    /// Submits jobs, all at once; a result for each, in the same order.
    pub async fn submit_many(&self, jobs: Vec<Job>) -> Vec<Result<(), ClientError>> {
        let answers = self.ask(jobs.into_iter().map(Command::SubmitJob).collect()).await;
        answers.into_iter().map(|answer| answer.and_then(success)).collect()
    }

    /// Deletes a job, if there is one, also when it runs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove(&self, key: JobKey) -> Result<(), ClientError> {
        self.ask_one(Command::RemoveJob(key)).await.and_then(success)
    }

    /// Deletes a func and all its jobs, unless a worker can do it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn drop_func(&self, func: Bytes) -> Result<(), ClientError> {
        self.ask_one(Command::DropFunc(func)).await.and_then(success)
    }

    /// Asks about every func.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Vec<FuncStatus>, ClientError> {
        match self.ask_one(Command::Status).await? {
            Command::Data(text) => Ok(FuncStatus::parse_all(&text)),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks whether the server is there.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ping(&self) -> Result<(), ClientError> {
        match self.ask_one(Command::Ping).await? {
            Command::Pong => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets what has been asked be answered, then closes the connection, for all clones. Later requests get
    /// [`ClientError::Closed`].
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.calls.send(Call::Close(done)).await.is_ok() {
            // An error means it has ended, too.
            let _ended = closed.await;
        }
    }

    async fn ask_one(&self, command: Command) -> Result<Command, ClientError> {
        one(self.ask(vec![command]).await)
    }

    /// An answer for each command. Those that could not be sent are not tried.
    async fn ask(&self, commands: Vec<Command>) -> Vec<Result<Command, ClientError>> {
        let checked: Vec<_> = commands.iter().map(|command| self.check(command)).collect();
        let good: Vec<_> = commands
            .into_iter()
            .zip(&checked)
            .filter(|(_, checked)| checked.is_ok())
            .map(|(command, _)| command)
            .collect();
        let mut answers = if good.is_empty() { Vec::new() } else { self.call(good).await }.into_iter();
        checked
            .into_iter()
            .map(|checked| checked.and_then(|()| answers.next().unwrap_or(Err(ClientError::Closed))))
            .collect()
    }

    async fn call(&self, commands: Vec<Command>) -> Vec<Result<Command, ClientError>> {
        let asked = commands.len();
        let (reply, answers) = oneshot::channel();
        if self.calls.send(Call::Ask { commands, reply }).await.is_err() {
            return vec![Err(ClientError::Closed); asked];
        }
        // The driver answers everything it has taken, unless the runtime ends under it.
        answers.await.unwrap_or_else(|_| vec![Err(ClientError::Lost); asked])
    }

    fn check(&self, command: &Command) -> Result<(), ClientError> {
        let (names, body) = match command {
            Command::SubmitJob(job) => ([job.key.func.len(), job.key.name.len()], job.workload.len()),
            Command::RemoveJob(key) => ([key.func.len(), key.name.len()], 0),
            Command::DropFunc(func) => ([func.len(), 0], 0),
            _ => ([0, 0], 0),
        };
        // The msgid, the command, and all that frames the three texts.
        let size = 32 + names[0] + names[1] + body;
        if names.into_iter().any(|len| len > MAX_NAME) {
            Err(ClientError::Invalid(format!("a func or name is over {MAX_NAME} bytes")))
        } else if size > self.max_payload {
            Err(ClientError::Invalid(format!("it takes {size} bytes, the limit is {}", self.max_payload)))
        } else {
            Ok(())
        }
    }
}

fn one<T>(answers: Vec<Result<T, ClientError>>) -> Result<T, ClientError> {
    answers.into_iter().next().unwrap_or(Err(ClientError::Closed))
}

fn success(answer: Command) -> Result<(), ClientError> {
    match answer {
        Command::Success => Ok(()),
        other => Err(unexpected(&other)),
    }
}

/// The body of an answer is not shown: it may be anybody's data.
fn unexpected(answer: &Command) -> ClientError {
    ClientError::Unexpected(format!("command {}", answer.code()))
}
