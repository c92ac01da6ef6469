//! Keeping batches: checkpoints by compare-and-set and the rows of all of them, in one transaction.

use super::PostgresStore;
use super::copy;
use super::digests;
use super::error::{Failure, Trouble};
use super::pool::Lease;
use super::room::Place;
use super::side::Side;
use super::statements::TableSql;
use super::values::{Parameters, cell, is_cell};
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use std::collections::BTreeMap;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Batch, Cell, Change, Checkpoint, Key, Retention, Row, RowKey, Schema, StoreError, Table,
};
use tokio::time::timeout;

/// Most rows that one statement writes.
const STATEMENT_ROWS_MAX: usize = 2_000;

/// From how many rows of a history on they are copied, where they can't be there yet. Below it, one statement costs less
/// than the way into COPY and back.
const COPIED_ROWS_MIN: usize = 32;

/// Moves checkpoints, and makes this transaction one whose commit does not wait for the disk: a crash of the
/// server loses the last moments of rows and checkpoints alike, and the runner folds them again.
const MOVE: &str = "UPDATE read_model.checkpoints AS c \
     SET version = u.version, position = u.next, digested_to = u.next, event_id = u.event_id, moved_at = now() \
     FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) \
     AS u(projection, version, expected, next, event_id) \
     WHERE c.projection = u.projection AND c.position = u.expected AND c.version IN (0, u.version) \
     RETURNING c.projection, set_config('synchronous_commit', 'off', true)";

pub const CHECKPOINTS: &str = "SELECT projection, version, position, event_id \
     FROM read_model.checkpoints WHERE projection = ANY($1::text[])";

/// What a batch does to one table.
#[derive(Default)]
struct Work {
    puts: Vec<Row>,
    deletes: Vec<Key>,
}

/// Batches that were checked against the definitions.
pub struct Prepared {
    batches: Vec<Batch>,
    /// Per batch and table.
    works: Vec<BTreeMap<&'static str, Work>>,
}

/// Why a transaction was given up.
enum Stop {
    Failure(&'static str, Failure),
    /// Rows of this table.
    Rows(&'static str, Failure),
    Refused(StoreError),
}

impl Prepared {
    /// Everything that can be said without the server.
    pub fn of(store: &PostgresStore, batches: Vec<Batch>) -> Result<Self, StoreError> {
        let mut prepared = Self { batches: Vec::with_capacity(batches.len()), works: vec![] };
        for mut batch in batches {
            let schema = store.schema(batch.projection)?;
            batch.check_digests(|name| written_by(store, schema, name)).map_err(StoreError::Invalid)?;
            let changes = std::mem::take(&mut batch.changes);
            prepared.works.push(works(store, schema, &batch, changes)?);
            if prepared.batches.iter().any(|other| other.projection == batch.projection) {
                let why = format!("two batches of projection {} at once", batch.projection);
                return Err(StoreError::Invalid(why));
            }
            prepared.batches.push(batch);
        }
        Ok(prepared)
    }

    /// The places that rows of histories go to: tables and positions.
    fn places(&self, store: &PostgresStore) -> Vec<Place> {
        let mut places = vec![];
        for (table, work) in self.works.iter().flatten() {
            if let Some(sql) = store.tables.get(table).filter(|_| store.rooms.is_series(table)) {
                let position = |row| Place { table, position: sql.table.position_of(row) };
                places.extend(work.puts.iter().map(position).filter(|place| !store.rooms.has(*place)));
            }
        }
        places
    }
}

fn works(
    store: &PostgresStore,
    schema: &Schema,
    batch: &Batch,
    changes: Vec<Change>,
) -> Result<BTreeMap<&'static str, Work>, StoreError> {
    if batch.checkpoint < batch.expected {
        let why = format!("its checkpoint {} is before {}", batch.checkpoint, batch.expected);
        return Err(StoreError::Invalid(why));
    }
    let mut works: BTreeMap<&'static str, Work> = BTreeMap::new();
    let mut named = std::collections::BTreeSet::new();
    for change in changes {
        let (name, key) = match &change {
            Change::Put { table, row } => (*table, store.table(table)?.table.key_of(row)),
            Change::Delete(gone) => (gone.table, gone.key.clone()),
        };
        let table = &store.table(name)?.table;
        if written_by(store, schema, name).is_none() {
            let why = format!("{} writes table {name}, which is not its own", schema.projection);
            return Err(StoreError::Invalid(why));
        }
        let work = works.entry(table.name).or_default();
        match change {
            Change::Put { row, .. } => {
                table.admits(&row)?;
                work.puts.push(row);
            }
            Change::Delete(_) if table.append_only || table.retention != Retention::All => {
                return Err(StoreError::Invalid(format!("table {name} knows no deletion")));
            }
            Change::Delete(gone) => work.deletes.push(gone.key),
        }
        if !named.insert((name, key)) {
            return Err(StoreError::Invalid(format!("a row of {name} is changed twice")));
        }
    }
    Ok(works)
}

/// A table that a projection may write: its own, or one that is shared.
fn written_by<'s>(store: &'s PostgresStore, schema: &Schema, name: &str) -> Option<&'s Table> {
    let own = store.shared.contains(name) || schema.tables.iter().any(|own| own.name == name);
    store.tables.get(name).filter(|_| own).map(|sql| &sql.table)
}

