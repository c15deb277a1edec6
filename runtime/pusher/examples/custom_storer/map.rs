//! Recipients in a `BTreeMap`. A real store keeps what it was told before it answers; what else it must do, the suite
//! `pusher::core::conformance` (feature `conformance` of `pusher-core`) checks. This one passes.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use async_trait::async_trait;
use pusher::core::{Applied, Cursor, Pusher, PusherChange, PusherId, PusherList, Scope, StoreError, Storer};
use tokio::sync::Mutex;

/// Recipients in memory.
#[derive(Default)]
pub(crate) struct Map(Mutex<BTreeMap<PusherId, Pusher>>);

impl Map {
    /// Of all, newest first, those that are `wanted`: `size` of them after the first `from`.
    async fn part(&self, wanted: impl Fn(&Pusher) -> bool + Send, from: usize, size: usize) -> PusherList {
        let mut all: Vec<Pusher> = self.0.lock().await.values().cloned().collect();
        all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        let part = all.iter().filter(|pusher| wanted(pusher)).skip(from).take(size);
        PusherList { total: all.len() as u64, pushers: part.cloned().collect() }
    }
}

#[async_trait]
impl Storer for Map {
    async fn apply(&self, changes: Vec<PusherChange>) -> Vec<Result<Applied, StoreError>> {
        let mut pushers = self.0.lock().await;
        let apply = |PusherChange { id, change }| {
            let before = pushers.remove(&id);
            let (after, applied) = change.apply(&id, before.as_ref());
            pushers.extend(after.map(|after| (id, after)));
            Ok(applied)
        };
        changes.into_iter().map(apply).collect()
    }

    async fn get(&self, ids: &[PusherId]) -> Result<Vec<Option<Pusher>>, StoreError> {
        let pushers = self.0.lock().await;
        Ok(ids.iter().map(|id| pushers.get(id).cloned()).collect())
    }

    async fn list(&self, from: u64, size: usize) -> Result<PusherList, StoreError> {
        Ok(self.part(|_| true, usize::try_from(from).unwrap_or(usize::MAX), size).await)
    }

    async fn list_after(&self, after: Option<&Cursor>, size: usize) -> Result<PusherList, StoreError> {
        Ok(self.part(|p| after.is_none_or(|c| (p.created_at, &p.id) < (c.created_at, &c.id)), 0, size).await)
    }

    async fn page(&self, scope: &Scope, after: Option<&PusherId>, size: usize) -> Result<Vec<PusherId>, StoreError> {
        let pushers = self.0.lock().await;
        let within = |pusher: &Pusher| match scope {
            Scope::Sender(sender) => pusher.has_sender(sender),
            Scope::Tag(tag) => pusher.tags.contains(tag),
        };
        let rest = pushers.range((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(rest.filter(|(_, pusher)| within(pusher)).map(|(id, _)| id.clone()).take(size).collect())
    }
}
