//! The search index as the rest of the program sees it: the [`Search`] port over a store's recipients.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use pusher_core::{PusherList, Search, SearchError, StoreError};
use tantivy::{IndexReader, Searcher};
use tokio::sync::watch;
use tokio::time::timeout;

use super::budget::Budget;
use super::fields::Fields;
use super::indexer::{self, Settings, Shared, State, index_error};
use super::lanes::{Cost, Lanes};
use super::limits;
use super::page::{Found, Page};
use super::query::{Query, QueryError};
use super::translate::{Refusal, Translator};
use crate::error::OpenError;
use crate::store::Store;

/// Full-text search over the recipients in a [`Store`].
///
/// The index lies in a directory of its own and is derived: if it is missing, damaged, of another version or of another
/// store, it is built anew from the records when it is opened, by a thread of its own, while everything else works. The
/// same thread follows the store from then on. A search sees every change that was answered before it began.
///
/// Dropping it stops the thread and blocks until it has ended; [`close`](Self::close) does so without blocking a
/// runtime's thread.
pub struct SearchIndex {
    shared: Arc<Shared>,
    lanes: Lanes,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Whether searches are answered, for people who operate the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchStatus {
    /// They are.
    Ready,
    /// Not yet; the index is being opened or built. The sentence says how far it is.
    Building(String),
    /// They are not; the sentence says why. The index recovers by itself when the reason is gone.
    Failed(String),
}

impl SearchIndex {
    /// Opens the index of `store` in `dir`, which is created if it is not there. Returns at once: what is there is
    /// looked at by the index's own thread, and searches wait for it.
    ///
    /// One store has one index at a time.
    ///
    /// # Errors
    /// [`OpenError::System`] if the system gives no thread. Nothing that is wrong with the directory is an error here.
    pub fn open(store: &Store, dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(store, dir, Settings::default())
    }

    pub(crate) fn open_with(store: &Store, dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared {
            opened: store.shared(),
            fields: Fields::new(),
            state: watch::Sender::new(State::Opening),
            wanted: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            dir: dir.to_owned(),
            settings,
        });
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("search-index".into())
            .spawn(move || indexer::run(&for_thread))
            .map_err(|source| OpenError::System { dir: dir.into(), source })?;
        Ok(Self { shared, lanes: Lanes::new(), thread: Mutex::new(Some(thread)) })
    }

    /// Are searches answered?
    #[must_use]
    pub fn status(&self) -> SearchStatus {
        match &*self.shared.state.borrow() {
            State::Ready { .. } => SearchStatus::Ready,
            State::Failed(error) => SearchStatus::Failed(error.to_string()),
            State::Stopped => SearchStatus::Failed("the search index is closed".into()),
            state => SearchStatus::Building(not_ready(state)),
        }
    }

    /// Stops following the store, and returns when the thread has ended. Searches are refused from then on. What is not
    /// indexed yet is the next time.
    pub async fn close(&self) {
        self.tell_to_stop();
        let mut state = self.shared.state.subscribe();
        // An error would mean that the sender is gone, which `self` holds.
        _ = state.wait_for(|state| matches!(state, State::Stopped)).await;
    }