impl PostgresStore {
    /// Keeps all of these batches, or nothing of them.
    pub async fn keep(&self, batches: Vec<Batch>) -> Result<(), StoreError> {
        let prepared = Prepared::of(self, batches)?;
        if prepared.batches.is_empty() {
            return Ok(());
        }
        self.ready().await?;
        self.make_room(prepared.places(self)).await?;
        let mut lease = self.begun().await?;
        let done = timeout(self.writers.patience(), self.transact(&mut lease, &prepared)).await;
        match done {
            Ok(Ok(())) => {
                self.writers.give_back(lease);
                for batch in &prepared.batches {
                    self.reached.moved(batch.projection, batch.checkpoint);
                }
                Ok(())
            }
            Ok(Err(Stop::Refused(error))) => {
                if let StoreError::Conflict { projection, expected, actual } = &error
                    && actual < expected
                {
                    self.reached.went_back(projection, *actual);
                }
                if sqlx::raw_sql("ROLLBACK").execute(&mut *lease).await.is_ok() {
                    self.writers.give_back(lease);
                }
                Err(error)
            }
            Ok(Err(Stop::Rows(table, Failure::Data(why)))) => Err(StoreError::Refused { table, why }),
            Ok(Err(Stop::Failure(what, failure) | Stop::Rows(what, failure))) => {
                // A partition may have been dropped under us.
                self.rooms.forget();
                Err(failure.into_store(what))
            }
            Err(_) => Err(Trouble::Silent(self.writers.patience()).into()),
        }
    }

    /// A connection inside of a transaction. A connection that died since it was used last is replaced.
    pub(super) async fn begun(&self) -> Result<Lease, StoreError> {
        loop {
            let mut lease = self.writers.lease().await?;
            let begun = timeout(self.writers.patience(), sqlx::raw_sql("BEGIN").execute(&mut *lease)).await;
            let Ok(begun) = begun else { return Err(Trouble::Silent(self.writers.patience()).into()) };
            match begun.map_err(Failure::from) {
                Ok(_) => return Ok(lease),
                Err(Failure::Trouble(trouble)) if lease.reused && trouble.is_of_the_connection() => {
                    self.writers.clear();
                }
                Err(failure) => return Err(failure.into_store("the checkpoints")),
            }
        }
    }

    async fn transact(&self, connection: &mut PgConnection, prepared: &Prepared) -> Result<(), Stop> {
        self.move_checkpoints(connection, &prepared.batches).await?;
        for (name, work) in prepared.works.iter().flatten() {
            let sql = self.table(name).map_err(Stop::Refused)?;
            let failed = |failure| Stop::Rows(sql.table.name, failure);
            if self.side == Side::Next && sql.table.append_only && work.puts.len() >= COPIED_ROWS_MIN {
                copy::rows(connection, sql, &work.puts).await.map_err(failed)?;
                continue;
            }
            for rows in work.puts.chunks(STATEMENT_ROWS_MAX) {
                let written = put(connection, sql, rows).await.map_err(failed)?;
                let missed = written < u64::try_from(rows.len()).unwrap_or(u64::MAX);
                if missed && sql.table.append_only {
                    unchanged(connection, sql, rows).await?;
                }
            }
            for keys in work.deletes.chunks(STATEMENT_ROWS_MAX) {
                delete(connection, sql, keys).await.map_err(failed)?;
            }
        }
        let digested = digests::put(connection, self.side, &prepared.batches).await;
        digested.map_err(|failure| Stop::Failure("the digests", failure))?;
        let committed = sqlx::raw_sql("COMMIT").execute(connection).await;
        committed.map_err(|error| Stop::Failure("the checkpoints", error.into()))?;
        Ok(())
    }

