//! The thread that keeps the index up: it opens the index or builds it anew, follows the log of changes, and starts
//! over when something fails. It never stands in the way of a write: a full disk or a damaged file costs searches, and
//! nothing else.
//!
//! ```text
//! Opening ─▶ Building (n of m) ─▶ Ready (up to change n) ─▶ Failed (why) ─┐
//!    ▲──────────────────────────────────────────────────────── a pause ◀─┘
//! ```
//!
//! When the index is committed, which takes some milliseconds: as soon as a search waits for it; otherwise when nothing
//! has been written for a moment, or when the first change that is not in it has waited for long. So a bulk import is
//! indexed after it rather than beside it, and a search after it waits for what is left.

use std::convert::Infallible;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pusher_core::StoreError;
use tantivy::{Index, IndexReader, TantivyError};
use tokio::sync::watch;

use super::directory;
use super::fields::Fields;
use super::files::{self, Label, OpenDirectory};
use super::limits;
use super::writer::{IndexUpdate, UpdateError};
use crate::error::said;
use crate::open::Opened;

/// Nothing was written for so long: a good moment to index what was.
const QUIET: Duration = Duration::from_millis(300);
/// The longest time that a change waits to be indexed when no search needs it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The pauses before another attempt after a failure: the first, and the longest.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// How the index is.
#[derive(Clone)]
pub(crate) enum State {
    /// What is there is being looked at.
    Opening,
    /// It is being built from the records: so many are done, of so many.
    Building { done: u64, total: u64 },
    /// It can be searched, and has all changes up to this one.
    Ready { reader: IndexReader, seq: u64 },
    /// It cannot be searched for now.
    Failed(StoreError),
    /// The thread has ended.
    Stopped,
}

/// What the thread and those who search share.
pub(crate) struct Shared {
    pub(crate) opened: Arc<Opened>,
    pub(crate) fields: Fields,
    pub(crate) state: watch::Sender<State>,
    /// The last change that somebody waits for.
    pub(crate) wanted: AtomicU64,
    pub(crate) stop: AtomicBool,
    pub(crate) dir: PathBuf,
    pub(crate) settings: Settings,
}

/// What tests set otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) directory: OpenDirectory,
    /// How long a search waits for what was written before it to be in the index.
    pub(crate) patience: Duration,
    /// What a search may do ([`limits::STEPS`]).
    pub(crate) steps: u64,
    /// And one that is quick ([`limits::QUICK_STEPS`]).
    pub(crate) quick_steps: u64,
    /// How long a search waits for its turn ([`limits::TURN`]).
    pub(crate) turn: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            directory: files::on_disk,
            patience: Duration::from_secs(5),
            steps: limits::STEPS,
            quick_steps: limits::QUICK_STEPS,
            turn: limits::TURN,
        }
    }
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Why the thread starts over.
enum Broken {
    /// The index has to be built anew.
    Rebuild(String),
    /// So it has, and not at once.
    Panicked(String),
    /// The disk, or the store.
    Failed(StoreError),
    /// It was told to stop.
    Stopped,
}

impl From<TantivyError> for Broken {
    fn from(error: TantivyError) -> Self {
        Self::Failed(index_error(&error))
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<UpdateError> for Broken {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Store(error) => error.into(),
            UpdateError::Index(error) => error.into(),
        }
    }
}

/// What a failure of the index is called at the port.
pub(crate) fn index_error(error: &TantivyError) -> StoreError {
    match directory::io_error(error).map(io::Error::kind) {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            StoreError::Full("there is no room for the search index; make room on its disk".into())
        }
        _ => StoreError::Failed(format!("the search index: {error}")),
    }
}

/// The thread.
pub(crate) fn run(shared: &Shared) {
    shared.opened.progress.set_follower(Some(thread::current()));
    let mut rebuild = None;
    let mut pause = RETRY[0];
    while !shared.is_stopping() {
        let attempt = AssertUnwindSafe(|| follow(shared, rebuild.take(), &mut pause));
        let error = match catch_unwind(attempt).unwrap_or_else(|panic| Broken::Panicked(said(&*panic).to_owned())) {
            Broken::Stopped => break,
            Broken::Rebuild(reason) => {
                rebuild = Some(reason);
                continue;
            }
            Broken::Panicked(said) => {
                rebuild = Some("reading or writing it panicked".to_owned());
                StoreError::Failed(format!("the search index: panicked: {said}"))
            }
            Broken::Failed(error) => error,
        };
        let dir = shared.dir.display();
        tracing::error!(%dir, %error, ?pause, "the search index cannot be kept up; trying again after a pause");
        shared.state.send_replace(State::Failed(error));
        sleep(shared, pause);
        pause = (pause * 2).min(RETRY[1]);
    }
    shared.opened.progress.set_follower(None);
    shared.state.send_replace(State::Stopped);
}

