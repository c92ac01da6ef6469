//! Whether the database was found to be what this build expects, and whether it still is the one that was.

use super::PostgresStore;
use super::error::OpenError;
use crate::migrate::MigrateError;
use std::sync::atomic::{AtomicBool, Ordering};
use stele_domain::port::read_store::StoreError;
use tokio::sync::Mutex;

/// What is known of the database.
#[derive(Default)]
pub struct Ready {
    /// It is in order.
    now: AtomicBool,
    /// It was, some time.
    before: AtomicBool,
    /// Held while looking.
    turn: Mutex<()>,
}

impl Ready {
    /// Whoever made this store has looked.
    pub fn assume(&self) {
        self.before.store(true, Ordering::SeqCst);
        self.now.store(true, Ordering::SeqCst);
    }

    /// Another database took its place: it is to be looked at again.
    pub fn forget(&self) {
        self.now.store(false, Ordering::SeqCst);
    }
}

impl PostgresStore {
    /// Looks at the database, unless it was found in order.
    ///
    /// A desk that works is not ended by the minute in which somebody rebuilds its database: there, tables that are
    /// still to be made are waited for. At start they are a mistake.
    pub(super) async fn ready(&self) -> Result<(), StoreError> {
        match self.verify().await {
            Err(OpenError::Migrations(error @ (MigrateError::Empty | MigrateError::Behind { .. })))
                if self.ready.before.load(Ordering::SeqCst) =>
            {
                Err(StoreError::Unavailable(Box::new(error)))
            }
            looked => looked.map_err(StoreError::from),
        }
    }

    pub(super) async fn verify(&self) -> Result<(), OpenError> {
        if self.ready.now.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _turn = self.ready.turn.lock().await;
        if self.ready.now.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.look().await?;
        self.ready.before.store(true, Ordering::SeqCst);
        self.ready.now.store(true, Ordering::SeqCst);
        Ok(())
    }
}
