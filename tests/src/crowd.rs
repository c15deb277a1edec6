//! A crowd of sends through one sender, each followed by the next, for whoever watches what becomes of others meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pusher_core::{JobName, Message, PusherId, Sender};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How long a crowd runs before it is measured.
pub const WARM_UP: Duration = Duration::from_millis(300);
/// For how long it is measured.
const MEASURED: Duration = Duration::from_secs(2);

/// What the message tells the sender `faulty` to do, and what that is called.
pub const HOSTILE: [(&str, &str); 12] = [
    ("spin", "loop"),
    ("loop:clock", "loop-of-clock"),
    ("loop:config", "loop-of-config"),
    ("loop:http", "loop-of-denied-http"),
    ("loop:pushers", "loop-of-denied-pushers"),
    ("loop:log", "log-flood"),
    ("loop:sleep", "short-sleeps"),
    ("alloc", "memory-in-steps"),
    ("grow", "memory-at-once"),
    ("trap", "crash"),
    ("key:100000000", "huge-argument"),
    ("sleep:60000", "wait"),
];

/// Sends of one kind, until the crowd is told to end.
pub struct Crowd {
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Sends `data`, `at_once` of them at a time.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn start(sender: &Arc<dyn Sender>, data: &str, at_once: usize) -> io::Result<Self> {
        let message = message(&**sender, data)?;
        let mut crowd =
            Self { over: Arc::default(), done: Arc::default(), failed: Arc::default(), tasks: JoinSet::default() };
        for _ in 0..at_once {
            let (sender, message) = (Arc::clone(sender), message.clone());
            let (over, done, failed) = (Arc::clone(&crowd.over), Arc::clone(&crowd.done), Arc::clone(&crowd.failed));
            crowd.tasks.spawn(async move {
                while !over.load(Relaxed) {
                    let counter = if sender.send(message.clone()).await.is_ok() { &done } else { &failed };
                    counter.fetch_add(1, Relaxed);
                    // A worker gets each message from the network, and so has other work between two of them.
                    tokio::task::yield_now().await;
                }
            });
        }
        Ok(crowd)
    }

    /// How many were delivered so far.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// Ends it, without waiting for those that wait. How many sends failed?
    pub async fn end(mut self) -> u64 {
        self.over.store(true, Relaxed);
        self.tasks.shutdown().await;
        self.failed.load(Relaxed)
    }

    /// Ends it with the last send that has begun. How many were delivered, and how many failed?
    pub async fn finish(mut self) -> (u64, u64) {
        self.over.store(true, Relaxed);
        while self.tasks.join_next().await.is_some() {}
        (self.done(), self.failed.load(Relaxed))
    }
}

/// How many messages a second the sender delivers, `at_once` at once.
///
/// # Errors
/// If one fails.
pub async fn delivered(sender: &Arc<dyn Sender>, data: &str, at_once: usize) -> io::Result<f64> {
    let crowd = Crowd::start(sender, data, at_once)?;
    sleep(WARM_UP).await;
    let (before, start) = (crowd.done(), Instant::now());
    sleep(MEASURED).await;
    let (done, elapsed) = (crowd.done() - before, start.elapsed());
    if crowd.end().await > 0 {
        return Err(io::Error::other("a send failed that should not"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of sends is far below 2^52")]
    Ok(done as f64 / elapsed.as_secs_f64())
}

/// A message to somebody.
///
/// # Errors
/// None that depends on the arguments.
pub fn message(sender: &dyn Sender, data: &str) -> io::Result<Message> {
    let pusher = PusherId::parse("lupino").map_err(io::Error::other)?;
    let id = JobName::for_push(&pusher, data);
    Ok(Message { id, sender: sender.name().clone(), pusher, data: data.into(), attempt: 1 })
}
