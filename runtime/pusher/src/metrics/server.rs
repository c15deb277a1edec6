//! What the API server, its store and the embedded Periodic server do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{FuncStatus, Handle};
use pusher_api::RequestCounts;
use pusher_core::Service;
use pusher_store::Store;

use super::{Page, Source};

/// So many funcs have numbers of their own; whoever reaches the Periodic server can make more.
const FUNCS: usize = 256;
/// What the funcs are called that have none.
const OTHER: &str = "other";

/// What `pusher serve` has beside senders.
pub(crate) struct Server {
    pub(crate) requests: RequestCounts,
    pub(crate) service: Service,
    pub(crate) store: Arc<Store>,
    /// The embedded Periodic server, if there is one.
    pub(crate) jobs: Option<Jobs>,
}

#[async_trait]
impl Source for Server {
    async fn show(&self, page: &mut Page) {
        self.requests(page);
        let accepted = self.service.accepted();
        let kinds = [("push", accepted.pushes), ("pushall", accepted.pushalls), ("fan-out", accepted.fanned_out)];
        let samples = kinds.map(|(kind, count)| (vec![("kind", kind.to_owned())], count));
        let help = "How many messages were accepted: to one recipient, to all, and to one as a part of the latter.";
        page.counter("pusher_pushes_accepted_total", help, samples);
        let recorded = self.store.deliveries_recorded();
        let samples = recorded.map(|(state, count)| (vec![("state", state.as_str().to_owned())], count));
        let help = "How many changes of deliveries were entered in the log, by the state that they led to.";
        page.counter("pusher_deliveries_recorded_total", help, samples);
        show_store(&self.store, page);
        if let Some(jobs) = &self.jobs {
            jobs.show(page).await;
        }
    }
}

impl Server {
    fn requests(&self, page: &mut Page) {
        let operations = self.requests.read();
        let answers = operations.iter().flat_map(|operation| {
            operation.answers.map(|(class, count)| {
                let labels = [("route", &*operation.route), ("method", &*operation.method), ("code", class)];
                (labels.map(|(name, value)| (name, value.to_owned())).to_vec(), count)
            })
        });
        let help = "How many requests to the API were answered, by route, method and class of status.";
        page.counter("pusher_http_requests_total", help, answers.collect::<Vec<_>>());
        let times = operations.iter().map(|operation| {
            let labels = vec![("route", operation.route.clone()), ("method", operation.method.clone())];
            (labels, operation.times.clone())
        });
        let help = "How long answers of the API took.";
        page.times("pusher_http_request_duration_seconds", help, times.collect::<Vec<_>>());
    }
}

/// What a store holds, and how it commits.
pub(crate) fn show_store(store: &Store, page: &mut Page) {
    match store.map_use() {
        Ok(map) => {
            let help = "How much the database holds; freed pages of its file do not count.";
            page.gauge("pusher_store_used_bytes", help, [(vec![], map.used)]);
            let help = "How large the database may grow; at nine tenths it takes no more.";
            page.gauge("pusher_store_map_bytes", help, [(vec![], map.size)]);
        }
        Err(error) => tracing::debug!(%error, "how much of the database's map is used cannot be told"),
    }
    let commits = store.commits();
    let help = "How many changes of jobs and recipients shared a commit.";
    page.sizes("pusher_store_commit_operations", help, commits.operations);
    let help = "How long commits took, the carrying out of what was committed included.";
    page.times("pusher_store_commit_duration_seconds", help, [(vec![], commits.times)]);
}

/// The jobs of the embedded Periodic server.
pub(crate) struct Jobs {
    handle: Handle,
    /// Funcs that have, or had, a worker.
    known: Mutex<BTreeSet<Bytes>>,
}

/// The numbers of a func.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    waiting: u64,
    running: u64,
    workers: u64,
}

impl Jobs {
    /// Of the server behind `handle`.
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, known: Mutex::default() }
    }

    pub(crate) async fn show(&self, page: &mut Page) {
        let counts = self.count(self.handle.status().await);
        let each = |value: fn(&Counts) -> u64| {
            counts.iter().map(move |(func, counts)| (vec![("func", func.clone())], value(counts))).collect::<Vec<_>>()
        };
        let help = "How many jobs wait, for their time or for a worker.";
        page.gauge("pusher_jobs_waiting", help, each(|counts| counts.waiting));
        page.gauge("pusher_jobs_running", "How many jobs a worker has.", each(|counts| counts.running));
        page.gauge("pusher_job_workers", "How many connections of workers take jobs.", each(|counts| counts.workers));
    }

    /// The numbers of each func that has or had a worker; all others as one.
    fn count(&self, status: Vec<FuncStatus>) -> BTreeMap<String, Counts> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for FuncStatus { func, .. } in status.iter().filter(|line| line.workers > 0) {
            if known.len() < FUNCS {
                known.insert(func.clone());
            }
        }
        let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
        for FuncStatus { func, workers, jobs, running, .. } in status {
            let name =
                if known.contains(&func) { String::from_utf8_lossy(&func).into_owned() } else { OTHER.to_owned() };
            let entry = counts.entry(name).or_default();
            entry.waiting += jobs.saturating_sub(running);
            entry.running += running;
            entry.workers += workers;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use periodic::{MemoryStore, ServerOptions, SystemClock};

    use super::*;

    fn line(func: &str, workers: u64, jobs: u64, running: u64) -> FuncStatus {
        FuncStatus { func: Bytes::copy_from_slice(func.as_bytes()), workers, jobs, running, locked: 0, sched_at: 0 }
    }

    async fn jobs() -> (periodic::Server, Jobs) {
        let store = Arc::new(MemoryStore::default());
        let server = periodic::Server::start(store, Arc::new(SystemClock), ServerOptions::default()).await.unwrap();
        let jobs = Jobs::new(server.handle());
        (server, jobs)
    }

    #[tokio::test]
    async fn only_funcs_that_had_a_worker_are_named() {
        let (_server, jobs) = jobs().await;
        let first = jobs.count(vec![line("pusher:mail", 1, 3, 1), line("pusher:made up", 0, 5, 0)]);
        let counts = |waiting, running, workers| Counts { waiting, running, workers };
        let named = |name: &str, counts: Counts| (name.to_owned(), counts);
        assert_eq!(
            first.into_iter().collect::<Vec<_>>(),
            [named("other", counts(5, 0, 0)), named("pusher:mail", counts(2, 1, 1))]
        );
        // The worker is gone, and that is when its messages wait.
        let then = jobs.count(vec![line("pusher:mail", 0, 9, 0)]);
        assert_eq!(then.into_iter().collect::<Vec<_>>(), [named("pusher:mail", counts(9, 0, 0))]);
    }

    #[tokio::test]
    async fn however_many_funcs_there_are_the_series_are_few() {
        let (_server, jobs) = jobs().await;
        let many: Vec<_> = (0..2 * FUNCS).map(|n| line(&format!("f{n}"), 1, 1, 0)).collect();
        let counts = jobs.count(many);
        assert_eq!(counts.len(), FUNCS + 1);
        assert_eq!(counts[OTHER].waiting, FUNCS as u64);
    }
}
