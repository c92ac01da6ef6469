//! Rebuilds: next tables in a schema of their own, claimed by one process at a time, that take the place of the live
//! ones in one transaction. All that makes, moves or drops a table is a function of the owner's.

mod claim;

use super::error::{Failure, Trouble};
use super::pool::Pool;
use super::room::Rooms;
use super::side::Side;
use super::values::Parameters;
use super::{Options, PostgresStore, WRITING};
use claim::Held;
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{
    Claim, OldTables, Rebuild, RebuildPhase, Rebuilding, Schema, StoreError, Wanted,
};
use stele_domain::time::Timestamp;
use tokio::time::timeout;

/// Connections that fill next tables; as many projections are written at once.
const WRITERS: usize = 4;
/// Longest wait for one of them: others may be in the middle of a large batch.
const ACQUIRE: Duration = Duration::from_mins(1);
/// Longest that one statement of a large batch may take.
const WRITE: Duration = Duration::from_mins(2);

/// Under which number the locks of rebuilds are held, beside the projection's.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(736374612, hashtext($1::text))";
/// The last rebuilds, and whether somebody holds their lock.
const REBUILDS: &str = "SELECT r.projection, r.phase, r.version, r.live_version, r.by_whom, \
     (extract(epoch FROM r.began_at) * 1000000)::bigint, (extract(epoch FROM r.moved_at) * 1000000)::bigint, \
     r.position, r.target, r.per_second, r.detail, \
     EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
         WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.classid = 736374612::oid \
         AND l.objid = (hashtext(r.projection)::bigint & 4294967295)::oid AND l.objsubid = 2) \
     FROM read_model.rebuilds AS r ORDER BY r.projection";
const OLD: &str = "SELECT c.projection, c.version, c.position, (extract(epoch FROM c.replaced_at) * 1000000)::bigint \
     FROM read_model_old.checkpoints AS c ORDER BY c.projection";
const DROP_OLD: &str = "SELECT read_model.drop_rebuilt('read_model_old', $1::text, $2::text[])";
const BEGIN: &str = "SELECT read_model.begin_rebuild($1::text, $2::text[], $3::bigint, $4::boolean)";

/// What the server says when a function of the owner's comes to nothing, by its codes.
mod said {
    /// Replaced tables are still there.
    pub const OLD_TABLES: &str = "SR001";
    /// Something stands in the way, and the message says what.
    pub const IN_THE_WAY: &str = "SR002";
    /// Checkpoints are not where they should be.
    pub const MOVED: &str = "SR003";
    /// A lock was not to be had in time; the server's own.
    pub const LOCKED: &str = "55P03";
    /// Two transactions waited for each other; the server's own.
    pub const DEADLOCK: &str = "40P01";
}

impl PostgresStore {
    async fn known_rebuilds(&self) -> Result<Vec<Rebuild>, StoreError> {
        self.ready().await?;
        let failed = |failure: Failure| failure.into_store("the rebuilds");
        let rows = self.readers.ask(REBUILDS.into(), PgArguments::default()).await.map_err(failed)?;
        rows.iter().map(rebuild).collect::<Result<_, _>>().map_err(failed)
    }

    async fn known_old_tables(&self) -> Result<Vec<OldTables>, StoreError> {
        self.ready().await?;
        let failed = |failure: Failure| failure.into_store("the replaced tables");
        let rows = self.readers.ask(OLD.into(), PgArguments::default()).await.map_err(failed)?;
        let old = |row: &PgRow| {
            Ok::<_, Failure>(OldTables {
                projection: row.try_get(0)?,
                version: whole(row, 1)?,
                position: Position(whole(row, 2)?),
                replaced_at: Timestamp::from_micros(row.try_get(3)?),
            })
        };
        rows.iter().map(old).collect::<Result<_, _>>().map_err(failed)
    }

    async fn claimed(&self, wanted: Wanted) -> Result<Box<dyn Claim>, StoreError> {
        let mut own: Vec<Schema> = vec![];
        for projection in &wanted.projections {
            own.push(*self.schema(projection)?);
        }
        self.ready().await?;
        let mut connection = self.writers.make().await?;
        let patience = self.options.terms(1, WRITE, "").call;
        let begun = timeout(patience, self.begin(&mut connection, &own, &wanted)).await;
        begun.map_err(|_| StoreError::from(Trouble::Silent(patience)))??;
        let shared = self.schemas.iter().filter(|schema| schema.shared).copied();
        let schemas: Vec<Schema> = own.iter().copied().chain(shared).collect();
        let options = Options { acquire: ACQUIRE, write: WRITE, start_over: false, ..self.options.clone() };
        let writers = options.terms(WRITERS, WRITE, WRITING);
        let next = Self {
            writers: Pool::new(self.address.clone(), writers),
            ..Self::at(self.address.clone(), Side::Next, &schemas, options)
        };
        let held = Held::new(Arc::new(next), connection, patience, Arc::<Rooms>::clone(&self.rooms));
        Ok(Box::new(held))
    }

