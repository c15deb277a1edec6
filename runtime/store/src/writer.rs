//! The one thread that writes (DESIGN §8). It takes what is queued, carries it out in order in one transaction, commits
//! durably and answers everybody: what comes while it works goes along, and while it waits for the disk the next batch
//! gathers.
//!
//! When the shared transaction fails it is aborted and the requests are tried again in halves, down to the one that
//! fails; if that has several operations, each gets a transaction of its own. So a failure costs time, never somebody
//! else's operation, and the order in which requests came is kept throughout.
//!
//! LMDB's writer lock belongs to the thread that took it, which is why this is an OS thread and not a task.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use periodic::{JobOp, JobOpDone, JobStoreError};
use pusher_core::{Applied, PusherChange, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::batch::{Batch, Kept};
use crate::deliveries::Mover;
use crate::error::{Failure, job_store_error, said};
use crate::open::Opened;
use crate::recent::RecentJobs;
use crate::resident::Resident;

/// How many requests may wait for the writer; whoever comes then waits for a place.
const QUEUE: usize = 4096;
/// A batch takes no further request once it has so many operations: a longer one would only make those in it wait.
const BATCH_OPS: usize = 1024;
/// Nor once it carries so many bytes, which LMDB holds in memory until the commit.
const BATCH_BYTES: usize = 16 << 20;
/// From so many operations on, whoever is ready to run is let go first before the commit: they may be about to ask, too, and
/// a commit costs as much for one as for hundreds. Where processors are idle nobody is, and nothing is waited for.
const CROWD: usize = 4;
/// A scratch buffer that one large record made larger than this is not kept.
const SCRATCH_BYTES: usize = 1 << 20;

/// The way to the thread.
pub(crate) struct Writer {
    // Dropped first: the thread ends when the queue is closed and empty.
    queue: mpsc::Sender<Message>,
    _thread: JoinOnDrop,
}

enum Message {
    Do(Box<dyn Request>),
    /// Take no more; finish what is queued.
    Close,
}

impl Writer {
    pub(crate) fn start(store: Arc<Opened>, recent: RecentJobs) -> io::Result<Self> {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("store-writer".into()).spawn(move || run(&store, recent, inbox))?;
        Ok(Self { queue, _thread: JoinOnDrop(Some(thread)) })
    }

    /// Queues operations and waits until they are durable, or refused. If the future is dropped meanwhile, operations
    /// that are queued are carried out all the same.
    pub(crate) async fn write<O: Operation>(&self, ops: Vec<O>) -> Vec<Result<O::Done, O::Error>> {
        if ops.is_empty() {
            return Vec::new();
        }
        let count = ops.len();
        let (answer, answered) = oneshot::channel();
        let ask = Ask { results: Vec::with_capacity(count), ops, answer };
        let fail = |why: &str| (0..count).map(|_| Err(O::error(StoreError::Failed(why.into())))).collect();
        if self.queue.send(Message::Do(Box::new(ask))).await.is_err() {
            return fail("it is closed");
        }
        answered.await.unwrap_or_else(|_| fail("its writer stopped; whether this was written is not known"))
    }

    /// Refuses new operations, and returns when all that were queued are durable.
    pub(crate) async fn close(&self) {
        // An error means that it is closed already.
        let _ = self.queue.send(Message::Close).await;
        self.queue.closed().await;
    }
}

struct JoinOnDrop(Option<JoinHandle<()>>);

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // A panic of the thread was answered and logged where it happened.
            let _ = thread.join();
        }
    }
}

/// One operation of one of the two ports.
pub(crate) trait Operation: Send + 'static {
    type Done: Send;
    type Error: Send;

    /// Carries it out. May be called again after the transaction of the first time was aborted.
    fn apply(&self, batch: &mut Batch) -> Result<Self::Done, Failure>;

    /// How many bytes it brings, roughly.
    fn bytes(&self) -> usize;

    /// The reason as its port names it.
    fn error(reason: StoreError) -> Self::Error;
}

