//! One projection, one stretch of the log: fetch the rows that are named, fold in memory, keep everything in
//! one go.

mod page;

pub use page::{Newer, Page};

use crate::digest::{self, Changed, Digests, Malformed};
use crate::models::parked_events::ParkedRow;
use crate::parking::{PARKED_MAX, Parked};
use crate::projection::Registered;
use crate::row::Room;
use crate::rows::{Before, Cells, Changes, Keys, Mistake, Overlay, Rows, Settled, Settling};
use page::Item;
use std::collections::BTreeMap;
use std::ops::Range;
use stele_domain::port::event_log::{LogError, Position};
use stele_domain::port::read_store::{Batch, Change, Checkpoint, ReadStore, Row, RowKey, Schema, StoreError};

/// Why a stretch of the log can't be folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The store said no, or did not answer.
    #[error("projection {projection} at position {at}")]
    Store {
        /// Which.
        projection: &'static str,
        /// Where it is.
        at: Position,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The store said no to the batches of a page, or did not answer.
    #[error("the projections after position {at}")]
    Keep {
        /// Where the first of them is.
        at: Position,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// A projection looked at a row that it had not named.
    #[error("projection {projection} looked at row {} of {} without naming it, at position {at}", row.key, row.table)]
    Unnamed {
        /// Which.
        projection: &'static str,
        /// The event that led to it.
        at: Position,
        /// The row.
        row: RowKey,
    },
    /// A projection wrote a row of a history that does not stand where its event stands.
    #[error("projection {projection} wrote row {} of {} for the event at position {at}", row.key, row.table)]
    Misplaced {
        /// Which.
        projection: &'static str,
        /// The event that led to it.
        at: Position,
        /// The row.
        row: RowKey,
    },
    /// A projection kept a row under another name than the row's own.
    #[error(
        "projection {projection} made a row after position {at} whose key is not the one that it was asked for by"
    )]
    Unsettled {
        /// Which.
        projection: &'static str,
        /// What stands right before the event, or before the batch.
        at: Position,
    },
    /// What can't be folded can't be written down as parked.
    #[error("projection {projection} can't go on without writing down what it leaves out")]
    Parking {
        /// Which.
        projection: &'static str,
        /// What the log says.
        #[source]
        source: LogError,
    },
    /// Too much can't be folded.
    #[error(
        "projection {projection} can't take in the event at position {at} either ({why}), and {PARKED_MAX} others are parked: \
         it stops here; mend the cause, or skip them (stele projections parked)"
    )]
    TooManyParked {
        /// Which.
        projection: &'static str,
        /// The event that it stops before.
        at: Position,
        /// What is wrong with it.
        why: String,
    },
    /// What is stored beside the rows of a projection is no digest of them.
    #[error("projection {projection}")]
    Digest {
        /// Which.
        projection: &'static str,
        /// What is wrong.
        #[source]
        source: Malformed,
    },
}

/// A projection, how far it is, and what its rows come to there.
#[derive(Clone)]
pub struct Place {
    pub projection: Registered,
    pub position: Position,
    pub digests: Digests,
    /// Whether rows are digested: not where nobody will ever ask what they come to.
    pub digested: bool,
    /// Events that are left out, and why: as the log says.
    pub left_out: BTreeMap<Position, String>,
}

/// What a projection makes of a stretch of the log.
pub struct Folded {
    /// For the store.
    pub batch: Batch,
    /// What was parked.
    pub parked: Vec<ParkedRow>,
    /// What the batch changes in the digests; for the place, once it is kept.
    pub digests: Digests,
}

impl Place {
    /// At the beginning of the log.
    pub fn start(projection: Registered) -> Self {
        let (position, digests) = (Position::START, Digests::default());
        Self { projection, position, digests, digested: true, left_out: BTreeMap::new() }
    }

    /// Where a store is with a projection. The version of the stored rows is the caller's to look at.
    pub async fn of(store: &dyn ReadStore, projection: &Registered) -> Result<(Checkpoint, Self), FoldError> {
        let (name, at) = (projection.name, Position::START);
        let failed = |source| FoldError::Store { projection: name, at, source };
        let (checkpoint, stored) = store.digests(name).await.map_err(failed)?;
        let malformed = |source| FoldError::Digest { projection: name, source };
        let digests = Digests::of(projection, stored).map_err(malformed)?;
        let position = checkpoint.position;
        Ok((checkpoint, Self { position, digests, ..Self::start(*projection) }))
    }

