//! Two ways into the index, so that searches that cost little do not wait behind those that cost much. Each has so many
//! places to wait in and so many to run in, and nobody waits for long.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pusher_core::SearchError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// How many quick searches may wait or run, and how many costly ones; one more is told to ask again. Together they must
/// not take all the places that the server has for requests.
const ADMITTED: [usize; 2] = [192, 64];

/// How much a search costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Words, phrases and numbers, of which is known before what they cost, and it is little.
    Quick,
    /// Anything else: patterns, prefixes and fuzziness have to be looked for, and may be refused as too dear in the end.
    Costly,
}

/// The two lanes.
pub(crate) struct Lanes {
    quick: Lane,
    costly: Lane,
}

struct Lane {
    admitted: Semaphore,
    running: Arc<Semaphore>,
}

/// A place in a lane, for as long as it is kept.
pub(crate) struct Admission<'a> {
    lane: &'a Lane,
    _admitted: SemaphorePermit<'a>,
}

impl Lanes {
    /// Half of the cores for quick searches and a quarter for costly ones, so that there is room for everything else.
    pub(crate) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let [quick, costly] = ADMITTED;
        Self { quick: Lane::new(quick, cores.div_ceil(2)), costly: Lane::new(costly, cores.div_ceil(4)) }
    }

    fn of(&self, cost: Cost) -> &Lane {
        match cost {
            Cost::Quick => &self.quick,
            Cost::Costly => &self.costly,
        }
    }

    /// Gets in line.
    ///
    /// # Errors
    /// [`SearchError::Unavailable`] if the line is too long.
    pub(crate) fn enter(&self, cost: Cost) -> Result<Admission<'_>, SearchError> {
        let lane = self.of(cost);
        let busy = |_| SearchError::Unavailable("too many searches are under way; ask again".into());
        lane.admitted.try_acquire().map(|admitted| Admission { lane, _admitted: admitted }).map_err(busy)
    }

    /// All the places to run in, taken.
    #[cfg(test)]
    pub(crate) async fn occupy(&self, cost: Cost) -> OwnedSemaphorePermit {
        let running = Arc::clone(&self.of(cost).running);
        let all = u32::try_from(running.available_permits()).unwrap();
        running.acquire_many_owned(all).await.unwrap()
    }
}

impl Lane {
    fn new(admitted: usize, running: usize) -> Self {
        Self { admitted: Semaphore::new(admitted), running: Arc::new(Semaphore::new(running)) }
    }
}

impl Admission<'_> {
    /// Waits for its turn, which lasts until the permit is dropped: whoever searches takes it along, because a search
    /// goes on also when nobody waits for it any more.
    ///
    /// # Errors
    /// [`SearchError::Unavailable`] if that takes longer than `patience`.
    pub(crate) async fn turn(&self, patience: Duration) -> Result<OwnedSemaphorePermit, SearchError> {
        match timeout(patience, Arc::clone(&self.lane.running).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                let sentence = format!("other searches took longer than {} s; ask again", patience.as_secs_f32());
                Err(SearchError::Unavailable(sentence))
            }
        }
    }
}
