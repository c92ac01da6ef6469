//! Partitions: made before the rows that need them, dropped when their table's policy says so; and tables that
//! are emptied to be folded again. All through functions of the owner's, so that the desk's role needs no right
//! to change a table.

use super::PostgresStore;
use super::digests;
use super::error::Failure;
use super::side::Side;
use super::values::Parameters;
use super::write;
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;
use stele_domain::port::read_store::StoreError;
use tokio::time::Instant;

const SERIES: &str = "SELECT table_name FROM read_model.storage_policy";
const ENSURE: &str =
    "SELECT p.from_position, p.to_position FROM read_model.ensure_partition($1::text, $2::bigint) AS p";
const DROP_EXPIRED: &str =
    "SELECT d.table_name, d.partition_name, d.rows_cut FROM read_model.drop_expired() AS d";
const START_OVER: &str = "SELECT read_model.start_over($1::text, $2::text[])";

/// Where a row of a history goes.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub table: &'static str,
    pub position: i64,
}

/// The partitions that are known to be there. What is not known is asked for.
pub struct Rooms {
    ranges: RwLock<BTreeMap<&'static str, Vec<(i64, i64)>>>,
    /// How often old ones are dropped, and when next.
    tidy: Duration,
    next: Mutex<Instant>,
}

/// A partition that was dropped because its rows were older than their table keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedPartition {
    /// The table.
    pub table: String,
    /// The partition.
    pub partition: String,
    /// How many rows went with it.
    pub rows: u64,
}

impl Rooms {
    pub fn new(tidy: Duration) -> Self {
        Self { ranges: RwLock::default(), tidy, next: Mutex::new(Instant::now() + tidy) }
    }

    /// Whether it is time to drop what is old; whoever is told so does it.
    fn is_due(&self) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = Instant::now() >= *next;
        if due {
            *next = Instant::now() + self.tidy;
        }
        due
    }

    /// These tables are histories.
    pub fn know(&self, series: impl Iterator<Item = &'static str>) {
        let mut rooms = self.ranges.write().unwrap_or_else(PoisonError::into_inner);
        *rooms = series.map(|name| (name, vec![])).collect();
    }

    pub fn is_series(&self, table: &str) -> bool {
        self.ranges.read().unwrap_or_else(PoisonError::into_inner).contains_key(table)
    }

    /// Forgets what is there: somebody else may have dropped it.
    pub fn forget(&self) {
        self.ranges.write().unwrap_or_else(PoisonError::into_inner).values_mut().for_each(Vec::clear);
    }

    pub fn has(&self, place: Place) -> bool {
        let rooms = self.ranges.read().unwrap_or_else(PoisonError::into_inner);
        let holds =
            |(from, to): &(i64, i64)| *from <= place.position && (place.position < *to || *to == i64::MAX);
        rooms.get(place.table).is_none_or(|ranges| ranges.iter().any(holds))
    }

    fn made(&self, table: &'static str, from: i64, to: i64) {
        let mut rooms = self.ranges.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(ranges) = rooms.get_mut(table) {
            ranges.push((from, to));
        }
    }
}

/// The tables that have a storage policy.
pub async fn series(connection: &mut PgConnection) -> Result<BTreeSet<String>, Failure> {
    let rows = sqlx::query(SERIES).fetch_all(connection).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

impl PostgresStore {
    /// Makes partitions for rows that have none yet.
    pub(super) async fn make_room(&self, places: Vec<Place>) -> Result<(), StoreError> {
        for place in places {
            // The one before may have made it.
            if self.rooms.has(place) {
                continue;
            }
            let failed = |failure: Failure| failure.into_store(place.table);
            let mut parameters = Parameters::default();
            parameters.add(place.table).map_err(failed)?;
            parameters.add(place.position).map_err(failed)?;
            let made = self.writers.ask(self.side.of(ENSURE), parameters.take()).await.map_err(failed)?;
            let bounds = made.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose();
            let bounds = bounds.map_err(|error: sqlx::Error| failed(error.into()))?;
            let (from, to) = bounds.unwrap_or((place.position, place.position));
            self.rooms.made(place.table, from, to);
            crate::observe::partition(place.table, from, to);
        }
        Ok(())
    }

    /// Drops what is old, when it is time to.
    pub(super) async fn tidy(&self) {
        if self.side == Side::Live
            && self.rooms.is_due()
            && let Err(error) = self.drop_expired().await
        {
            crate::observe::untidy(&error);
        }
    }

    /// Drops what is older than the storage policies keep, and says what went. A store that writes does this by
    /// itself, see [`Options::tidy`](super::Options). What a table must keep stays, and every answer says how many
    /// rows are gone.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn drop_expired(&self) -> Result<Vec<DroppedPartition>, StoreError> {
        self.ready().await?;
        let rows = self.writers.ask(DROP_EXPIRED.into(), PgArguments::default()).await;
        let read = |row: &PgRow| {
            let rows = u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0);
            Ok(DroppedPartition { table: row.try_get(0)?, partition: row.try_get(1)?, rows })
        };
        let dropped =
            rows.and_then(|rows| Ok(rows.iter().map(read).collect::<Result<Vec<_>, sqlx::Error>>()?));
        let dropped = dropped.map_err(|failure| failure.into_store("the partitions"))?;
        if !dropped.is_empty() {
            self.rooms.forget();
        }
        for partition in &dropped {
            crate::observe::dropped(partition);
        }
        Ok(dropped)
    }

    /// Empties every projection whose rows were made by another version, or kept without their digests, so that it is
    /// folded again.
    pub(super) async fn start_over(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let failed = |failure: Failure| failure.into_store("the checkpoints");
        let own = || self.schemas.iter().filter(|schema| !schema.shared);
        let names: Vec<&str> = own().map(|schema| schema.projection).collect();
        let at = write::checkpoints(connection, self.side, &names).await.map_err(failed)?;
        let undigested = digests::undigested(connection, &names).await.map_err(failed)?;
        for schema in own() {
            let Some(stored) = at.get(schema.projection) else { continue };
            let other = stored.version != 0 && stored.version != schema.version;
            if !other && undigested.iter().all(|name| name != schema.projection) {
                continue;
            }
            let tables: Vec<&str> = schema.tables.iter().map(|table| table.name).collect();
            let query = sqlx::query(START_OVER).bind(schema.projection).bind(tables);
            query.execute(&mut *connection).await.map_err(|error| failed(error.into()))?;
            crate::observe::starts_over(schema.projection, stored.version, schema.version);
        }
        Ok(())
    }
}