    fn tell_to_stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.opened.progress.wake();
        // Before it follows the store, the thread is not known there.
        if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.thread().unpark();
        }
    }

    #[cfg(test)]
    pub(crate) fn shared_state(&self) -> watch::Receiver<State> {
        self.shared.state.subscribe()
    }

    /// Searches when its turn has come; `None`: it costs more than what is quick.
    async fn run(
        &self,
        query: &Arc<Query>,
        from: usize,
        size: usize,
        cost: Cost,
    ) -> Result<Option<PusherList>, SearchError> {
        let admitted = self.lanes.enter(cost)?;
        let reader = self.reader().await?;
        let turn = admitted.turn(self.shared.settings.turn).await?;
        let (shared, query) = (Arc::clone(&self.shared), Arc::clone(query));
        let found = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            find(&shared, &reader.searcher(), &query, from, size, cost)
        });
        let broken_off = |error| StoreError::Failed(format!("searching was broken off: {error}"));
        found.await.map_err(broken_off)?
    }

    #[cfg(test)]
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// A reader that knows all that was committed before this was called.
    async fn reader(&self) -> Result<IndexReader, SearchError> {
        let needed = self.shared.opened.progress.committed();
        self.shared.wanted.fetch_max(needed, Ordering::AcqRel);
        let mut state = self.shared.state.subscribe();
        let is_behind = matches!(&*state.borrow(), State::Ready { seq, .. } if *seq < needed);
        if is_behind {
            self.shared.opened.progress.wake();
        }
        let usable = |state: &State| match state {
            State::Ready { seq, .. } => *seq >= needed,
            State::Failed(_) | State::Stopped => true,
            State::Opening | State::Building { .. } => false,
        };
        let waited = timeout(self.shared.settings.patience, state.wait_for(usable)).await;
        let state = match waited {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) => State::Stopped,
            Err(_) => self.shared.state.borrow().clone(),
        };
        match state {
            State::Ready { reader, seq } if seq >= needed => Ok(reader),
            State::Failed(error) => Err(error.into()),
            State::Stopped => Err(StoreError::Failed("the search index is closed".into()).into()),
            state => Err(SearchError::Unavailable(not_ready(&state))),
        }
    }
}

/// Why a search cannot be answered just now.
fn not_ready(state: &State) -> String {
    match state {
        State::Building { done, total } => {
            format!("the search index is being built: {done} of {total} recipients are done; ask again")
        }
        State::Ready { .. } => "the search index is catching up with what was written; ask again".into(),
        _ => "the search index is being opened; ask again".into(),
    }
}

#[async_trait]
impl Search for SearchIndex {
    async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, SearchError> {
        if from > limits::FROM {
            let sentence = format!("from is {from}, and a search passes over {} hits at most", limits::FROM);
            return Err(SearchError::Query(format!("{sentence}; narrow the query, or list by cursor")));
        }
        let query = Arc::new(Query::parse(query).map_err(refused)?);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let mut cost = if query.expands() { Cost::Costly } else { Cost::Quick };
        loop {
            match self.run(&query, from, size, cost).await? {
                Some(found) => return Ok(found),
                None => cost = Cost::Costly,
            }
        }
    }
}

impl Drop for SearchIndex {
    fn drop(&mut self) {
        self.tell_to_stop();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread was logged where it happened.
            _ = thread.join();
        }
    }
}

/// Searches, on the calling thread. `None`: it was taken for quick, and is not.
fn find(
    shared: &Shared,
    searcher: &Searcher,
    query: &Query,
    from: usize,
    size: usize,
    cost: Cost,
) -> Result<Option<PusherList>, SearchError> {
    let budget = Arc::new(Budget::new(shared.settings.steps));
    let hits = Translator::new(&shared.fields, searcher, Arc::clone(&budget)).translate(query);
    let Some(hits) = hits.map_err(|refusal| explain(refusal, &budget))? else {
        return Ok(Some(PusherList { total: 0, pushers: Vec::new() }));
    };
    // What has no words to look for is paid for by now.
    if cost == Cost::Quick && shared.settings.steps - budget.left() > shared.settings.quick_steps {
        return Ok(None);
    }
    let page = Page { from, size, scored: !hits.uniform };
    let Found { total, ids } = searcher.search(&hits.query, &page).map_err(|error| {
        explain(if budget.overdrawn_by().is_some() { Refusal::Overdrawn } else { error.into() }, &budget)
    })?;
    // Who was deleted since the index was read is left out, as in the Go program.
    let pushers = shared.opened.get_pushers_named(&ids)?;
    Ok(Some(PusherList { total, pushers }))
}

fn explain(refusal: Refusal, budget: &Budget) -> SearchError {
    match refusal {
        Refusal::Query(error) => refused(error),
        Refusal::Index(error) => index_error(&error).into(),
        Refusal::Overdrawn => {
            let sentence = "a search may cost only so much, and with this clause it costs more; say more of the words \
                            that are looked for, or leave clauses out";
            refused(QueryError::at(budget.overdrawn_by().unwrap_or_default(), sentence))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn refused(error: QueryError) -> SearchError {
    SearchError::Query(error.to_string())
}
