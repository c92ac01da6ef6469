//! Digests: written in the transaction of the rows that they are of, and read in one statement with the checkpoint.

use super::PostgresStore;
use super::error::Failure;
use super::side::Side;
use super::values::Parameters;
use super::write;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Batch, Checkpoint, Digest, Schema, StoreError};

const PUT: &str = "INSERT INTO read_model.digests (projection, table_name, part, rows, value) \
     SELECT u.projection, u.table_name, u.part, u.rows, u.value \
     FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[]) \
     AS u(projection, table_name, part, rows, value) \
     ON CONFLICT (projection, table_name, part) DO UPDATE SET rows = EXCLUDED.rows, value = EXCLUDED.value";

/// A checkpoint, how far its digests are, and each of them: one row at least.
const GET: &str = "SELECT c.projection, c.version, c.position, c.event_id, c.digested_to, \
     d.table_name, d.part, d.rows, d.value \
     FROM read_model.checkpoints AS c LEFT JOIN read_model.digests AS d ON d.projection = c.projection \
     WHERE c.projection = $1::text ORDER BY d.table_name, d.part";

/// Projections whose rows were kept without their digests.
const UNDIGESTED: &str = "SELECT projection FROM read_model.checkpoints \
     WHERE projection = ANY($1::text[]) AND position <> digested_to";

impl PostgresStore {
    /// A projection's checkpoint and digests.
    pub(super) async fn digests_of(&self, projection: &str) -> Result<(Checkpoint, Vec<Digest>), StoreError> {
        let schema = *self.schema(projection)?;
        self.ready().await?;
        let failed = |failure: Failure| failure.into_store("the digests");
        let mut parameters = Parameters::default();
        parameters.add(projection).map_err(failed)?;
        let rows = self.readers.ask(self.side.of(GET), parameters.take()).await.map_err(failed)?;
        let checkpoints = write::read_checkpoints(&rows).map_err(failed)?;
        let Some(at) = checkpoints.get(projection).copied() else { return Ok((Checkpoint::NOTHING, vec![])) };
        if at.version != 0 && at.version != schema.version {
            return Ok((at, vec![]));
        }
        let digested = rows.first().map_or(Ok(0), |row| number(row, 4)).map_err(failed)?;
        if Position(digested) != at.position {
            let (position, digested) = (at.position, Position(digested));
            return Err(StoreError::Undigested { projection: projection.to_owned(), position, digested });
        }
        let digests = rows.iter().filter_map(|row| self.digest(row, &schema).transpose());
        Ok((at, digests.collect::<Result<_, _>>().map_err(failed)?))
    }

    /// The digest in a row of [`GET`]; `None` where there is none.
    fn digest(&self, row: &PgRow, schema: &Schema) -> Result<Option<Digest>, Failure> {
        let Some(name) = row.try_get::<Option<&str>, _>(5)? else { return Ok(None) };
        let Ok(table) = self.table(name) else {
            let projection = schema.projection;
            return Err(Failure::Data(format!(
                "projection {projection} has a digest of {name}, and no such table"
            )));
        };
        let value = row.try_get::<&[u8], _>(8)?.into();
        Ok(Some(Digest { table: table.table.name, part: number(row, 6)?, rows: number(row, 7)?, value }))
    }
}

/// Writes the digests of all of these batches.
pub async fn put(connection: &mut PgConnection, side: Side, batches: &[Batch]) -> Result<(), Failure> {
    let all =
        || batches.iter().flat_map(|batch| batch.digests.iter().map(|digest| (batch.projection, digest)));
    if all().next().is_none() {
        return Ok(());
    }
    let numbers = |of: fn(&Digest) -> u64| {
        let number =
            |number| i64::try_from(number).map_err(|_| Failure::Data(format!("{number} is past 63 bits")));
        all().map(|(_, digest)| number(of(digest))).collect::<Result<Vec<i64>, Failure>>()
    };
    let query = sqlx::query(side.of(PUT).safe())
        .bind(all().map(|(projection, _)| projection).collect::<Vec<_>>())
        .bind(all().map(|(_, digest)| digest.table).collect::<Vec<_>>())
        .bind(numbers(|digest| digest.part)?)
        .bind(numbers(|digest| digest.rows)?)
        .bind(all().map(|(_, digest)| &*digest.value).collect::<Vec<&[u8]>>());
    query.execute(connection).await?;
    Ok(())
}

/// Which of these projections have rows that were kept without their digests.
pub async fn undigested(connection: &mut PgConnection, projections: &[&str]) -> Result<Vec<String>, Failure> {
    let rows = sqlx::query(UNDIGESTED).bind(projections).fetch_all(connection).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

fn number(row: &PgRow, at: usize) -> Result<u64, Failure> {
    let number = row.try_get::<i64, _>(at)?;
    u64::try_from(number).map_err(|_| Failure::Data(format!("a stored digest has the number {number}")))
}