    /// Takes the locks, and prepares the tables behind them.
    async fn begin(
        &self,
        connection: &mut PgConnection,
        own: &[Schema],
        wanted: &Wanted,
    ) -> Result<(), StoreError> {
        let failed = |error: sqlx::Error| Failure::from(error).into_store("the rebuilds");
        // A claim may be silent for as long as a batch takes, and is lost with its connection.
        let silent = "SET idle_session_timeout = 0";
        sqlx::raw_sql(silent).execute(&mut *connection).await.map_err(failed)?;
        for schema in own {
            let locked = sqlx::query_scalar::<_, bool>(TRY_LOCK).bind(schema.projection);
            if !locked.fetch_one(&mut *connection).await.map_err(failed)? {
                return Err(self.somebody_elses(schema.projection).await);
            }
        }
        for schema in own {
            let tables: Vec<&str> = schema.tables.iter().map(|table| table.name).collect();
            let begun = sqlx::query(BEGIN)
                .bind(schema.projection)
                .bind(tables)
                .bind(i64::from(schema.version))
                .bind(wanted.from_zero);
            if let Err(error) = begun.execute(&mut *connection).await {
                return Err(self.not_begun(schema.projection, error).await);
            }
        }
        Ok(())
    }

    /// Who has the lock, as far as they have said it by now.
    async fn somebody_elses(&self, projection: &str) -> StoreError {
        let known = self.known_rebuilds().await.unwrap_or_default();
        let known = known.into_iter().find(|rebuild| rebuild.projection == projection);
        let (by, since) = known
            .filter(|rebuild| rebuild.phase.is_under_way())
            .map_or_else(|| ("somebody".to_owned(), Timestamp::from_micros(0)), |r| (r.by, r.began_at));
        StoreError::Rebuilding { projection: projection.to_owned(), by, since }
    }

    async fn not_begun(&self, projection: &str, error: sqlx::Error) -> StoreError {
        match code_of(&error).as_deref() {
            Some(said::OLD_TABLES) => {
                let old = self.known_old_tables().await.unwrap_or_default();
                let old = old.into_iter().find(|old| old.projection == projection);
                let replaced_at = old.map_or(Timestamp::from_micros(0), |old| old.replaced_at);
                StoreError::OldTables { projection: projection.to_owned(), replaced_at }
            }
            Some(said::IN_THE_WAY) => {
                let words =
                    error.as_database_error().map_or_else(String::new, |said| said.message().to_owned());
                StoreError::Invalid(words)
            }
            Some(_) | None => Failure::from(error).into_store("the next tables"),
        }
    }

    async fn dropped_old(&self, projection: &str) -> Result<(), StoreError> {
        let schema = self.schema(projection)?;
        self.ready().await?;
        let failed = |failure: Failure| failure.into_store("the replaced tables");
        let tables: Vec<&str> = schema.tables.iter().map(|table| table.name).collect();
        let mut parameters = Parameters::default();
        parameters.add(projection).map_err(failed)?;
        parameters.add(tables).map_err(failed)?;
        self.writers.ask(DROP_OLD.into(), parameters.take()).await.map_err(failed)?;
        Ok(())
    }
}

impl Rebuilding for PostgresStore {
    fn rebuilds(&self) -> PortFuture<'_, Result<Vec<Rebuild>, StoreError>> {
        Box::pin(self.known_rebuilds())
    }

    fn old_tables(&self) -> PortFuture<'_, Result<Vec<OldTables>, StoreError>> {
        Box::pin(self.known_old_tables())
    }

    fn claim(&self, wanted: Wanted) -> PortFuture<'_, Result<Box<dyn Claim>, StoreError>> {
        Box::pin(self.claimed(wanted))
    }

    fn drop_old<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<(), StoreError>> {
        Box::pin(self.dropped_old(projection))
    }
}

/// What the server has called an error.
fn code_of(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

fn rebuild(row: &PgRow) -> Result<Rebuild, Failure> {
    let name: &str = row.try_get(1)?;
    let phase = RebuildPhase::ALL.into_iter().find(|phase| phase.name() == name);
    let phase = phase.ok_or_else(|| Failure::Data(format!("a rebuild is in the phase {name:?}")))?;
    let held: bool = row.try_get(11)?;
    Ok(Rebuild {
        projection: row.try_get(0)?,
        // Whoever died in the middle could not say so.
        phase: if phase.is_under_way() && !held { RebuildPhase::Interrupted } else { phase },
        version: whole(row, 2)?,
        live_version: whole(row, 3)?,
        by: row.try_get(4)?,
        began_at: Timestamp::from_micros(row.try_get(5)?),
        moved_at: Timestamp::from_micros(row.try_get(6)?),
        position: Position(whole(row, 7)?),
        target: Position(whole(row, 8)?),
        per_second: whole(row, 9)?,
        detail: row.try_get(10)?,
    })
}

fn whole<N: TryFrom<i64>>(row: &PgRow, at: usize) -> Result<N, Failure> {
    let number: i64 = row.try_get(at)?;
    N::try_from(number).map_err(|_| Failure::Data(format!("a stored rebuild has the number {number}")))
}
