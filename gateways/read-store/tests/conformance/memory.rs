//! The memory store under the suite.

use crate::fixture::{Open, Opened};
use crate::suite;
use std::sync::Arc;
use stele_domain::port::read_store::Schema;
use stele_read_store::MemoryStore;

struct Memory;

impl Open for Memory {
    fn open(&self, schemas: &[Schema]) -> Opened {
        let store = MemoryStore::new(schemas);
        Box::pin(async move { Arc::new(store.unwrap()) as _ })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_store_keeps_the_contract() {
    suite::hold(&Memory).await;
}
