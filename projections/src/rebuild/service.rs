//! The rebuilds of one process: begun for whoever may ask for them, told of to everybody.

use super::{Asked, Job, RebuildError, Rebuilder};
use std::sync::{Arc, Mutex, PoisonError};
use stele_domain::port::read_store::{OldTables, Rebuild, Rebuilding, StoreError};
use tokio::task::JoinSet;

/// The rebuilds of one process. Cheap to clone; they end when the last clone is dropped.
#[derive(Clone)]
pub struct Rebuilds {
    tables: Arc<dyn Rebuilding>,
    /// How they are done; `None` where the tables are kept by another process.
    rebuilder: Option<Rebuilder>,
    /// Those under way. The store bounds them: one for each projection.
    running: Arc<Mutex<JoinSet<()>>>,
}

/// What is known of rebuilds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The last of every projection that had one.
    pub rebuilds: Vec<Rebuild>,
    /// Replaced tables that are still there.
    pub old: Vec<OldTables>,
}

impl Rebuilds {
    /// None yet.
    #[must_use]
    pub fn new(tables: Arc<dyn Rebuilding>, rebuilder: Option<Rebuilder>) -> Self {
        Self { tables, rebuilder, running: Arc::default() }
    }

    /// Takes the next tables that are asked for; `None` where the tables are kept by another process.
    ///
    /// # Errors
    ///
    /// As [`Rebuilder::begin`].
    pub async fn begin(&self, asked: Asked) -> Result<Option<Job>, RebuildError> {
        match &self.rebuilder {
            Some(rebuilder) => rebuilder.begin(asked).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lets a rebuild go on by itself. How it ends stands in the store and in the log lines.
    pub fn go_on(&self, job: Job) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(async move {
            // It has told everybody why.
            let _ = job.run().await;
        });
    }

    /// What is known of the rebuilds of all processes on the same tables.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`], [`StoreError::Elsewhere`].
    pub async fn known(&self) -> Result<Known, StoreError> {
        Ok(Known { rebuilds: self.tables.rebuilds().await?, old: self.tables.old_tables().await? })
    }

    /// Drops replaced tables.
    ///
    /// # Errors
    ///
    /// As [`Rebuilding::drop_old`].
    pub async fn drop_old(&self, projection: &str) -> Result<(), StoreError> {
        self.tables.drop_old(projection).await
    }
}
