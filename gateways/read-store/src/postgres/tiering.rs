//! Partitions that leave for the lake and come back: what they are, how old, and the owner's functions that take them away
//! and let them in. That the rows are in the lake is not known here; that nothing else leaves or comes back than what was
//! compared, is.

use super::copy;
use super::error::{Failure, Trouble};
use super::side::Side;
use super::statements::TableSql;
use super::values::Parameters;
use super::{PostgresStore, Sql};
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use std::collections::BTreeMap;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Checkpoint, PAGE_ROWS_MAX, Row, ScanQuery, StoreError};
use stele_domain::port::tiering::{Histories, KeptDigest, Look, Partition};
use stele_domain::time::Timestamp;
use tokio::time::timeout;

const AGES: &str = "SELECT a.table_name, a.partition_name, a.from_position, a.to_position, \
     (extract(epoch FROM a.newest) * 1000000)::bigint, a.tier_due, a.drop_due \
     FROM read_model.partition_ages(make_interval(secs => $1::bigint)) AS a";
const DROP: &str = "SELECT read_model.drop_tiered($1::text, $2::bigint, $3::bigint, $4::text[], $5::text[], $6::bigint[], \
     $7::bigint[], $8::bytea[])";
const BEGIN: &str = "SELECT read_model.begin_restore($1::text, $2::bigint, $3::bigint)";
const FINISH: &str = "SELECT read_model.finish_restore($1::text, $2::bigint, $3::bigint, $4::bigint)";

/// What the server says when one of these functions comes to nothing, by its codes.
mod said {
    /// It is not to be done now, and the message says why.
    pub const NOT_NOW: &str = "SR004";
    /// Rows or digests are not what they should be.
    pub const DIFFERS: &str = "SR005";
}

impl PostgresStore {
    async fn known_partitions(&self, older_than_s: Option<u64>) -> Result<Vec<Partition>, StoreError> {
        self.ready().await?;
        let failed = |failure: Failure| failure.into_store("the partitions");
        let age = older_than_s.map(|age| i64::try_from(age).unwrap_or(i64::MAX));
        let mut parameters = Parameters::default();
        parameters.add(age).map_err(failed)?;
        let rows = self.writers.ask(AGES.into(), parameters.take()).await.map_err(failed)?;
        let names: Vec<&str> = self.owners.values().flatten().map(String::as_str).collect();
        let at = self.stored_checkpoints(&names).await?;
        let partitions = rows.iter().map(|row| self.partition(row, &at));
        let partitions = partitions.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok(partitions.into_iter().flatten().collect())
    }

    /// A row of [`AGES`]; `None` for a table that this build knows not, and for positions that no log has.
    fn partition(
        &self,
        row: &PgRow,
        at: &BTreeMap<String, Checkpoint>,
    ) -> Result<Option<Partition>, Failure> {
        let Ok(sql) = self.table(row.try_get(0)?) else { return Ok(None) };
        let table = sql.table.name;
        let (from, to) = (u64::try_from(row.try_get::<i64, _>(2)?), u64::try_from(row.try_get::<i64, _>(3)?));
        let (Ok(from), Ok(to)) = (from, to) else { return Ok(None) };
        let mut owners = self.owners.get(table).into_iter().flatten();
        let sealed = owners.all(|owner| at.get(owner).is_some_and(|checkpoint| checkpoint.position.0 >= to));
        Ok(Some(Partition {
            table,
            name: row.try_get(1)?,
            from: Position(from),
            to: Position(to),
            newest: row.try_get::<Option<i64>, _>(4)?.map(Timestamp::from_micros),
            sealed,
            tier_due: row.try_get(5)?,
            drop_due: row.try_get(6)?,
        }))
    }

