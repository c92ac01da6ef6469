//! The proof that tables follow from the log: fold the log from zero into an empty store and compare every row
//! of every table with the live ones, at one position.
//!
//! Works across processes: the live desk hands out pages, and whoever checks puts them together. Pages of one
//! dump must show one position; [`Handle::hold`](crate::runner::Handle::hold) sees to that.

use crate::fold::{FoldError, Newer, Page as Items, Place};
use crate::parking::Parked;
use crate::projection::Registered;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stele_domain::port::event_log::{EventLog, Filter, LogError, Position};
use stele_domain::port::read_store::{Cursor, PAGE_ROWS_MAX, ReadStore, ScanQuery, StoreError};

/// Most records that are folded in one go: few enough that what becomes of them stays in a processor's own memory.
const FOLD_RECORDS_MAX: usize = 512;

/// Most differences that are listed; all of them are counted.
pub const DIFFERENCES_LISTED_MAX: usize = 100;

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The log can't be read.
    #[error("the log can't be read")]
    Log(#[from] LogError),
    /// The log can't be folded.
    #[error("the log can't be folded")]
    Fold(#[from] FoldError),
    /// A newer build wrote an event on the way: what is before it is folded.
    #[error(transparent)]
    Newer(#[from] Newer),
    /// The tables can't be read.
    #[error("the tables can't be read")]
    Store(#[from] StoreError),
    /// The log does not reach the position.
    #[error("the log ends at {head}, before position {position}: it is another log, or an older copy")]
    Short {
        /// Where it ends.
        head: Position,
        /// What was asked for.
        position: Position,
    },
    /// The tables moved while they were read.
    #[error("table {table} is at position {at} and the others at {expected}: hold the runner while dumping")]
    Moved {
        /// Which table.
        table: String,
        /// Where the others are.
        expected: Position,
        /// Where it is.
        at: Position,
    },
    /// Pages out of order, or of tables that this build does not know.
    #[error("page of table {0:?} does not follow the pages before it")]
    OutOfOrder(String),
}

/// One row of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpRow {
    /// Its key, a JSON array.
    pub key: String,
    /// Its canonical text.
    pub row: String,
}

/// A page of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpPage {
    /// Which table.
    pub table: String,
    /// What the table shows.
    pub position: Position,
    /// How many old rows its store has dropped.
    pub cut_rows: u64,
    /// Rows by key.
    pub rows: Vec<DumpRow>,
    /// Where the next page begins; `None` when this is the table's last.
    pub next: Option<String>,
}

/// Every row of every table, at one position.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dump {
    /// What the tables show; `None` while nothing was added.
    pub position: Option<Position>,
    /// Rows by table and key.
    pub tables: BTreeMap<String, BTreeMap<String, String>>,
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The position at which both were compared.
    pub position: Position,
    /// Rows by table, those of one side only included.
    pub rows_compared: BTreeMap<String, u64>,
    /// How many rows differ.
    pub rows_different: u64,
    /// The first [`DIFFERENCES_LISTED_MAX`] of them.
    pub differences: Vec<Difference>,
}

/// A row that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which table.
    pub table: String,
    /// Its key.
    pub key: String,
    /// The live row; `None` when there is none.
    pub live: Option<String>,
    /// The row that follows from the log; `None` when there is none.
    pub folded: Option<String>,
}

/// Folds the log up to `position` into `store`, from wherever its projections are. `progress` is told each
/// position that is reached.
///
/// # Errors
///
/// [`CompareError`].
pub async fn fold_to(
    log: &dyn EventLog,
    store: &dyn ReadStore,
    projections: &[Registered],
    position: Position,
    progress: impl FnMut(Position) + Send,
) -> Result<(), CompareError> {
    let mut places = Vec::with_capacity(projections.len());
    for projection in projections {
        let (_, place) = Place::of(store, projection).await?;
        places.push(place);
    }
    let parked = Parked::of(log).await?;
    let places = places.into_iter().map(|place| place.leaving_out(&parked)).collect();
    advanced_to(log, store, places, position, progress).await
}

/// As [`fold_to`] from the beginning of the log into an empty store that takes rows without their digests: they are not
/// made.
///
/// # Errors
///
/// [`CompareError`].
pub async fn fold_rows_to(
    log: &dyn EventLog,
    store: &dyn ReadStore,
    projections: &[Registered],
    position: Position,
) -> Result<(), CompareError> {
    let parked = Parked::of(log).await?;
    let start =
        |projection: &Registered| Place { digested: false, ..Place::start(*projection).leaving_out(&parked) };
    advanced_to(log, store, projections.iter().map(start).collect(), position, |_| {}).await
}

