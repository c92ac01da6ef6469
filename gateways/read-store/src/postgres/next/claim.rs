//! Next tables in the hands of one process: held by a lock that goes with its connection, over which the swap is made,
//! so that nobody swaps who has lost the lock.

use super::super::PostgresStore;
use super::super::error::{Failure, Trouble};
use super::super::room::Rooms;
use super::super::write;
use super::{code_of, said};
use sqlx::postgres::PgConnection;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::Position;
use stele_domain::port::read_store::{Claim, ReadStore, Rebuild, StoreError, Swap};
use tokio::sync::Mutex;
use tokio::time::timeout;

const NOTE: &str = "INSERT INTO read_model.rebuilds (projection, phase, version, live_version, by_whom, began_at, moved_at, \
     position, target, per_second, detail) \
     VALUES ($1::text, $2::text, $3::bigint, $4::bigint, $5::text, 'epoch'::timestamptz + $6::bigint * interval '1 microsecond', \
     'epoch'::timestamptz + $7::bigint * interval '1 microsecond', $8::bigint, $9::bigint, $10::bigint, $11::text) \
     ON CONFLICT (projection) DO UPDATE SET phase = EXCLUDED.phase, version = EXCLUDED.version, \
     live_version = EXCLUDED.live_version, by_whom = EXCLUDED.by_whom, began_at = EXCLUDED.began_at, \
     moved_at = EXCLUDED.moved_at, position = EXCLUDED.position, target = EXCLUDED.target, \
     per_second = EXCLUDED.per_second, detail = EXCLUDED.detail";
const SWAP: &str =
    "SELECT read_model.swap_rebuild($1::text, $2::text[], $3::bigint, $4::bigint, $5::bigint, $6::integer)";

/// The claim.
pub struct Held {
    next: Arc<PostgresStore>,
    /// Holds the locks; `None` since it was lost.
    connection: Mutex<Option<PgConnection>>,
    patience: Duration,
    /// Partitions of the live tables, which are others after a swap.
    rooms: Arc<Rooms>,
}

impl Held {
    pub fn new(
        next: Arc<PostgresStore>,
        connection: PgConnection,
        patience: Duration,
        rooms: Arc<Rooms>,
    ) -> Self {
        Self { next, connection: Mutex::new(Some(connection)), patience, rooms }
    }

    /// Works on the connection that holds the locks; one that breaks, or is left in the middle, is given up.
    async fn with<T, F>(&self, work: impl FnOnce(PgConnection) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = (PgConnection, Result<T, StoreError>)>,
    {
        let mut place = self.connection.lock().await;
        let lost = || StoreError::from(Trouble::Broken(sqlx::Error::PoolClosed));
        let connection = place.take().ok_or_else(lost)?;
        let done = timeout(self.patience, work(connection)).await;
        let (mut connection, done) = done.map_err(|_| StoreError::from(Trouble::Silent(self.patience)))?;
        // A question that costs nothing tells whether the locks are still held.
        if done.is_ok() || sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.is_ok() {
            *place = Some(connection);
        }
        done
    }

    async fn noted(&self, rebuild: Rebuild) -> Result<(), StoreError> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.with(async move |mut connection| {
            let note = sqlx::query(NOTE)
                .bind(&rebuild.projection)
                .bind(rebuild.phase.name())
                .bind(i64::from(rebuild.version))
                .bind(i64::from(rebuild.live_version))
                .bind(&rebuild.by)
                .bind(rebuild.began_at.micros())
                .bind(rebuild.moved_at.micros())
                .bind(number(rebuild.position.0))
                .bind(number(rebuild.target.0))
                .bind(number(rebuild.per_second))
                .bind(&rebuild.detail);
            let done = note.execute(&mut connection).await;
            (connection, done.map(|_| ()).map_err(|error| Failure::from(error).into_store("the rebuilds")))
        })
        .await
    }

    async fn swapped(&self, swap: Swap) -> Result<bool, StoreError> {
        let schema = self.next.schema(swap.projection)?;
        let tables: Vec<&str> = schema.tables.iter().map(|table| table.name).collect();
        let done = self.with(async move |mut connection| {
            let done = swapped(&mut connection, swap, &tables).await;
            (connection, done)
        });
        let swapped = done.await?;
        if swapped {
            self.rooms.forget();
        }
        Ok(swapped)
    }
}

impl Claim for Held {
    fn next(&self) -> Arc<dyn ReadStore> {
        Arc::<PostgresStore>::clone(&self.next)
    }

    fn note(&self, rebuild: Rebuild) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(self.noted(rebuild))
    }

    fn swap(&self, swap: Swap) -> PortFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.swapped(swap))
    }
}

/// The commit does not wait for the disk while everybody waits for it; a crash that loses it leaves both sides as they
/// were. Whoever notes the end waits for the disk then, and for the swap with it.
async fn swapped(connection: &mut PgConnection, swap: Swap, tables: &[&str]) -> Result<bool, StoreError> {
    let failed = |error: sqlx::Error| Failure::from(error).into_store("the swap");
    let number = |position: Position| {
        let why = || StoreError::Invalid(format!("position {position} is past 63 bits"));
        i64::try_from(position.0).map_err(|_| why())
    };
    let (live, next) = (number(swap.live.position)?, number(swap.next)?);
    let patience_ms = i32::try_from(swap.patience.as_millis()).unwrap_or(i32::MAX);
    let begin = sqlx::raw_sql("BEGIN; SET LOCAL synchronous_commit = off");
    begin.execute(&mut *connection).await.map_err(failed)?;
    let moved = sqlx::query(SWAP)
        .bind(swap.projection)
        .bind(tables)
        .bind(i64::from(swap.live.version))
        .bind(live)
        .bind(next)
        .bind(patience_ms)
        .execute(&mut *connection)
        .await;
    if let Err(error) = moved {
        let code = code_of(&error);
        if !matches!(code.as_deref(), Some(said::MOVED | said::LOCKED | said::DEADLOCK)) {
            return Err(failed(error));
        }
        sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await.map_err(failed)?;
        if code.as_deref() != Some(said::MOVED) {
            return Ok(false);
        }
        let at = write::checkpoints(connection, super::Side::Live, &[swap.projection]).await;
        let at = at.map_err(|failure| failure.into_store("the checkpoints"))?;
        let actual = at.get(swap.projection).map_or(Position::START, |at| at.position);
        let (projection, expected) = (swap.projection.to_owned(), swap.live.position);
        return Err(StoreError::Conflict { projection, expected, actual });
    }
    sqlx::raw_sql("COMMIT").execute(&mut *connection).await.map_err(failed)?;
    Ok(true)
}