    async fn dropped(&self, partition: &Partition, kept: &[KeptDigest]) -> Result<bool, StoreError> {
        self.ready().await?;
        let failed = |failure: Failure| failure.into_store(partition.table);
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut parameters = Parameters::default();
        parameters.add(partition.table).map_err(failed)?;
        parameters.add(number(partition.from)?).map_err(failed)?;
        parameters.add(number(partition.to)?).map_err(failed)?;
        parameters.add(self.owners.get(partition.table).map_or(&[][..], Vec::as_slice)).map_err(failed)?;
        parameters.add(kept.iter().map(|one| one.projection).collect::<Vec<_>>()).map_err(failed)?;
        parameters.add(kept.iter().map(|one| count(one.digest.part)).collect::<Vec<_>>()).map_err(failed)?;
        parameters.add(kept.iter().map(|one| count(one.digest.rows)).collect::<Vec<_>>()).map_err(failed)?;
        parameters.add(kept.iter().map(|one| &*one.digest.value).collect::<Vec<&[u8]>>()).map_err(failed)?;
        let answer = self.told(DROP, parameters.take(), partition.table).await?;
        let was_there = answer.first().map_or(Ok(false), |row| row.try_get(0));
        let was_there = was_there.map_err(|error| failed(error.into()))?;
        // Whether this call took it away or another one: nobody may believe that it is there.
        self.rooms.forget();
        if was_there {
            let rows = kept.iter().map(|one| one.digest.rows).sum();
            crate::observe::dropped(partition.table, &partition.name, rows);
        }
        Ok(was_there)
    }

    async fn restore_begun(&self, table: &str, from: Position, to: Position) -> Result<(), StoreError> {
        let table = self.table(table)?.table.name;
        self.ready().await?;
        let parameters = span(table, from, to, None)?;
        self.told(BEGIN, parameters, table).await?;
        Ok(())
    }

    async fn rows_restored(&self, table: &str, rows: &[Row]) -> Result<(), StoreError> {
        let sql = self.table(table)?;
        for row in rows {
            sql.table.admits(row)?;
        }
        let into = sql.copy_into(&restoring(sql.table.name));
        let mut lease = self.writers.lease().await?;
        let patience = self.writers.patience();
        let copied = timeout(patience, copy::into(&mut lease, &into, &sql.table, rows)).await;
        let copied = copied.map_err(|_| StoreError::from(Trouble::Silent(patience)))?;
        copied.map_err(|failure| failure.into_store(sql.table.name))?;
        self.writers.give_back(lease);
        Ok(())
    }

    async fn restored(
        &self,
        table: &str,
        (from, to): (Position, Position),
        rows: u64,
        look: &mut Look<'_>,
    ) -> Result<(), StoreError> {
        let sql = self.table(table)?;
        self.is_live()?;
        self.ready().await?;
        let finish = span(sql.table.name, from, to, Some(rows))?;
        let mut lease = self.begun().await?;
        let shown = self.shown(&mut lease, sql, finish, look).await;
        match shown {
            Ok(()) => {
                self.writers.give_back(lease);
                self.rooms.forget();
                Ok(())
            }
            Err(error @ StoreError::Damaged(_)) => {
                let undone = sqlx::raw_sql("ROLLBACK").execute(&mut *lease);
                if matches!(timeout(self.writers.patience(), undone).await, Ok(Ok(_))) {
                    self.writers.give_back(lease);
                } else {
                    drop(lease);
                }
                // Its rows go at once. Where that fails nobody sees them, and the next attempt throws them away.
                let _ = self.restore_begun(table, from, to).await;
                Err(error)
            }
            // The connection is closed, and the transaction ends with it.
            Err(error) => Err(error),
        }
    }