/// Opens or builds the index, and keeps it up until that fails.
fn follow(shared: &Shared, rebuild: Option<String>, pause: &mut Duration) -> Broken {
    match prepare(shared, rebuild).and_then(|(index, update, seq)| keep_up(shared, &index, update, seq, pause)) {
        Ok(never) => match never {},
        Err(broken) => broken,
    }
}

/// An index that can be used and written, and the last change in it.
type Prepared<'s> = (Index, IndexUpdate<'s>, u64);

fn prepare(shared: &Shared, rebuild: Option<String>) -> Result<Prepared<'_>, Broken> {
    shared.state.send_replace(State::Opening);
    let Shared { opened, fields, dir, .. } = shared;
    let reason = match rebuild {
        Some(reason) => reason,
        None => match files::open(dir, fields, opened.identity, shared.settings.directory) {
            Ok((index, Label { seq, .. })) if seq <= opened.progress.committed() => {
                let update = IndexUpdate::begin(opened, fields, &index)?;
                return Ok((index, update, seq));
            }
            Ok(_) => "it is ahead of the store, which seems to have been restored".into(),
            Err(reason) => reason,
        },
    };
    build(shared, &reason)
}

fn build<'s>(shared: &'s Shared, reason: &str) -> Result<Prepared<'s>, Broken> {
    let Shared { opened, fields, .. } = shared;
    let began = Instant::now();
    let index = files::create(&shared.dir, fields, shared.settings.directory)?;
    // What changes from here on is in the log; what is read below may or may not have it already.
    let first = opened.progress.committed();
    opened.progress.set_indexed(first);
    let mut update = IndexUpdate::begin(opened, fields, &index)?;
    let total = opened.count_pushers()?;
    if total > 0 {
        tracing::info!(reason, recipients = total, "building the search index");
    }
    let mut told = began;
    let mut done = 0;
    let mut last = None;
    loop {
        shared.state.send_replace(State::Building { done, total });
        let (read, next) = update.add_records(last.as_ref())?;
        done += read;
        let Some(next) = next else { break };
        last = Some(next);
        if shared.is_stopping() {
            return Err(Broken::Stopped);
        }
        if told.elapsed() > Duration::from_secs(2) {
            told = Instant::now();
            tracing::info!(done, of = total, "building the search index");
        }
    }
    let until = opened.progress.committed();
    let mut seq = first;
    while seq < until {
        if shared.is_stopping() {
            return Err(Broken::Stopped);
        }
        seq = update.replay(seq)?.ok_or_else(|| Broken::Rebuild("too much changed meanwhile".into()))?;
    }
    update.commit(seq)?;
    if total > 0 {
        tracing::info!(recipients = done, seconds = began.elapsed().as_secs_f32(), "the search index is built");
    }
    Ok((index, update, seq))
}

/// Follows the log of changes from `seq` on.
fn keep_up(
    shared: &Shared,
    index: &Index,
    mut update: IndexUpdate,
    mut seq: u64,
    pause: &mut Duration,
) -> Result<Infallible, Broken> {
    let progress = &shared.opened.progress;
    let reader = index.reader_builder().reload_policy(tantivy::ReloadPolicy::Manual).try_into()?;
    loop {
        progress.set_indexed(seq);
        shared.state.send_replace(State::Ready { reader: reader.clone(), seq });
        wait_for_work(shared, seq)?;
        seq = update.replay(seq)?.ok_or_else(|| Broken::Rebuild("it is too far behind".into()))?;
        update.commit(seq)?;
        reader.reload()?;
        *pause = RETRY[0];
    }
}

/// Returns when it is time to index what changed after `seq`.
fn wait_for_work(shared: &Shared, seq: u64) -> Result<(), Broken> {
    let progress = &shared.opened.progress;
    let mut first_seen = None;
    let mut seen = seq;
    loop {
        if shared.is_stopping() {
            return Err(Broken::Stopped);
        }
        let committed = progress.committed();
        if committed == seq {
            progress.park_until_change(seq);
            continue;
        }
        let now = Instant::now();
        let waiting = now.duration_since(*first_seen.get_or_insert(now));
        if shared.wanted.load(Ordering::Acquire) > seq || waiting >= LONGEST_WAIT {
            return Ok(());
        }
        if committed == seen && waiting >= QUIET {
            return Ok(());
        }
        seen = committed;
        thread::park_timeout(QUIET);
    }
}

/// Sleeps, but not when told to stop.
fn sleep(shared: &Shared, pause: Duration) {
    let until = Instant::now() + pause;
    while !shared.is_stopping() {
        let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { return };
        thread::park_timeout(left);
    }
}