impl Operation for PusherChange {
    type Done = Applied;
    type Error = StoreError;

    fn apply(&self, batch: &mut Batch) -> Result<Applied, Failure> {
        batch.apply_change(self)
    }

    fn bytes(&self) -> usize {
        // A recipient is small, and its size is not known before it is read.
        1024
    }

    fn error(reason: StoreError) -> StoreError {
        reason
    }
}

impl Operation for JobOp {
    type Done = JobOpDone;
    type Error = JobStoreError;

    fn apply(&self, batch: &mut Batch) -> Result<JobOpDone, Failure> {
        batch.apply_job_op(self)
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Put(job) | Self::Replace(job) => job.workload.len(),
            Self::PutAll { jobs, note } => jobs.iter().map(|job| job.workload.len()).sum::<usize>() + note.len(),
            _ => 0,
        }
    }

    fn error(reason: StoreError) -> JobStoreError {
        job_store_error(reason)
    }
}

/// Operations that one caller waits for, of whichever port.
trait Request: Send {
    fn ops(&self) -> usize;
    fn bytes(&self) -> usize;

    /// Carries all operations out. On an error the transaction is lost and so are all results.
    fn run(&mut self, batch: &mut Batch) -> Result<(), StoreError>;

    /// Carries out the operation at `index`, whose predecessors have their results.
    fn run_one(&mut self, index: usize, batch: &mut Batch) -> Result<(), StoreError>;

    /// Forgets the results from `index` on.
    fn forget(&mut self, index: usize);

    /// Gives the next operation this result.
    fn fail_one(&mut self, reason: StoreError);

    /// Sends the results to whoever waits for them.
    fn answer(self: Box<Self>);
}

struct Ask<O: Operation> {
    ops: Vec<O>,
    results: Vec<Result<O::Done, O::Error>>,
    answer: oneshot::Sender<Vec<Result<O::Done, O::Error>>>,
}

impl<O: Operation> Request for Ask<O> {
    fn ops(&self) -> usize {
        self.ops.len()
    }

    fn bytes(&self) -> usize {
        self.ops.iter().map(O::bytes).sum()
    }

    fn run(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        (0..self.ops.len()).try_for_each(|index| self.run_one(index, batch))
    }

    fn run_one(&mut self, index: usize, batch: &mut Batch) -> Result<(), StoreError> {
        let result = match self.ops[index].apply(batch) {
            Ok(done) => Ok(done),
            Err(Failure::Refused(reason)) => Err(O::error(reason)),
            Err(Failure::Lost(reason)) => return Err(reason),
        };
        self.results.push(result);
        Ok(())
    }

    fn forget(&mut self, index: usize) {
        self.results.truncate(index);
    }

    fn fail_one(&mut self, reason: StoreError) {
        self.results.push(Err(O::error(reason)));
    }

    fn answer(self: Box<Self>) {
        // Nobody waits any more: no harm, it is done.
        let _ = self.answer.send(self.results);
    }
}

/// The thread: batch after batch, until the queue is closed and empty.
fn run(store: &Opened, recent: RecentJobs, mut inbox: mpsc::Receiver<Message>) {
    let mut resident = Resident::of(store.env.path());
    let mut kept = Kept { recent, mover: Mover::default(), last_number: 0, scratch: Vec::new() };
    while let Some(first) = next(&mut inbox, mpsc::Receiver::blocking_recv) {
        write_batch(store, &mut kept, first, &mut inbox);
        resident.keep_small();
        if kept.scratch.capacity() > SCRATCH_BYTES {
            kept.scratch = Vec::new();
        }
    }
    // Only now does `Writer::close` return: everything is committed and answered.
    drop(inbox);
}

/// The next request, however it is received.
fn next(
    inbox: &mut mpsc::Receiver<Message>,
    receive: impl Fn(&mut mpsc::Receiver<Message>) -> Option<Message>,
) -> Option<Box<dyn Request>> {
    loop {
        match receive(inbox)? {
            Message::Do(request) => return Some(request),
            // What is queued behind it still counts.
            Message::Close => inbox.close(),
        }
    }
}

