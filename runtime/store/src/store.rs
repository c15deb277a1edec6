//! The store as the ports see it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use periodic::{Job, JobOp, JobOpDone, JobStore, JobStoreError, Seq, StoredFunc};
use pusher_core::{
    Applied, Audience, Cursor, DeliveryState, Pusher, PusherChange, PusherId, PusherList, Scope, SenderName,
    StoreError, Storer,
};

use crate::counts::{Commits, MapUse};
use crate::error::{OpenError, job_store_error, store_error};
use crate::open::{Indexing, Opened, StoreOptions};
use crate::writer::{Operation, Writer};

/// Recipients and jobs in one directory. Share it in an [`Arc`], which is both an `Arc<dyn Storer>` and an
/// `Arc<dyn JobStore>`.
///
/// Writes of both ports share one thread and its commits. Reads see what was committed when they began; they are served
/// on the calling thread, but for lists, which read many records. Dropping the store finishes what is
/// queued and blocks until that is durable; [`close`](Self::close) does the same without blocking a runtime's thread.
///
/// The directory must be on a local disk: LMDB's map and the lock that keeps a second process out do not work across a
/// network. A copy of the directory is a backup only while nobody writes.
pub struct Store {
    // Dropped first: it ends the thread, which holds the environment too.
    writer: Writer,
    opened: Arc<Opened>,
}

impl Store {
    /// Opens the store in `dir`, which is created if it is not there, readable by this user only.
    ///
    /// # Errors
    /// [`OpenError`], a sentence that names the directory and says what to do; no stored data was changed then.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        Self::open_indexed(dir, options, Indexing::default())
    }

    pub(crate) fn open_indexed(dir: &Path, options: StoreOptions, indexing: Indexing) -> Result<Self, OpenError> {
        let (opened, recent) = Opened::open(dir, options, indexing)?;
        let opened = Arc::new(opened);
        let writer = Writer::start(Arc::clone(&opened), recent)
            .map_err(|source| OpenError::System { dir: dir.into(), source })?;
        Ok(Self { writer, opened })
    }

    /// Takes no more writes, and returns when those that were queued are durable and answered. Reads still work; the
    /// directory is free for another process when the store and its search index are dropped.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// How much of its map is used. Reads a page of each table.
    ///
    /// # Errors
    /// [`StoreError`] if that cannot be read.
    pub fn map_use(&self) -> Result<MapUse, StoreError> {
        let Opened { env, tables, .. } = &*self.opened;
        let used = env.read_txn().and_then(|txn| tables.used_bytes(&txn)).map_err(|error| store_error(&error))?;
        Ok(MapUse { used, size: env.info().map_size as u64 })
    }

    /// What was committed so far.
    #[must_use]
    pub fn commits(&self) -> Commits {
        self.opened.commits.read()
    }

    /// How many changes of deliveries were committed since the store was opened, by the state that they led to.
    #[must_use]
    pub fn deliveries_recorded(&self) -> [(DeliveryState, u64); 5] {
        self.opened.recorded.read()
    }

    /// What the search index reads.
    pub(crate) fn shared(&self) -> Arc<Opened> {
        Arc::clone(&self.opened)
    }

    /// Does what the writer does when the log of changes has grown too long.
    #[cfg(test)]
    pub(crate) fn forget_log(&self) {
        let mut txn = self.opened.env.write_txn().unwrap();
        let last = crate::changes::last_entry(&self.opened.tables, &txn).unwrap();
        self.opened.tables.changes.clear(&mut txn).unwrap();
        self.opened.tables.changes.put(&mut txn, &(last + 1), &[]).unwrap();
        txn.commit().unwrap();
    }

    /// Carries operations out, in order; a result for each.
    pub(crate) async fn write<O: Operation>(&self, ops: Vec<O>) -> Vec<Result<O::Done, O::Error>> {
        self.writer.write(ops).await
    }

    /// Carries one operation out.
    pub(crate) async fn write_one<O: Operation<Error = StoreError>>(&self, op: O) -> Result<O::Done, StoreError> {
        let done = self.writer.write(vec![op]).await.pop();
        done.unwrap_or_else(|| Err(StoreError::Failed("the writer gave no result".into())))
    }

    pub(crate) fn opened(&self) -> &Opened {
        &self.opened
    }

    #[cfg(test)]
    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }
}

/// Reads on a thread that may take its time.
pub(crate) async fn aside<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let read = tokio::task::spawn_blocking(read).await;
    read.unwrap_or_else(|e| Err(StoreError::Failed(format!("reading was broken off: {e}"))))
}

#[async_trait]
impl Storer for Store {
    async fn apply(&self, changes: Vec<PusherChange>) -> Vec<Result<Applied, StoreError>> {
        self.writer.write(changes).await
    }

    async fn get(&self, ids: &[PusherId]) -> Result<Vec<Option<Pusher>>, StoreError> {
        self.opened.get_pushers(ids)
    }

    async fn has_sender(&self, id: &PusherId, sender: &SenderName) -> Result<Option<bool>, StoreError> {
        self.opened.pusher_has_sender(id, sender)
    }

    async fn list(&self, from: u64, size: usize) -> Result<PusherList, StoreError> {
        let opened = Arc::clone(&self.opened);
        aside(move || opened.list_pushers(from, size)).await
    }

    async fn list_after(&self, after: Option<&Cursor>, size: usize) -> Result<PusherList, StoreError> {
        let (opened, after) = (Arc::clone(&self.opened), after.cloned());
        aside(move || opened.list_pushers_after(after.as_ref(), size)).await
    }

    async fn page(&self, scope: &Scope, after: Option<&PusherId>, size: usize) -> Result<Vec<PusherId>, StoreError> {
        self.opened.page_of(scope, after, size)
    }

    async fn audience(
        &self,
        audience: &Audience,
        after: Option<&PusherId>,
        size: usize,
    ) -> Result<Vec<PusherId>, StoreError> {
        let (opened, audience, after) = (Arc::clone(&self.opened), audience.clone(), after.cloned());
        aside(move || opened.audience(&audience, after.as_ref(), size)).await
    }

    async fn count(&self, audience: &Audience) -> Result<u64, StoreError> {
        let (opened, audience) = (Arc::clone(&self.opened), audience.clone());
        aside(move || opened.count_audience(&audience)).await
    }
}

#[async_trait]
impl JobStore for Store {
    async fn apply(&self, ops: Vec<JobOp>) -> Vec<Result<JobOpDone, JobStoreError>> {
        self.writer.write(ops).await
    }

    async fn load(&self, seqs: &[Seq]) -> Result<Vec<Option<Job>>, JobStoreError> {
        self.opened.load_jobs(seqs).map_err(job_store_error)
    }

    async fn funcs(&self) -> Result<Vec<StoredFunc>, JobStoreError> {
        self.opened.stored_funcs().map_err(job_store_error)
    }
}
