//! The client: submits jobs to a server, waits for results, listens to workers, and asks how things stand.
//!
//! All clones of a [`Client`] share one connection, opened when it is first needed and again when it breaks. Requests
//! are sent without waiting for the answers to those before, and matched to their answers by number; at most 1000 are
//! unanswered at once, and further ones wait. At most 768 of them, and 64 MiB, are long ones ([`Client::run_job`],
//! [`Client::dump`], [`Client::drop_func`]), so that short ones have room beside them. That is some less than the 1024
//! at which a server stops reading: an embedder's with a lower `max_requests` must not be asked for as many results at
//! once, or it does not answer PINGs meanwhile and is taken for dead.
//!
//! Every method is cancellation-safe: dropping its future stops the waiting and harms no other request. A request that
//! was not sent by then is not sent; one that was may still have its effect. The server owes its answer all the same:
//! when long requests that nobody waits for any more leave no room for another one, the client opens a new connection
//! for everything new, and closes the old one when nobody waits on that.

mod chunks;
mod driver;
mod error;
mod ledger;
mod line;
mod options;
mod run;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

pub use self::chunks::Chunks;
use self::driver::Driver;
pub use self::error::{ClientError, RunError};
use self::ledger::{Answer, Ask, Call};
pub use self::options::ClientOptions;
use crate::job::{Job, JobKey};
use crate::server::FuncStatus;
use crate::transport::Connect;
use crate::wire::{self, Command, MAX_NAME};

/// Calls that may wait to be taken up; callers beyond it wait themselves.
const CALLS: usize = 256;

/// The most that one LOAD carries, in bytes, unless a single job is larger. Small enough for any server.
const LOAD_PART: usize = 4 << 20;

/// A client. A clone is the same client. When the last clone is gone the connection is closed, after what was asked has
/// been answered.
#[derive(Debug, Clone)]
pub struct Client {
    calls: mpsc::Sender<Call>,
    timeout: Duration,
    patience: Duration,
    max_payload: usize,
}

impl Client {
    /// A client of the server that `connect` leads to. Nothing is sent yet. Must be called within a tokio runtime.
    pub fn new(connect: Arc<dyn Connect>, options: ClientOptions) -> Self {
        let (calls, taken) = mpsc::channel(CALLS);
        let ClientOptions { timeout, patience, max_payload, .. } = options;
        tokio::spawn(Driver::new(connect, options, taken).run());
        Self { calls, timeout, patience, max_payload }
    }

    /// Submits a job. `Ok`: the server has taken it.
    ///
    /// # Errors
    /// See [`ClientError`]; [`ClientError::not_taken`] tells whether the server may have it after all.
    pub async fn submit(&self, job: Job) -> Result<(), ClientError> {
        one(self.submit_many(vec![job]).await)
    }

    /// Submits jobs, all at once; a result for each, in the same order. However many they are, their time is over only
    /// when the server has not answered one of them for [`ClientOptions::timeout`].
    pub async fn submit_many(&self, jobs: Vec<Job>) -> Vec<Result<(), ClientError>> {
        let answers = self.ask(jobs.into_iter().map(Command::SubmitJob).collect(), None).await;
        answers.into_iter().map(|answer| answer.and_then(success)).collect()
    }