    async fn move_checkpoints(&self, connection: &mut PgConnection, batches: &[Batch]) -> Result<(), Stop> {
        let failed = |error: sqlx::Error| Stop::Failure("the checkpoints", error.into());
        let number = |position: Position| {
            let why = || StoreError::Invalid(format!("position {position} is past 63 bits"));
            i64::try_from(position.0).map_err(|_| Stop::Refused(why()))
        };
        let names: Vec<&str> = batches.iter().map(|batch| batch.projection).collect();
        let versions: Vec<i64> = batches.iter().map(|batch| i64::from(batch.version)).collect();
        let expected: Vec<i64> =
            batches.iter().map(|batch| number(batch.expected)).collect::<Result<_, _>>()?;
        let next: Vec<i64> =
            batches.iter().map(|batch| number(batch.checkpoint)).collect::<Result<_, _>>()?;
        let events: Vec<Option<String>> =
            batches.iter().map(|batch| batch.event_id.map(|id| id.to_string())).collect();
        let moved = sqlx::query(self.side.of(MOVE).safe())
            .bind(&names)
            .bind(versions)
            .bind(expected)
            .bind(next)
            .bind(events);
        let moved = moved.fetch_all(&mut *connection).await.map_err(failed)?;
        if moved.len() == batches.len() {
            return Ok(());
        }
        let moved =
            moved.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>().map_err(failed)?;
        let at = checkpoints(connection, self.side, &names)
            .await
            .map_err(|failure| Stop::Failure("the checkpoints", failure))?;
        for batch in batches.iter().filter(|batch| moved.iter().all(|moved| moved != batch.projection)) {
            let Some(at) = at.get(batch.projection) else { continue };
            if at.version != 0 && at.version != batch.version {
                return Err(Stop::Refused(StoreError::OtherVersion {
                    projection: batch.projection.to_owned(),
                    stored: at.version,
                    offered: batch.version,
                }));
            }
            if at.position != batch.expected {
                return Err(Stop::Refused(StoreError::Conflict {
                    projection: batch.projection.to_owned(),
                    expected: batch.expected,
                    actual: at.position,
                }));
            }
        }
        if batches.iter().any(|batch| !at.contains_key(batch.projection)) {
            self.ready.forget();
            return Err(Stop::Refused(Trouble::NewDatabase.into()));
        }
        let why = "a checkpoint went back just now: somebody else is at work on this database";
        Err(Stop::Refused(StoreError::Invalid(why.to_owned())))
    }
}

/// Where these projections are, as stored.
pub async fn checkpoints(
    connection: &mut PgConnection,
    side: Side,
    projections: &[&str],
) -> Result<BTreeMap<String, Checkpoint>, Failure> {
    read_checkpoints(&sqlx::query(side.of(CHECKPOINTS).safe()).bind(projections).fetch_all(connection).await?)
}

/// What [`CHECKPOINTS`] answered.
pub fn read_checkpoints(rows: &[PgRow]) -> Result<BTreeMap<String, Checkpoint>, Failure> {
    let mut all = BTreeMap::new();
    for row in rows {
        let version = u32::try_from(row.try_get::<i64, _>(1)?);
        let position = u64::try_from(row.try_get::<i64, _>(2)?);
        let (Ok(version), Ok(position)) = (version, position) else {
            return Err(Failure::Data("a stored checkpoint is negative or too large".to_owned()));
        };
        let event_id = row.try_get::<Option<String>, _>(3)?.map(|text| EventId::parse(&text)).transpose();
        let event_id =
            event_id.map_err(|_| Failure::Data("a stored checkpoint names no event by its id".to_owned()))?;
        // Tables that were emptied to be folded again stand at no event; `start_over` leaves the name of the last one.
        let event_id = event_id.filter(|_| position > 0);
        all.insert(row.try_get(0)?, Checkpoint { version, position: Position(position), event_id });
    }
    Ok(all)
}

