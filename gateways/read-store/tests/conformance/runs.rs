//! The runs on disk under the suite: with one state and with every state, with as little memory as there may be.

use crate::fixture::{Open, Opened};
use crate::suite;
use std::sync::{Arc, Mutex};
use stele_domain::port::read_store::Schema;
use stele_domain::port::state_store::Histories;
use stele_read_store::{Orders, RUN_MEMORY_BYTES_MIN, RunOptions, RunStore, States};
use tempfile::TempDir;

struct Runs {
    states: States,
    directories: Mutex<Vec<TempDir>>,
}

impl Open for Runs {
    fn open(&self, schemas: &[Schema]) -> Opened {
        let directory = TempDir::new().unwrap();
        let options = RunOptions {
            memory_bytes: RUN_MEMORY_BYTES_MIN,
            histories: Histories::Keep,
            states: self.states,
            orders: Orders::All,
        };
        let store = RunStore::open(directory.path(), schemas, options).unwrap();
        self.directories.lock().unwrap().push(directory);
        Box::pin(async move { Arc::new(store) as _ })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_one_state_keep_the_contract() {
    suite::hold(&Runs { states: States::Newest, directories: Mutex::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_every_state_keep_the_contract() {
    suite::hold(&Runs { states: States::Every, directories: Mutex::default() }).await;
}
