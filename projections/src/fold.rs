//! One projection, one stretch of the log: fetch the rows that are named, fold in memory, keep everything in
//! one go.

use crate::models::parked_events::ParkedRow;
use crate::observe;
use crate::projection::Registered;
use crate::rows::{Keys, Overlay, Rows};
use std::collections::BTreeSet;
use std::ops::Range;
use stele_domain::codec;
use stele_domain::event::Recorded;
use stele_domain::port::event_log::{Position, Record};
use stele_domain::port::read_store::{Batch, Change, ReadStore, Row, RowKey, Schema, StoreError};

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
}

/// What a projection makes of some items, before it is kept.
struct Folded {
    changes: Vec<Change>,
    parked: Vec<ParkedRow>,
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

/// What a projection makes of the log from `from` to `to`, and what was parked; `items` holds every
/// event of ours in between, and may hold more.
pub async fn batch(
    store: &dyn ReadStore,
    projection: &Registered,
    items: &[Item],
    from: Position,
    to: Position,
) -> Result<(Batch, Vec<ParkedRow>), FoldError> {
    let first = items.partition_point(|item| item.position() <= from);
    let last = items.partition_point(|item| item.position() <= to);
    let items = &items[first..last.max(first)];

    let touched = Touched::of(projection, items);
    let wanted: Vec<RowKey> = touched.all().into_iter().collect();
    let failed = |source| FoldError::Store { projection: projection.name, at: from, source };
    let rows = if wanted.is_empty() { vec![] } else { store.load(&wanted).await.map_err(failed)? };

    let folded = fold(projection, items, &touched, wanted.into_iter().zip(rows))?;
    let batch = Batch {
        projection: projection.name,
        version: projection.version,
        expected: from,
        checkpoint: to,
        event_id: None,
        changes: folded.changes,
    };
    Ok((batch, folded.parked))
}

/// Brings a projection from `from` to `to`.
pub async fn advance(
    store: &dyn ReadStore,
    projection: &Registered,
    items: &[Item],
    from: Position,
    to: Position,
) -> Result<(), FoldError> {
    let (batch, _) = batch(store, projection, items, from, to).await?;
    let failed = |source| FoldError::Store { projection: projection.name, at: from, source };
    store.apply(batch).await.map_err(failed)
}

/// Everything a store must be opened for: the projections' own tables, and the one of parked events.
#[must_use]
pub fn schemas(projections: &[Registered]) -> Vec<Schema> {
    let mut schemas: Vec<Schema> = projections.iter().map(Registered::schema).collect();
    schemas.push(crate::models::parked_events::SCHEMA);
    schemas
}

/// The pure part.
fn fold(
    projection: &Registered,
    items: &[Item],
    touched: &Touched,
    rows: impl IntoIterator<Item = (RowKey, Option<Row>)>,
) -> Result<Folded, FoldError> {
    let mut overlay = Overlay::of(rows);
    let mut parked = vec![];
    for (i, item) in items.iter().enumerate() {
        let at = item.position();
        let unnamed = |row| FoldError::Unnamed { projection: projection.name, at, row };
        let mut rows = Rows::of(&overlay, touched.named(i));
        let outcome = match item {
            Item::Event(event) => (projection.apply)(event, &mut rows).map_err(|poison| words(&poison)),
            Item::Unreadable(unreadable) => Err(unreadable.why.clone()),
        };
        // A projection that swallowed the complaint about an unnamed row is stopped all the same.
        let made = rows.finish().map_err(unnamed)?;
        match outcome {
            Ok(()) => overlay.keep(made),
            Err(why) => {
                let row = item.parked(projection.name, &why);
                let mut rows = Rows::of(&overlay, &[]);
                // Seven short texts and a number fit their table: a test says so.
                let kept = rows.insert(&row);
                assert!(kept.is_ok(), "a parked event fits its table: {kept:?}");
                let made = rows.finish().map_err(unnamed)?;
                overlay.keep(made);
                parked.push(row);
            }
        }
    }
    Ok(Folded { changes: overlay.changes(), parked })
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
            Self::Unnamed { .. } => false,
        }
    }

    /// Whether the store is behind what it had acknowledged: it crashed and lost its last batches.
    #[must_use]
    pub fn went_back(&self) -> bool {
        match self {
            Self::Store { source, .. } | Self::Keep { source, .. } => {
                matches!(source, StoreError::Conflict { expected, actual, .. } if actual < expected)
            }
            Self::Unnamed { .. } => false,
        }
    }
}