    /// Reads what came back where it stands, and shows it when nothing is said against it, in one transaction: what was read
    /// can't be replaced meanwhile, and a row that is added makes their number another one.
    async fn shown(
        &self,
        connection: &mut PgConnection,
        sql: &TableSql,
        finish: PgArguments,
        look: &mut Look<'_>,
    ) -> Result<(), StoreError> {
        let name = sql.table.name;
        let there = restoring(name);
        let mut query = ScanQuery::by_key(PAGE_ROWS_MAX);
        loop {
            let page = self.page_within(connection, (sql, there.as_str()), &query).await?;
            for row in &page.rows {
                look(Some(row)).map_err(StoreError::Damaged)?;
            }
            if page.next.is_none() {
                break;
            }
            query.after = page.next;
        }
        look(None).map_err(StoreError::Damaged)?;
        let patience = self.writers.patience();
        let silent = |_| StoreError::from(Trouble::Silent(patience));
        let finished = sqlx::query_with(Sql::from(FINISH).safe(), finish).fetch_all(&mut *connection);
        let finished = timeout(patience, finished).await.map_err(silent)?;
        finished.map_err(|error| said_no(error.into(), name))?;
        let committed = sqlx::raw_sql("COMMIT").execute(&mut *connection);
        let committed = timeout(patience, committed).await.map_err(silent)?;
        committed.map_err(|error| Failure::from(error).into_store(name))?;
        Ok(())
    }

    /// Refuses where these are the tables of a rebuild.
    fn is_live(&self) -> Result<(), StoreError> {
        if self.side == Side::Live {
            return Ok(());
        }
        Err(StoreError::Invalid("partitions of next tables stay where they are".to_owned()))
    }

    /// Asks one of the functions.
    async fn told(
        &self,
        call: &'static str,
        parameters: PgArguments,
        table: &str,
    ) -> Result<Vec<PgRow>, StoreError> {
        self.is_live()?;
        let answer = self.writers.ask(Sql::from(call), parameters).await;
        answer.map_err(|failure| said_no(failure, table))
    }
}

/// What one of the functions said.
fn said_no(failure: Failure, table: &str) -> StoreError {
    if let Failure::Trouble(Trouble::Failed(error)) = &failure
        && let Some(words) = error.as_database_error()
    {
        match words.code().as_deref() {
            Some(said::NOT_NOW) => return StoreError::Invalid(words.message().to_owned()),
            Some(said::DIFFERS) => return StoreError::Damaged(words.message().to_owned()),
            Some(_) | None => {}
        }
    }
    failure.into_store(table)
}

/// The table that rows of a partition come back into.
fn restoring(table: &str) -> String {
    format!("{table}_restoring")
}

fn number(position: Position) -> Result<i64, StoreError> {
    i64::try_from(position.0).map_err(|_| StoreError::Invalid(format!("position {position} is past 63 bits")))
}

fn span(table: &str, from: Position, to: Position, rows: Option<u64>) -> Result<PgArguments, StoreError> {
    let failed = |failure: Failure| failure.into_store(table);
    let mut parameters = Parameters::default();
    parameters.add(table).map_err(failed)?;
    parameters.add(number(from)?).map_err(failed)?;
    parameters.add(number(to)?).map_err(failed)?;
    if let Some(rows) = rows {
        parameters.add(i64::try_from(rows).unwrap_or(i64::MAX)).map_err(failed)?;
    }
    Ok(parameters.take())
}

impl Histories for PostgresStore {
    fn partitions(&self, older_than_s: Option<u64>) -> PortFuture<'_, Result<Vec<Partition>, StoreError>> {
        Box::pin(self.known_partitions(older_than_s))
    }

    fn drop_partition<'a>(
        &'a self,
        partition: &'a Partition,
        kept: &'a [KeptDigest],
    ) -> PortFuture<'a, Result<bool, StoreError>> {
        Box::pin(self.dropped(partition, kept))
    }

    fn begin_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        Box::pin(self.restore_begun(table, from, to))
    }

    fn restore_rows<'a>(&'a self, table: &'a str, rows: Vec<Row>) -> PortFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { self.rows_restored(table, &rows).await })
    }

    fn finish_restore<'a>(
        &'a self,
        table: &'a str,
        from: Position,
        to: Position,
        rows: u64,
        look: &'a mut Look<'a>,
    ) -> PortFuture<'a, Result<(), StoreError>> {
        Box::pin(self.restored(table, (from, to), rows, look))
    }
}
