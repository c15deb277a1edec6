//! The jobs of a worker: those that run, and the answers that the server has not confirmed. They outlive connections.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{debug, warn};

use super::session::{Asked, Session};
use super::work::{Ask, What, Work, WorkError};
use super::{Answer, Handler};
use crate::job::{Job, JobKey};
use crate::wire::Command;

/// What a frame may have beside a result: the job's key and all that frames it, and to spare.
const BESIDE_RESULT: usize = 1024;

/// A job's end, as its handler's task tells it.
pub(super) type Ended = Result<(Id, Answer), JoinError>;

/// A job that runs.
struct Running {
    job: Job,
    /// The connection over which it came last.
    session: u64,
    /// The server has taken it back; nothing is told about it any more.
    forgotten: bool,
    /// Locks that were asked for and not answered.
    acquiring: usize,
    /// How it ended, when a lock is still being asked for: if there is none, the end does not count.
    ended: Option<Answer>,
}

pub(super) struct Jobs {
    handler: Arc<dyn Handler>,
    max_payload: usize,
    asks: mpsc::Sender<Ask>,
    pub(super) tasks: JoinSet<Answer>,
    /// What each task runs.
    running: HashMap<Id, Running>,
    /// The task whose answer counts, of each job.
    by_key: HashMap<JobKey, Id>,
    /// Answers that the server has not confirmed, each with its number. A refusal confirms nothing.
    unconfirmed: HashMap<JobKey, (u64, Command)>,
    answered: u64,
}

