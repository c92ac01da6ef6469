//! Which histories there are, who writes them, and where they are in the lake.

use super::TierError;
use crate::models::{self, parked_events};
use stele_domain::operations::tiering::Span;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Cell, Row};
use stele_domain::port::tiering::Shelf;

/// The column of a shared table that says who wrote a row.
const WRITER: &str = "projection";

/// A history, and who writes it.
#[derive(Debug, Clone)]
pub struct ShelfOf {
    /// The history.
    pub shelf: Shelf,
    /// The projections that write it, and the versions of their definitions.
    pub writers: Vec<(&'static str, u32)>,
    shared: bool,
}

/// Every history of the read models, that of parked events included.
#[must_use]
pub fn shelves() -> Vec<ShelfOf> {
    let mut all = vec![];
    for projection in models::ALL {
        for table in projection.tables.iter().filter(|table| table.append_only) {
            let shelf = Shelf { table, version: projection.version };
            all.push(ShelfOf { shelf, writers: vec![(projection.name, projection.version)], shared: false });
        }
    }
    let shared = &parked_events::SCHEMA;
    for table in shared.tables.iter().filter(|table| table.append_only) {
        let writers = models::ALL.iter().map(|projection| (projection.name, projection.version)).collect();
        all.push(ShelfOf { shelf: Shelf { table, version: shared.version }, writers, shared: true });
    }
    all
}

impl ShelfOf {
    /// The history of that name.
    ///
    /// # Errors
    ///
    /// [`TierError::NoHistory`].
    pub fn of(table: &str) -> Result<Self, TierError> {
        let found = shelves().into_iter().find(|shelf| shelf.shelf.table.name == table);
        found.ok_or_else(|| TierError::NoHistory(table.to_owned()))
    }

    /// A stretch of it, as facts name it.
    #[must_use]
    pub fn span(&self, from: Position, to: Position) -> Span {
        let Shelf { table, version } = self.shelf;
        Span { table: table.name.to_owned(), version, from_position: from.0, to_position: to.0 }
    }

    /// Who wrote a row; `None` for somebody whom this build knows not.
    pub(super) fn writer(&self, row: &Row) -> Option<&'static str> {
        if !self.shared {
            return self.writers.first().map(|(name, _)| *name);
        }
        let Some(Cell::Text(name)) = self.shelf.table.cell(row, WRITER) else { return None };
        self.writers.iter().map(|(writer, _)| *writer).find(|writer| *writer == &**name)
    }
}
