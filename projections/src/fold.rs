//! One projection, one stretch of the log: fetch the rows that are named, fold in memory, keep everything in
//! one go.

use crate::digest::{self, Changed, Digests, Malformed};
use crate::models::parked_events::ParkedRow;
use crate::observe;
use crate::projection::Registered;
use crate::rows::{Keys, Made, Mistake, Overlay, Rows, Slot};
use std::collections::BTreeSet;
use std::ops::Range;
use stele_domain::codec;
use stele_domain::event::Recorded;
use stele_domain::port::event_log::{Position, Record};
use stele_domain::port::read_store::{
    Batch, Change, Checkpoint, ReadStore, Row, RowKey, Schema, StoreError, Table,
};

/// A record of the log, as far as it can be read here.
pub enum Item {
    /// A fact of ours.
    Event(Box<Recorded>),
    /// A fact of ours whose bytes can't be read.
    Unreadable(Box<Unreadable>),
}

/// A record that can't be read.
pub struct Unreadable {
    record: Record,
    why: String,
}

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

/// Reads a page of records once, for all projections. Records of other systems are left out.
pub fn read(records: Vec<Record>) -> Vec<Item> {
    let mut items = Vec::with_capacity(records.len());
    for record in records {
        match codec::recorded(&record) {
            Ok(event) => items.push(Item::Event(Box::new(event))),
            Err(error) if error.is_foreign() => observe::foreign(&record),
            Err(error) => {
                let why = words(&error);
                items.push(Item::Unreadable(Box::new(Unreadable { record, why })));
            }
        }
    }
    items
}

impl Place {
    /// At the beginning of the log.
    pub fn start(projection: Registered) -> Self {
        Self { projection, position: Position::START, digests: Digests::default() }
    }

    /// Where a store is with a projection. The version of the stored rows is the caller's to look at.
    pub async fn of(store: &dyn ReadStore, projection: &Registered) -> Result<(Checkpoint, Self), FoldError> {
        let (name, at) = (projection.name, Position::START);
        let failed = |source| FoldError::Store { projection: name, at, source };
        let (checkpoint, stored) = store.digests(name).await.map_err(failed)?;
        let malformed = |source| FoldError::Digest { projection: name, source };
        let digests = Digests::of(projection, stored).map_err(malformed)?;
        Ok((checkpoint, Self { projection: *projection, position: checkpoint.position, digests }))
    }

    /// What the projection makes of the log from here to `to`; `items` holds every event of ours in between, and may
    /// hold more.
    pub async fn fold(
        &self,
        store: &dyn ReadStore,
        items: &[Item],
        to: Position,
    ) -> Result<Folded, FoldError> {
        let (projection, from) = (&self.projection, self.position);
        let first = items.partition_point(|item| item.position() <= from);
        let last = items.partition_point(|item| item.position() <= to);
        let items = &items[first..last.max(first)];

        let touched = Touched::of(projection, items);
        let wanted: Vec<RowKey> = touched.all().into_iter().collect();
        let rows = self.load(store, &wanted).await?;
        let (mut overlay, parked) = folded(projection, items, &touched, wanted.into_iter().zip(rows))?;
        // A digest needs to know what a row was, also when the fold did not.
        let changes_rows = |key: &&RowKey| table(projection, key).is_some_and(|table| !table.append_only);
        let unasked: Vec<RowKey> = overlay.unasked().filter(changes_rows).cloned().collect();
        let rows = self.load(store, &unasked).await?;
        overlay.learn(unasked.into_iter().zip(rows));

        let (changes, digests) = changed(projection, &self.digests, overlay);
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
        let failed =
            |source| FoldError::Store { projection: self.projection.name, at: self.position, source };
        store.load(keys).await.map_err(failed)
    }

    /// Brings the projection to `to`.
    pub async fn advance(
        &mut self,
        store: &dyn ReadStore,
        items: &[Item],
        to: Position,
    ) -> Result<(), FoldError> {
        let Folded { batch, digests, .. } = self.fold(store, items, to).await?;
        let (projection, at) = (self.projection.name, self.position);
        store.apply(batch).await.map_err(|source| FoldError::Store { projection, at, source })?;
        self.kept(to, digests);
        Ok(())
    }
}