async fn advanced_to(
    log: &dyn EventLog,
    store: &dyn ReadStore,
    mut places: Vec<Place>,
    position: Position,
    mut progress: impl FnMut(Position) + Send,
) -> Result<(), CompareError> {
    let head = log.head().await?;
    if head < position {
        return Err(CompareError::Short { head, position });
    }
    let mut at = places.iter().map(|place| place.position).min().unwrap_or(position);
    let everything = Filter::all();
    while at < position {
        let page = log.read_all(at.next(), &everything, FOLD_RECORDS_MAX).await?;
        let to = Position(page.next.0.saturating_sub(1)).min(position);
        if to <= at {
            return Err(CompareError::Short { head: at, position });
        }
        let items = Items::read(page.records);
        let to = items.until(to);
        for place in places.iter_mut().filter(|place| place.position < to) {
            place.advance(store, &items, to).await?;
        }
        at = to.max(at);
        progress(at);
        if let Some(newer) = items.newer().filter(|newer| newer.at <= position) {
            return Err(newer.clone().into());
        }
    }
    Ok(())
}

/// One page of one table, for whoever asks. `after` is the `next` of the page before.
///
/// # Errors
///
/// [`CompareError::Store`]; [`CompareError::OutOfOrder`] when `after` is no cursor of this table.
pub async fn page(store: &dyn ReadStore, table: &str, after: Option<&str>) -> Result<DumpPage, CompareError> {
    let mut tables = store.schemas().iter().flat_map(|schema| schema.tables);
    let definition = tables.find(|definition| definition.name == table);
    let definition = definition.ok_or_else(|| StoreError::UnknownTable(table.to_owned()))?;
    let lost = || CompareError::OutOfOrder(table.to_owned());
    let cursor = after.map(|text| Cursor::parse(definition, text).ok_or_else(lost)).transpose()?;
    let answer = store.scan(table, &ScanQuery::by_key(PAGE_ROWS_MAX).after(cursor)).await?;
    let row = |row| DumpRow { key: definition.key_of(row).to_string(), row: definition.canonical(row) };
    Ok(DumpPage {
        table: table.to_owned(),
        position: answer.as_of,
        cut_rows: answer.cut_rows,
        rows: answer.value.rows.iter().map(row).collect(),
        next: answer.value.next.as_ref().map(Cursor::to_text),
    })
}

/// Every row of every table of a store.
///
/// # Errors
///
/// [`CompareError::Moved`] when a runner was at work meanwhile.
pub async fn dump(store: &dyn ReadStore) -> Result<Dump, CompareError> {
    let mut dump = Dump::default();
    for table in store.schemas().iter().flat_map(|schema| schema.tables) {
        let mut after: Option<String> = None;
        loop {
            let page = page(store, table.name, after.as_deref()).await?;
            after.clone_from(&page.next);
            dump.add(page)?;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(dump)
}

impl Dump {
    /// Adds a page.
    ///
    /// # Errors
    ///
    /// [`CompareError::Moved`] when it shows another position than the pages before it.
    pub fn add(&mut self, page: DumpPage) -> Result<(), CompareError> {
        let expected = *self.position.get_or_insert(page.position);
        if page.position != expected {
            return Err(CompareError::Moved { table: page.table, expected, at: page.position });
        }
        let rows = self.tables.entry(page.table).or_default();
        rows.extend(page.rows.into_iter().map(|row| (row.key, row.row)));
        Ok(())
    }

    /// Compares the live tables with those that follow from the log.
    ///
    /// # Errors
    ///
    /// [`CompareError::Moved`] when the two are not at one position.
    pub fn compare(&self, folded: &Self) -> Result<Comparison, CompareError> {
        let position = self.position.unwrap_or_default();
        let at = folded.position.unwrap_or_default();
        if at != position {
            let table = "of the folded log".to_owned();
            return Err(CompareError::Moved { table, expected: position, at });
        }
        let nothing = BTreeMap::new();
        let mut comparison =
            Comparison { position, rows_compared: BTreeMap::new(), rows_different: 0, differences: vec![] };
        let names: std::collections::BTreeSet<_> = self.tables.keys().chain(folded.tables.keys()).collect();
        for table in names {
            let live = self.tables.get(table).unwrap_or(&nothing);
            let folded = folded.tables.get(table).unwrap_or(&nothing);
            comparison.table(table, live, folded);
        }
        Ok(comparison)
    }
}

impl Comparison {
    fn table(&mut self, table: &str, live: &BTreeMap<String, String>, folded: &BTreeMap<String, String>) {
        let keys: std::collections::BTreeSet<_> = live.keys().chain(folded.keys()).collect();
        let count = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        self.rows_compared.insert(table.to_owned(), count);
        for key in keys {
            let (live, folded) = (live.get(key), folded.get(key));
            if live == folded {
                continue;
            }
            self.rows_different = self.rows_different.saturating_add(1);
            if self.differences.len() < DIFFERENCES_LISTED_MAX {
                self.differences.push(Difference {
                    table: table.to_owned(),
                    key: key.clone(),
                    live: live.cloned(),
                    folded: folded.cloned(),
                });
            }
        }
    }
}
