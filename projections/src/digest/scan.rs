//! Digests of the rows that stand in a store, whatever the store says they come to.

use super::{Changed, Digests, Malformed};
use crate::models::parked_events;
use crate::projection::Registered;
use std::collections::BTreeMap;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{PAGE_ROWS_MAX, ReadStore, Row, ScanQuery, StoreError, Table};

/// Why rows could not be digested.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The store said no, or did not answer.
    #[error("the rows of projection {projection} can't be read")]
    Store {
        /// Which.
        projection: &'static str,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// What is stored beside the rows is no digest.
    #[error("projection {projection}")]
    Malformed {
        /// Which.
        projection: &'static str,
        /// What is wrong.
        #[source]
        source: Malformed,
    },
    /// The rows moved while they were read.
    #[error(
        "projection {projection} went from position {before} to {after} while it was read: hold the runner meanwhile"
    )]
    Moved {
        /// Which.
        projection: &'static str,
        /// Where it was.
        before: Position,
        /// Where it is.
        after: Position,
    },
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// The position of the rows.
    pub as_of: Position,
    /// What the store has kept beside them.
    pub stored: Digests,
    /// What they come to.
    pub found: Digests,
    /// How many rows the store has dropped from each of the tables from which it has. Parts of a history that lost
    /// rows, and tables whose rows change that lost any, can't agree.
    pub cut_rows: BTreeMap<&'static str, u64>,
}

/// Reads every row that a projection has written, page by page. Holds one page and the digests.
///
/// # Errors
///
/// [`ScanError`]; [`ScanError::Moved`] when a runner was at work meanwhile.
pub async fn scan(store: &dyn ReadStore, projection: &Registered) -> Result<Scanned, ScanError> {
    let name = projection.name;
    let failed = |source| ScanError::Store { projection: name, source };
    let (checkpoint, stored) = store.digests(name).await.map_err(failed)?;
    let malformed = |source| ScanError::Malformed { projection: name, source };
    let stored = Digests::of(projection, stored).map_err(malformed)?;
    let nothing = Digests::default();
    let mut found = Changed::of(&nothing);
    let mut cut_rows = BTreeMap::new();
    let own = projection.tables.iter().map(|table| (table, ScanQuery::by_key(PAGE_ROWS_MAX)));
    let shared = parked_events::SCHEMA.tables.iter();
    let shared = shared.map(|table| (table, ScanQuery::by_key(PAGE_ROWS_MAX).filter("projection", name)));
    for (table, query) in own.chain(shared) {
        let cut = each(store, table, query, |row| {
            if table.append_only {
                found.append(table, row);
            } else {
                found.replace(table, None, Some(row));
            }
        });
        let cut = cut.await.map_err(failed)?;
        if cut > 0 {
            cut_rows.insert(table.name, cut);
        }
    }
    let after = store.checkpoint(name).await.map_err(failed)?.position;
    let before = checkpoint.position;
    if after != before {
        return Err(ScanError::Moved { projection: name, before, after });
    }
    Ok(Scanned { as_of: before, stored, found: found.finish(), cut_rows })
}

/// Every row, and how many the store has dropped.
async fn each(
    store: &dyn ReadStore,
    table: &Table,
    mut query: ScanQuery,
    mut row: impl FnMut(&Row),
) -> Result<u64, StoreError> {
    loop {
        let answer = store.scan(table.name, &query).await?;
        answer.value.rows.iter().for_each(&mut row);
        if answer.value.next.is_none() {
            return Ok(answer.cut_rows);
        }
        query.after = answer.value.next;
    }
}
