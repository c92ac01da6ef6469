//! Partitions that are made before the rows that need them, and tables that are emptied to be folded again. All through functions of the owner's, so that the desk's role needs no right
//! to change a table.

use super::PostgresStore;
use super::digests;
use super::error::Failure;
use super::values::Parameters;
use super::write;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};
use stele_domain::port::read_store::StoreError;

const SERIES: &str = "SELECT table_name FROM read_model.storage_policy";
const ENSURE: &str =
    "SELECT p.from_position, p.to_position FROM read_model.ensure_partition($1::text, $2::bigint) AS p";
const START_OVER: &str = "SELECT read_model.start_over($1::text, $2::text[])";

/// Where a row of a history goes.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub table: &'static str,
    pub position: i64,
}

/// The partitions that are known to be there. What is not known is asked for.
#[derive(Default)]
pub struct Rooms {
    ranges: RwLock<BTreeMap<&'static str, Vec<(i64, i64)>>>,
}

impl Rooms {
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
