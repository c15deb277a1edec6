//! [`MemoryStore`] against the suite that every store must pass.

use std::sync::Arc;

use async_trait::async_trait;
use periodic::conformance::{self, Site};
use periodic::{JobStore, MemoryStore};

struct InMemory(MemoryStore);

#[async_trait]
impl Site for InMemory {
    async fn open(&self) -> Arc<dyn JobStore> {
        Arc::new(self.0.clone())
    }
}

#[tokio::test]
async fn the_memory_store_conforms() {
    conformance::run(|| InMemory(MemoryStore::new())).await;
}