async fn put(connection: &mut PgConnection, sql: &TableSql, rows: &[Row]) -> Result<u64, Failure> {
    let mut parameters = Parameters::default();
    for (at, column) in sql.table.columns.iter().enumerate() {
        parameters.add_column(column.kind, rows.iter().map(|row| row.0.get(at).unwrap_or(&Cell::Null)))?;
    }
    let done = sqlx::query_with(sql.put.safe(), parameters.take()).execute(connection).await?;
    Ok(done.rows_affected())
}

async fn delete(connection: &mut PgConnection, sql: &TableSql, keys: &[Key]) -> Result<(), Failure> {
    sqlx::query_with(sql.delete.safe(), key_arrays(sql, keys)?).execute(connection).await?;
    Ok(())
}

/// Makes sure that rows which were there already are the ones that were put.
async fn unchanged(connection: &mut PgConnection, sql: &TableSql, rows: &[Row]) -> Result<(), Stop> {
    let keys: Vec<Key> = rows.iter().map(|row| sql.table.key_of(row)).collect();
    let stored =
        load(connection, sql, &keys).await.map_err(|failure| Stop::Failure(sql.table.name, failure))?;
    for (row, stored) in rows.iter().zip(stored) {
        if stored.as_ref() != Some(row) {
            let why = format!("table {} is append-only and a written row would change", sql.table.name);
            return Err(Stop::Refused(StoreError::Invalid(why)));
        }
    }
    Ok(())
}

/// Rows by key, in the order asked.
pub async fn load(
    connection: &mut PgConnection,
    sql: &TableSql,
    keys: &[Key],
) -> Result<Vec<Option<Row>>, Failure> {
    let query = sqlx::query_with(sql.load.safe(), key_arrays(sql, keys)?);
    read_loaded(&query.fetch_all(connection).await?, sql, keys.len())
}

/// What the statement answered that loads `keys` rows.
pub fn read_loaded(found: &[PgRow], sql: &TableSql, keys: usize) -> Result<Vec<Option<Row>>, Failure> {
    let mut rows = vec![None; keys];
    for found in found {
        let place = usize::try_from(found.try_get::<i64, _>(0)?).unwrap_or_default().saturating_sub(1);
        if let Some(row) = rows.get_mut(place) {
            *row = Some(read_row(found, &sql.table, 1)?);
        }
    }
    Ok(rows)
}

/// The cells of one row, from this column of the answer on.
pub fn read_row(found: &PgRow, table: &Table, first: usize) -> Result<Row, Failure> {
    let cells = table.columns.iter().zip(first..).map(|(column, at)| cell(found, at, column.kind));
    Ok(Row(cells.collect::<Result<_, _>>()?))
}

/// Whether these are the cells of a row, from this column of the answer on; `text` is room.
pub fn is_row(
    found: &PgRow,
    table: &Table,
    first: usize,
    row: &Row,
    text: &mut String,
) -> Result<bool, Failure> {
    if row.0.len() != table.columns.len() {
        return Ok(false);
    }
    for ((cell, column), at) in row.0.iter().zip(table.columns).zip(first..) {
        // The bytes of one kind may be those of another.
        let fits = cell.kind().is_none_or(|kind| kind == column.kind);
        if !fits || !is_cell(found, at, cell, text)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub fn key_arrays(sql: &TableSql, keys: &[Key]) -> Result<PgArguments, Failure> {
    let mut parameters = Parameters::default();
    for (at, column) in sql.key().iter().enumerate() {
        parameters.add_column(column.kind, keys.iter().map(|key| key.0.get(at).unwrap_or(&Cell::Null)))?;
    }
    Ok(parameters.take())
}

/// The keys of each table, and where they were asked for.
pub fn by_table(keys: &[RowKey]) -> BTreeMap<&'static str, Vec<(usize, &Key)>> {
    let mut tables: BTreeMap<&'static str, Vec<_>> = BTreeMap::new();
    for (place, key) in keys.iter().enumerate() {
        tables.entry(key.table).or_default().push((place, &key.key));
    }
    tables
}