    /// Deletes a job, if there is one, also when it runs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove(&self, key: JobKey) -> Result<(), ClientError> {
        self.ask_one(Command::RemoveJob(key)).await.and_then(success)
    }

    /// Deletes a func and all its jobs, unless a worker can do it. `Ok` either way: the protocol does not tell. The
    /// server answers when all of them are gone, for which it has [`ClientOptions::patience`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn drop_func(&self, func: Bytes) -> Result<(), ClientError> {
        self.ask_for(Command::DropFunc(func), Some(self.patience), None).await.and_then(success)
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

    /// Every job, whatever its state, by func and name. The server has [`ClientOptions::patience`] to read them.
    ///
    /// # Errors
    /// See [`ClientError`]. All jobs together must fit into [`ClientOptions::max_payload`].
    pub async fn dump(&self) -> Result<Vec<Job>, ClientError> {
        let jobs = wire::decode_jobs(self.dump_bytes().await?);
        jobs.map_err(|error| ClientError::Unexpected(format!("a dump that cannot be read: {error}")))
    }

    /// As [`Client::dump`], as the server encodes it: the bytes of a dump file. [`wire::decode_jobs`] reads them.
    ///
    /// # Errors
    /// As [`Client::dump`].
    pub async fn dump_bytes(&self) -> Result<Bytes, ClientError> {
        match self.ask_for(Command::Dump, Some(self.patience), None).await? {
            Command::Data(jobs) => Ok(jobs),
            other => Err(unexpected(&other)),
        }
    }

    /// Submits all of these, in parts of some MiB. What was submitted is what SUBMIT_JOB makes of it: a job that waits
    /// is replaced, one that runs is kept. The server has [`ClientOptions::patience`] for each part.
    ///
    /// # Errors
    /// See [`ClientError`]. An invalid job is found before anything is sent; after any other error a part may have been
    /// loaded. Loading all of it again is harmless.
    pub async fn load(&self, jobs: Vec<Job>) -> Result<(), ClientError> {
        let (mut parts, mut part, mut size) = (Vec::new(), Vec::new(), 0);
        for job in jobs {
            let weight = job_size(&job);
            self.check_size([job.key.func.len(), job.key.name.len()], job.workload.len())?;
            if size + weight > LOAD_PART.min(self.max_payload) && !part.is_empty() {
                parts.push(Command::Load(std::mem::take(&mut part)));
                size = 0;
            }
            size += weight;
            part.push(job);
        }
        parts.push(Command::Load(part));
        self.ask(parts, Some(self.patience)).await.into_iter().try_for_each(|answer| answer.and_then(success))
    }

    /// The value of a setting; 0 if the server does not know it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn config_get(&self, key: Bytes) -> Result<u32, ClientError> {
        match self.ask_one(Command::ConfigGet(key)).await? {
            Command::Config(value) => Ok(value),
            other => Err(unexpected(&other)),
        }
    }

    /// Changes a setting; one that the server does not know is ignored.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn config_set(&self, key: Bytes, value: u32) -> Result<(), ClientError> {
        self.ask_one(Command::ConfigSet { key, value }).await.and_then(success)
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

    /// Ends the server. Its only answer is that it closes the connection, so `Ok` means that it did; other requests that
    /// were not answered then are [`ClientError::Lost`].
    ///
    /// # Errors
    /// See [`ClientError`]. [`ClientError::Refused`]: it does not let clients end it.
    pub async fn shutdown(&self) -> Result<(), ClientError> {
        match self.ask_one(Command::Shutdown).await {
            Ok(other) => Err(unexpected(&other)),
            Err(ClientError::Lost) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets what has been asked be answered, then closes the connection, for all clones. Later requests, and [`Chunks`]
    /// that have not ended, get [`ClientError::Closed`].
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.calls.send(Call::Close(done)).await.is_ok() {
            // An error means it has ended, too.
            let _ended = closed.await;
        }
    }

    async fn ask_one(&self, command: Command) -> Result<Command, ClientError> {
        one(self.ask(vec![command], None).await)
    }

    /// An answer for each command. Those that could not be sent are not tried.
    async fn ask(&self, commands: Vec<Command>, within: Option<Duration>) -> Vec<Answer> {
        let checked: Vec<_> = commands.iter().map(|command| self.check(command)).collect();
        let good: Vec<_> = commands
            .into_iter()
            .zip(&checked)
            .filter(|(_, checked)| checked.is_ok())
            .map(|(command, _)| command)
            .collect();
        let mut answers = if good.is_empty() { Vec::new() } else { self.call(good, within).await }.into_iter();
        checked
            .into_iter()
            .map(|checked| checked.and_then(|()| answers.next().unwrap_or(Err(ClientError::Closed))))
            .collect()
    }

    async fn call(&self, commands: Vec<Command>, within: Option<Duration>) -> Vec<Answer> {
        let asked = commands.len();
        let (reply, answers) = oneshot::channel();
        let ask = Ask { commands, within, outlet: None, reply };
        if self.calls.send(Call::Ask(ask)).await.is_err() {
            return vec![Err(ClientError::Closed); asked];
        }
        // The driver answers everything it has taken, unless the runtime ends under it.
        answers.await.unwrap_or_else(|_| vec![Err(ClientError::Lost); asked])
    }

    fn check(&self, command: &Command) -> Result<(), ClientError> {
        match command {
            Command::SubmitJob(job) | Command::RunJob(job) | Command::RecvData(job) => {
                self.check_size([job.key.func.len(), job.key.name.len()], job.workload.len())
            }
            Command::RemoveJob(key) => self.check_size([key.func.len(), key.name.len()], 0),
            Command::DropFunc(name) | Command::ConfigGet(name) | Command::ConfigSet { key: name, .. } => {
                self.check_size([name.len(), 0], 0)
            }
            _ => Ok(()),
        }
    }

    fn check_size(&self, names: [usize; 2], body: usize) -> Result<(), ClientError> {
        let size = OVERHEAD + names[0] + names[1] + body;
        if names.into_iter().any(|len| len > MAX_NAME) {
            Err(ClientError::Invalid(format!("a func, name or key is over {MAX_NAME} bytes")))
        } else if size > self.max_payload {
            Err(ClientError::Invalid(format!("it takes {size} bytes, the limit is {}", self.max_payload)))
        } else {
            Ok(())
        }
    }
}

/// The msgid, the command, and all that frames the texts of a job.
const OVERHEAD: usize = 40;

fn job_size(job: &Job) -> usize {
    OVERHEAD + job.key.func.len() + job.key.name.len() + job.workload.len()
}

/// Roughly how many bytes a request takes, as far as that matters.
fn weight(command: &Command) -> usize {
    match command {
        Command::SubmitJob(job) | Command::RunJob(job) => job.workload.len(),
        Command::Load(jobs) => jobs.iter().map(job_size).sum(),
        _ => 0,
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
