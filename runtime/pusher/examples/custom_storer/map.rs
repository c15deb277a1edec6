//! Recipients in a `BTreeMap`. A real store keeps what it was told before it answers; what else it must do, the suite
//! `pusher::core::conformance` (feature `conformance` of `pusher-core`) checks. This one passes.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pusher::core::{Applied, Pusher, PusherChange, PusherId, PusherList, Scope, StoreError, Storer};

/// Recipients in memory.
#[derive(Default)]
pub(crate) struct Map(Mutex<BTreeMap<PusherId, Pusher>>);

impl Map {
    fn pushers(&self) -> MutexGuard<'_, BTreeMap<PusherId, Pusher>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storer for Map {
    async fn apply(&self, changes: Vec<PusherChange>) -> Vec<Result<Applied, StoreError>> {
        let mut pushers = self.pushers();
        let apply = |PusherChange { id, change }| {
            let (after, applied) = change.apply(&id, pushers.get(&id));
            match after {
                Some(after) => _ = pushers.insert(id, after),
                None => _ = pushers.remove(&id),
            }
            Ok(applied)
        };
        changes.into_iter().map(apply).collect()
    }

    async fn get(&self, ids: &[PusherId]) -> Result<Vec<Option<Pusher>>, StoreError> {
        let pushers = self.pushers();
        Ok(ids.iter().map(|id| pushers.get(id).cloned()).collect())
    }

    async fn list(&self, from: u64, size: usize) -> Result<PusherList, StoreError> {
        let mut pushers: Vec<Pusher> = self.pushers().values().cloned().collect();
        pushers.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        let total = pushers.len() as u64;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(PusherList { total, pushers: pushers.into_iter().skip(from).take(size).collect() })
    }

    async fn page(&self, scope: &Scope, after: Option<&PusherId>, size: usize) -> Result<Vec<PusherId>, StoreError> {
        let pushers = self.pushers();
        let within = |pusher: &Pusher| match scope {
            Scope::Sender(sender) => pusher.has_sender(sender),
            Scope::Tag(tag) => pusher.tags.contains(tag),
        };
        let rest = pushers.range((after.map_or(Unbounded, Excluded), Unbounded));
        Ok(rest.filter(|(_, pusher)| within(pusher)).map(|(id, _)| id.clone()).take(size).collect())
    }
}