    /// The same place, which leaves out what the log says.
    #[must_use]
    pub fn leaving_out(self, parked: &Parked) -> Self {
        let left_out = parked.left_out(&self.projection);
        Self { left_out, ..self }
    }

    /// What the projection makes of the log from here to `to`; `page` holds every event of ours in between, and may
    /// hold more.
    pub async fn fold(&self, store: &dyn ReadStore, page: &Page, to: Position) -> Result<Folded, FoldError> {
        let (projection, from) = (&self.projection, self.position);
        let items = page.between(projection.folds, from, to);
        let touched = Touched::of(projection, &items);
        let wanted = touched.all();
        let rows = self.load(store, &wanted).await?;
        let fetched = wanted.iter().cloned().zip(rows);
        let (overlay, mut parked) = folded(self, &items, &touched, fetched, Cells::AtTheEnd)?;
        let mut settled = overlay.settle();
        if settled.is_none() {
            // Some event made a row that does not fit its table: it is found by looking after each.
            let fetched = wanted.iter().cloned().zip(self.load(store, &wanted).await?);
            let (overlay, again) = folded(self, &items, &touched, fetched, Cells::AtOnce)?;
            (settled, parked) = (overlay.settle(), again);
        }
        let Some(mut settled) = settled else {
            return Err(FoldError::Unsettled { projection: projection.name, at: from });
        };
        // A digest needs to know what a row was, also when the fold did not.
        let changes_rows = |name: &str| {
            self.digested && digest::table_of(projection, name).is_some_and(|table| !table.append_only)
        };
        let unasked = settled.unasked().filter(|(table, _)| changes_rows(table));
        let unasked: Vec<RowKey> = unasked.map(|(table, key)| RowKey { table, key: key.clone() }).collect();
        let rows = self.load(store, &unasked).await?;
        settled.learn(unasked.into_iter().zip(rows));

        let (changes, digests) = changed(self, settled);
        let batch = Batch {
            projection: projection.name,
            version: projection.version,
            expected: from,
            checkpoint: to,
            event_id: None,
            changes,
            digests: digests.to_vec(),
        };
        Ok(Folded { batch, parked, digests })
    }

    /// The batch that ends here was kept.
    pub fn kept(&mut self, to: Position, digests: Digests) {
        self.position = to;
        self.digests.keep(digests);
    }

    async fn load(&self, store: &dyn ReadStore, keys: &[RowKey]) -> Result<Vec<Option<Row>>, FoldError> {
        if keys.is_empty() {
            return Ok(vec![]);
        }
        store.load(keys).await.map_err(|source| self.refused(source))
    }

    /// What the store said of this projection.
    pub fn refused(&self, source: StoreError) -> FoldError {
        FoldError::Store { projection: self.projection.name, at: self.position, source }
    }

    /// Brings the projection to `to`.
    pub async fn advance(
        &mut self,
        store: &dyn ReadStore,
        page: &Page,
        to: Position,
    ) -> Result<(), FoldError> {
        let Folded { batch, digests, .. } = self.fold(store, page, to).await?;
        store.apply(batch).await.map_err(|source| self.refused(source))?;
        self.kept(to, digests);
        Ok(())
    }
}

/// Everything a store must be opened for: the projections' own tables, and the one of parked events.
#[must_use]
pub fn schemas(projections: &[Registered]) -> Vec<Schema> {
    let mut schemas: Vec<Schema> = projections.iter().map(Registered::schema).collect();
    schemas.push(crate::models::parked_events::SCHEMA);
    schemas
}

/// The pure part: what becomes of the rows, and what is parked.
fn folded(
    place: &Place,
    items: &[&Item],
    touched: &Touched,
    rows: impl IntoIterator<Item = (RowKey, Option<Row>)>,
    cells: Cells,
) -> Result<(Overlay, Vec<ParkedRow>), FoldError> {
    let projection = &place.projection;
    let mut overlay = Overlay::of(rows, cells);
    let (mut parked, mut room) = (vec![], Room::default());
    for (i, item) in items.iter().enumerate() {
        let at = item.position();
        let mistake = |mistake| FoldError::of(mistake, projection.name, at);
        let mut rows = Rows::of(&overlay, at, touched.named(i), &mut room);
        let outcome = match (place.left_out.get(&at), item) {
            (Some(why), _) => Err(why.clone()),
            (None, Item::Event(event)) => {
                (projection.apply)(event, &mut rows).map_err(|poison| words(&poison))
            }
            (None, Item::Unreadable(unreadable)) => Err(unreadable.why.clone()),
        };
        // A projection that swallowed the complaint about its mistake is stopped all the same.
        let made = rows.finish().map_err(mistake)?;
        match outcome {
            Ok(()) => overlay.keep(made),
            Err(why) => {
                let row = item.parked(projection.name, &why);
                let mut rows = Rows::of(&overlay, at, &[], &mut room);
                // Seven short texts and a number fit their table: a test says so.
                let kept = rows.insert(&row);
                assert!(kept.is_ok(), "a parked event fits its table: {kept:?}");
                let made = rows.finish().map_err(mistake)?;
                overlay.keep(made);
                parked.push(row);
            }
        }
    }
    Ok((overlay, parked))
}