/// Carries a request out, and those that come while that is done, and commits when there is none or the batch is full: who
/// asks and who writes work at the same time, and only the commit is waited for.
fn write_batch(store: &Opened, kept: &mut Kept, first: Box<dyn Request>, inbox: &mut mpsc::Receiver<Message>) {
    // Outside of what may fail or panic: whatever happens there, each is answered.
    let mut batch = vec![first];
    let work = |txn: &mut Batch| {
        let (mut done, mut ops, mut bytes) = (0, 0, 0);
        while let Some(request) = batch.get_mut(done) {
            request.run(txn)?;
            done += 1;
            ops += request.ops();
            bytes += request.bytes();
            if ops >= BATCH_OPS || bytes >= BATCH_BYTES {
                break;
            }
            let now = |inbox: &mut mpsc::Receiver<Message>| inbox.try_recv().ok();
            let mut more = next(inbox, now);
            if more.is_none() && ops >= CROWD {
                thread::yield_now();
                more = next(inbox, now);
            }
            batch.extend(more);
        }
        Ok(ops)
    };
    if let Err(reason) = transact(store, kept, work) {
        write_apart(store, kept, &mut batch, reason);
    }
    for request in batch {
        request.answer();
    }
}

/// Carries requests out in one transaction; if that fails, each half of them in one of its own, and so on. One bad
/// request among a thousand costs twenty commits that way, not a thousand.
fn write_together(store: &Opened, kept: &mut Kept, requests: &mut [Box<dyn Request>]) {
    let ops = requests.iter().map(|request| request.ops()).sum();
    let work = |txn: &mut Batch| requests.iter_mut().try_for_each(|request| request.run(txn)).map(|()| ops);
    if let Err(reason) = transact(store, kept, work) {
        write_apart(store, kept, requests, reason);
    }
}

/// Carries out requests of which one transaction failed, for this reason.
fn write_apart(store: &Opened, kept: &mut Kept, requests: &mut [Box<dyn Request>], reason: StoreError) {
    tracing::warn!(requests = requests.len(), %reason, "a write failed");
    for request in requests.iter_mut() {
        request.forget(0);
    }
    match requests {
        [] => {}
        [request] => write_one_by_one(store, kept, request.as_mut(), reason),
        _ => {
            let (first, second) = requests.split_at_mut(requests.len() / 2);
            write_together(store, kept, first);
            write_together(store, kept, second);
        }
    }
}

/// Carries out the operations of a request that failed as a whole, for this reason.
fn write_one_by_one(store: &Opened, kept: &mut Kept, request: &mut dyn Request, reason: StoreError) {
    if request.ops() == 1 {
        return request.fail_one(reason);
    }
    for index in 0..request.ops() {
        if let Err(reason) = transact(store, kept, |txn| request.run_one(index, txn).map(|()| 1)) {
            request.forget(index);
            request.fail_one(reason);
        }
    }
}

/// Runs `work`, which says how many operations it was, in a transaction and commits it. A panic is an error like any other:
/// the transaction is aborted and the thread goes on.
fn transact(
    store: &Opened,
    kept: &mut Kept,
    work: impl FnOnce(&mut Batch) -> Result<usize, StoreError>,
) -> Result<(), StoreError> {
    let attempt = AssertUnwindSafe(|| {
        let begun = Instant::now();
        let mut batch = Batch::begin(store, kept).map_err(Failure::into_reason)?;
        let ops = work(&mut batch)?;
        batch.commit().map_err(Failure::into_reason)?;
        store.commits.count(ops, begun.elapsed());
        Ok(())
    });
    catch_unwind(attempt)
        .unwrap_or_else(|panic| Err(StoreError::Failed(format!("its writer panicked: {}", said(&*panic)))))
}
