//! The live tables as of one moment, and where each projection is there.

use super::AuditError;
use crate::projection::Registered;
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::causes::with_causes;
use stele_domain::port::read_store::{Checkpoint, Digest, ReadStore, StoreError};

/// By what right old rows of histories may be missing from a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The store drops them for their age, by itself.
    ByAge,
    /// They go to a lake first, and the log says so.
    ByTheLog,
}

/// The tables as they were when they were taken.
pub struct Live {
    pub(super) leaving: Leaving,
    pub(super) store: Arc<dyn ReadStore>,
    standings: BTreeMap<&'static str, Arc<Standing>>,
}

/// One projection in them.
pub(super) struct Seen {
    pub leaving: Leaving,
    pub store: Arc<dyn ReadStore>,
    pub standing: Arc<Standing>,
}

/// Where one projection is.
pub(super) struct Standing {
    pub checkpoint: Checkpoint,
    /// What is kept beside its rows; otherwise why that can't be told.
    pub digests: Result<Vec<Digest>, String>,
}

impl Live {
    /// Takes the tables of these projections. Nobody waits for it, neither whoever writes them nor whoever reads.
    ///
    /// # Errors
    ///
    /// [`AuditError::Store`].
    pub async fn take(
        store: &dyn ReadStore,
        projections: &[Registered],
        leaving: Leaving,
    ) -> Result<Self, AuditError> {
        let store = store.still().await?;
        let mut standings = BTreeMap::new();
        for projection in projections {
            let standing = match store.digests(projection.name).await {
                Ok((checkpoint, digests)) => Standing { checkpoint, digests: Ok(digests) },
                Err(error @ StoreError::Undigested { .. }) => {
                    let checkpoint = store.checkpoint(projection.name).await?;
                    Standing { checkpoint, digests: Err(with_causes(&error)) }
                }
                Err(error) => return Err(error.into()),
            };
            standings.insert(projection.name, Arc::new(standing));
        }
        Ok(Self { leaving, store, standings })
    }

    /// Asks something, so that whoever keeps the moment knows that somebody still looks at it.
    ///
    /// # Errors
    ///
    /// As the store.
    pub(super) async fn ask(&self) -> Result<(), StoreError> {
        match self.standings.keys().next() {
            Some(projection) => self.store.checkpoint(projection).await.map(drop),
            None => Ok(()),
        }
    }

    /// One projection; `None` for one that was not taken.
    pub(super) fn of(&self, projection: &str) -> Option<Seen> {
        let standing = Arc::clone(self.standings.get(projection)?);
        Some(Seen { leaving: self.leaving, store: Arc::clone(&self.store), standing })
    }
}