fn table(projection: &Registered, row: &RowKey) -> Option<&'static Table> {
    digest::table_of(projection, row.table)
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
    projection: &Registered,
    items: &[Item],
    touched: &Touched,
    rows: impl IntoIterator<Item = (RowKey, Option<Row>)>,
) -> Result<(Overlay, Vec<ParkedRow>), FoldError> {
    let mut overlay = Overlay::of(rows);
    let mut parked = vec![];
    for (i, item) in items.iter().enumerate() {
        let at = item.position();
        let mistake = |mistake| FoldError::of(mistake, projection.name, at);
        let mut rows = Rows::of(&overlay, at, touched.named(i));
        let outcome = match item {
            Item::Event(event) => (projection.apply)(event, &mut rows).map_err(|poison| words(&poison)),
            Item::Unreadable(unreadable) => Err(unreadable.why.clone()),
        };
        // A projection that swallowed the complaint about its mistake is stopped all the same.
        let made = rows.finish().map_err(mistake)?;
        match outcome {
            Ok(()) => overlay.keep(made),
            Err(why) => {
                let row = item.parked(projection.name, &why);
                let mut rows = Rows::of(&overlay, at, &[]);
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
fn changed(projection: &Registered, before: &Digests, overlay: Overlay) -> (Vec<Change>, Digests) {
    let mut digests = Changed::of(before);
    let mut changes = vec![];
    for (key, Slot { before, made }) in overlay.into_slots() {
        let Some(table) = table(projection, &key) else { continue };
        let change = match made {
            Made::Nothing => continue,
            Made::Row(row) if before.row() == Some(&row) => continue,
            Made::Row(row) => {
                if table.append_only {
                    digests.append(table, &row);
                } else {
                    digests.replace(table, before.row(), Some(&row));
                }
                Change::Put { table: key.table, row }
            }
            Made::Gone if before.row().is_none() => continue,
            Made::Gone => {
                digests.replace(table, before.row(), None);
                Change::Delete(key)
            }
        };
        changes.push(change);
    }
    (changes, digests.finish())
}

/// The rows that every item named.
struct Touched {
    keys: Vec<RowKey>,
    of_item: Vec<Range<usize>>,
}

impl Touched {
    fn of(projection: &Registered, items: &[Item]) -> Self {
        let mut touched = Self { keys: vec![], of_item: Vec::with_capacity(items.len()) };
        let mut keys = Keys::default();
        for item in items {
            let first = touched.keys.len();
            if let Item::Event(event) = item {
                (projection.touches)(event, &mut keys);
                touched.keys.append(&mut keys.take());
            }
            touched.of_item.push(first..touched.keys.len());
        }
        touched
    }

    fn all(&self) -> BTreeSet<RowKey> {
        self.keys.iter().cloned().collect()
    }

    fn named(&self, item: usize) -> &[RowKey] {
        self.of_item.get(item).and_then(|range| self.keys.get(range.clone())).unwrap_or_default()
    }
}

impl Item {
    fn position(&self) -> Position {
        match self {
            Self::Event(event) => event.position,
            Self::Unreadable(unreadable) => unreadable.record.position,
        }
    }

    fn parked(&self, projection: &str, why: &str) -> ParkedRow {
        let (position, event_id, stream, event_type, recorded_at) = match self {
            Self::Event(e) => {
                (e.position, e.event_id, &e.stream, codec::type_of(&e.event).to_owned(), e.recorded_at)
            }
            Self::Unreadable(unreadable) => {
                let r = &unreadable.record;
                (r.position, r.event_id, &r.stream, r.event_type.to_string(), r.recorded_at)
            }
        };
        ParkedRow {
            position,
            projection: projection.to_owned(),
            event_id,
            event_type,
            stream: stream.to_string(),
            error: why[..why.floor_char_boundary(PARKED_ERROR_BYTES_MAX)].to_owned(),
            recorded_at,
        }
    }
}

/// Longest account of what was wrong with an event, in bytes.
const PARKED_ERROR_BYTES_MAX: usize = 1_000;

/// An error and what led to it, in one line.
fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

impl FoldError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store { source, .. } | Self::Keep { source, .. } => source.is_transient(),
            Self::Unnamed { .. } | Self::Misplaced { .. } | Self::Digest { .. } => false,
        }
    }

    /// Whether the store is behind what it had acknowledged: it crashed and lost its last batches.
    #[must_use]
    pub fn went_back(&self) -> bool {
        match self {
            Self::Store { source, .. } | Self::Keep { source, .. } => {
                matches!(source, StoreError::Conflict { expected, actual, .. } if actual < expected)
            }
            Self::Unnamed { .. } | Self::Misplaced { .. } | Self::Digest { .. } => false,
        }
    }

    fn of(mistake: Mistake, projection: &'static str, at: Position) -> Self {
        match mistake {
            Mistake::Unnamed(row) => Self::Unnamed { projection, at, row },
            Mistake::Misplaced(row) => Self::Misplaced { projection, at, row },
        }
    }
}