/// What the store is to change, and what that makes of the digests. A row that is what it was is no change.
fn changed(place: &Place, settled: Settled) -> (Vec<Change>, Digests) {
    let mut digests = place.digested.then(|| Changed::of(&place.digests));
    let mut changes = vec![];
    for (name, rows) in settled.into_tables() {
        let Some(table) = digest::table_of(&place.projection, name) else { continue };
        let rows = match rows {
            Changes::Rows(rows) => rows,
            Changes::Appended(rows) => {
                if let Some(digests) = &mut digests {
                    for row in &rows {
                        digests.append(table, row);
                    }
                }
                changes.extend(rows.into_iter().map(|row| Change::Put { table: table.name, row }));
                continue;
            }
        };
        for (key, Settling { before, is }) in rows {
            match is {
                Some(row) if before.row() != Some(&row) => {
                    match &mut digests {
                        Some(digests) if table.append_only => digests.append(table, &row),
                        Some(digests) => digests.replace(table, before.row(), Some(&row)),
                        None => {}
                    }
                    changes.push(Change::Put { table: table.name, row });
                }
                None if !matches!(before, Before::Missing) => {
                    if let Some(digests) = &mut digests {
                        digests.replace(table, before.row(), None);
                    }
                    changes.push(Change::Delete(RowKey { table: table.name, key }));
                }
                Some(_) | None => {}
            }
        }
    }
    (changes, digests.map(Changed::finish).unwrap_or_default())
}

/// The rows that every item named.
struct Touched {
    keys: Vec<RowKey>,
    of_item: Vec<Range<usize>>,
}

impl Touched {
    fn of(projection: &Registered, items: &[&Item]) -> Self {
        let mut of_item = Vec::with_capacity(items.len());
        let mut keys = Keys::default();
        for item in items {
            let first = keys.len();
            if let Item::Event(event) = item {
                (projection.touches)(event, &mut keys);
            }
            of_item.push(first..keys.len());
        }
        Self { keys: keys.into_vec(), of_item }
    }

    /// Every row that was named, once.
    fn all(&self) -> Vec<RowKey> {
        let mut keys: Vec<&RowKey> = self.keys.iter().collect();
        // One event after the other names the same row.
        keys.dedup();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().cloned().collect()
    }

    fn named(&self, item: usize) -> &[RowKey] {
        self.of_item.get(item).and_then(|range| self.keys.get(range.clone())).unwrap_or_default()
    }
}

/// An error and what led to it, in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

impl FoldError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store { source, .. } | Self::Keep { source, .. } => source.is_transient(),
            Self::Parking { source, .. } => source.is_transient(),
            Self::Unnamed { .. }
            | Self::Misplaced { .. }
            | Self::Unsettled { .. }
            | Self::TooManyParked { .. }
            | Self::Digest { .. } => false,
        }
    }

    /// Whether the store is behind what it had acknowledged: it crashed and lost its last batches.
    #[must_use]
    pub fn went_back(&self) -> bool {
        match self {
            Self::Store { source, .. } | Self::Keep { source, .. } => {
                matches!(source, StoreError::Conflict { expected, actual, .. } if actual < expected)
            }
            Self::Unnamed { .. }
            | Self::Misplaced { .. }
            | Self::Unsettled { .. }
            | Self::Parking { .. }
            | Self::TooManyParked { .. }
            | Self::Digest { .. } => false,
        }
    }

    fn of(mistake: Mistake, projection: &'static str, at: Position) -> Self {
        match mistake {
            Mistake::Unnamed(row) => Self::Unnamed { projection, at, row },
            Mistake::Misplaced(row) => Self::Misplaced { projection, at, row },
            Mistake::Renamed(_) => Self::Unsettled { projection, at: Position(at.0.saturating_sub(1)) },
        }
    }
}