impl Jobs {
    pub(super) fn new(handler: Arc<dyn Handler>, max_payload: usize, asks: mpsc::Sender<Ask>) -> Self {
        Self {
            handler,
            max_payload,
            asks,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            by_key: HashMap::new(),
            unconfirmed: HashMap::new(),
            answered: 0,
        }
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// How many answers are not confirmed.
    pub(super) fn unconfirmed(&self) -> usize {
        self.unconfirmed.len()
    }

    /// Says all answers again that are not confirmed.
    pub(super) fn say_again(&self, session: &mut Session) {
        for (key, (number, command)) in &self.unconfirmed {
            let msgid = session.request(command.clone());
            session.said.insert(msgid, (key.clone(), *number));
        }
    }

    /// Says the answers again that were refused, but for those that another has taken the place of.
    pub(super) fn say_refused(&self, session: &mut Session) {
        for (key, number) in std::mem::take(&mut session.refused) {
            if self.unconfirmed.get(&key).is_some_and(|(newest, _)| *newest == number) {
                self.say(key, session);
            }
        }
    }

    pub(super) fn confirmed(&mut self, key: &JobKey, number: u64) {
        if self.unconfirmed.get(key).is_some_and(|(newest, _)| *newest == number) {
            self.unconfirmed.remove(key);
        }
    }

    /// Has a job run, unless it runs already: a server that lost us gives us the same job again, and the handler that
    /// still has it will answer. If the job has changed, or was taken back, only the new one's answer counts.
    pub(super) fn start(&mut self, job: Job, session: &Session) {
        // It was assigned anew, so an answer from before has done what it could.
        self.unconfirmed.remove(&job.key);
        if let Some(running) = self.by_key.get(&job.key).and_then(|id| self.running.get_mut(id))
            && !running.forgotten
            && (&running.job.workload, running.job.count) == (&job.workload, job.count)
        {
            running.session = session.number;
            return;
        }
        let (handler, asks, lost) = (Arc::clone(&self.handler), self.asks.clone(), session.lost());
        let to_run = job.clone();
        let task = self.tasks.spawn(async move {
            let work = Work::new(tokio::task::id(), asks, lost);
            handler.run(to_run, work).await
        });
        self.by_key.insert(job.key.clone(), task.id());
        let session = session.number;
        self.running.insert(task.id(), Running { job, session, forgotten: false, acquiring: 0, ended: None });
    }

    /// Passes on what a handler asks, if the job is this connection's.
    pub(super) fn ask(&mut self, Ask { task, what, reply }: Ask, session: Option<&mut Session>) {
        let is_acquire = matches!(what, What::Acquire { .. });
        let sent = match (self.running.get_mut(&task), session) {
            (Some(running), Some(session))
                if !running.forgotten
                    && running.session == session.number
                    && self.by_key.get(&running.job.key) == Some(&task) =>
            {
                let key = running.job.key.clone();
                let command = match what {
                    What::Data(chunk) => Command::WorkData { key, chunk },
                    What::Acquire { lock, capacity } => Command::Acquire { lock, capacity, key },
                    What::Release(lock) => Command::Release { lock, key },
                };
                let msgid = session.link.new_msgid();
                match session.link.queue(msgid, command) {
                    Ok(()) => {
                        running.acquiring += usize::from(is_acquire);
                        session.asked.insert(msgid, Asked { task, acquire: is_acquire, reply });
                        return;
                    }
                    Err(error) => Err(WorkError::Invalid(error.to_string())),
                }
            }
            (Some(running), _) => {
                // Without the lock the handler has nothing to say; and the server has the job, to run it again.
                running.forgotten |= is_acquire;
                Err(WorkError::Lost)
            }
            (None, _) => Err(WorkError::Lost),
        };
        // The handler may have stopped waiting.
        let _handler_gone = reply.send(sent);
    }

    /// What the server says to something that a handler asked; `None`: the connection broke before it did. A job whose
    /// end waited for this has ended when a key is returned.
    pub(super) fn asked(&mut self, asked: Asked, answer: Option<Result<bool, WorkError>>) -> Option<JobKey> {
        let Asked { task, acquire, reply } = asked;
        let mut ended = None;
        if acquire && let Some(running) = self.running.get_mut(&task) {
            running.acquiring -= 1;
            running.forgotten |= !matches!(answer, Some(Ok(true) | Err(_)));
            if running.acquiring == 0 {
                ended = running.ended.take();
            }
        }
        // The handler may have stopped waiting.
        let _handler_gone = reply.send(answer.unwrap_or(Err(WorkError::Lost)));
        self.finish(task, ended?)
    }

    /// Notes how a job ended. A key is returned if the server is to be told.
    pub(super) fn record(&mut self, ended: Ended) -> Option<JobKey> {
        let (id, answer) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                warn!(%error, "a handler did not come to its end");
                (error.id(), Answer::Fail)
            }
        };
        let running = self.running.get_mut(&id)?;
        if running.acquiring > 0 {
            running.ended = Some(answer);
            return None;
        }
        self.finish(id, answer)
    }

    fn finish(&mut self, id: Id, answer: Answer) -> Option<JobKey> {
        let Running { job: Job { key, .. }, forgotten, .. } = self.running.remove(&id)?;
        if self.by_key.get(&key) != Some(&id) {
            return None;
        }
        self.by_key.remove(&key);
        if forgotten {
            if answer != Answer::Locked {
                debug!("an answer is not told: the server has taken the job back to wait for a lock");
            }
            return None;
        }
        let command = match answer {
            Answer::Done(result) => Command::WorkDone { result: self.fitting(&key, result), key: key.clone() },
            Answer::Fail => Command::WorkFail(key.clone()),
            Answer::Later { delay_seconds, step } => {
                Command::SchedLater { key: key.clone(), delay: delay_seconds, step }
            }
            Answer::Locked => {
                warn!("a handler answered that its job is locked, and it is not; taken as failed");
                Command::WorkFail(key.clone())
            }
        };
        self.answered += 1;
        self.unconfirmed.insert(key.clone(), (self.answered, command));
        Some(key)
    }

    /// The result, or an empty one for a result that is too large to be sent: the job is done all the same, and to say
    /// that it failed would have it run again, to the same end.
    fn fitting(&self, key: &JobKey, result: Bytes) -> Bytes {
        let max = self.max_payload.saturating_sub(BESIDE_RESULT);
        if result.len() <= max {
            return result;
        }
        warn!(
            func = %key.func.escape_ascii(),
            job = %key.name.escape_ascii(),
            bytes = result.len(),
            max,
            "a result is too large to be sent, and whoever waits for it is given an empty one; raise the largest \
             payload (WorkerOptions::max_payload and the server's), or keep results elsewhere and answer where they are"
        );
        Bytes::new()
    }

    /// Says how a job ended.
    pub(super) fn say(&self, key: JobKey, session: &mut Session) {
        if let Some((number, command)) = self.unconfirmed.get(&key) {
            let msgid = session.request(command.clone());
            session.said.insert(msgid, (key, *number));
        }
    }
}
