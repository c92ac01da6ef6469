//! The read store in PostgreSQL: the tables of `migrations/`, written by one runner and read by everybody.
//!
//! Whatever happens to the server, calls say so and the next one tries again: there is no state here that a
//! restart of either side would have to mend. Rows of histories stay until somebody proves that they are in the
//! lake, and takes their partition away.

mod address;
mod copy;
mod digests;
mod error;
mod next;
mod numeric;
mod pool;
mod reached;
mod read;
mod ready;
mod room;
mod schema;
mod side;
mod statements;
mod still;
mod tiering;
mod values;
mod write;

pub(crate) use address::Address;
pub use address::AddressError;
pub(crate) use error::Failure;
pub use error::{OpenError, Trouble};
pub use statements::Sql;

use pool::{Pool, Terms};
use reached::Reached;
use ready::Ready;
use room::Rooms;
use side::Side;
use statements::{Shape, TableSql};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{Direction, Position};
use stele_domain::port::read_store::{
    Answer, Batch, Checkpoint, Digest, Key, Order, Page, ReadStore, Row, RowKey, ScanQuery, Schema,
    StoreError,
};
use values::Parameters;

/// Connections of the runner: one at work, and one for what goes on beside it.
const WRITERS: usize = 2;

/// How a store treats its server and its callers.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most connections for questions. Two more are kept for the runner, so that no crowd of readers stops it.
    pub readers: usize,
    /// Longest wait for a connection.
    pub acquire: Duration,
    /// Longest that a question may take; the server ends it then.
    pub read: Duration,
    /// Longest that one statement of a batch may take.
    pub write: Duration,
    /// How often a waiting caller looks whether another process has moved a checkpoint.
    pub poll: Duration,
    /// Whether projections whose rows another version made are emptied at open and folded again. Otherwise the
    /// runner refuses them.
    pub start_over: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 8,
            acquire: Duration::from_secs(2),
            read: Duration::from_secs(5),
            write: Duration::from_secs(30),
            poll: Duration::from_millis(10),
            start_over: false,
        }
    }
}

/// What is said on connections that only ask.
const READ_ONLY: &str = "; SET default_transaction_read_only = on";

/// What is said on connections that write: long values are packed by the server's quicker method, where it has that.
const WRITING: &str = "; SELECT set_config(name, 'lz4', false) FROM pg_settings \
     WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)";

impl Options {
    /// How connections of one kind are treated.
    fn terms(&self, connections: usize, statement: Duration, greeting: &str) -> Terms {
        Terms {
            connections,
            acquire: self.acquire,
            call: statement * 2 + Duration::from_secs(1),
            greeting: format!(
                "SET statement_timeout = {ms}; SET lock_timeout = {ms}; \
                 SET idle_in_transaction_session_timeout = 60000; SET jit = off; SET timezone = 'UTC'{greeting}",
                ms = statement.as_millis(),
            )
            .into(),
        }
    }
}

/// Tables in PostgreSQL.
pub struct PostgresStore {
    address: Address,
    side: Side,
    schemas: Vec<Schema>,
    tables: BTreeMap<&'static str, TableSql>,
    /// Which projections' checkpoints a table's rows are as of.
    owners: BTreeMap<&'static str, Vec<String>>,
    /// Tables that every projection may write.
    shared: BTreeSet<&'static str>,
    options: Options,
    readers: Pool,
    writers: Pool,
    ready: Ready,
    rooms: Arc<Rooms>,
    reached: Reached,
}

impl PostgresStore {
    /// Opens the store and looks whether the database is what this build expects. Needs the privileges of
    /// `stele_app` and no more.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; whether it passes says [`OpenError::is_transient`].
    pub async fn open(url: &str, schemas: &[Schema], options: Options) -> Result<Self, OpenError> {
        let store = Self::lazy(url, schemas, options)?;
        store.verify().await?;
        Ok(store)
    }

    /// The same without a word to the server: it is looked at when the store is first used, and until it is
    /// found in order every call says why not. For a desk that must start while its database is down.
    ///
    /// # Errors
    ///
    /// [`OpenError::Url`], [`OpenError::Definitions`].
    pub fn lazy(url: &str, schemas: &[Schema], options: Options) -> Result<Self, OpenError> {
        let address = Address::of(url, "stele").map_err(OpenError::Url)?;
        schema::check_definitions(schemas).map_err(OpenError::Definitions)?;
        Ok(Self::at(address, Side::Live, schemas, options))
    }

    fn at(address: Address, side: Side, schemas: &[Schema], options: Options) -> Self {
        let own: Vec<&Schema> = schemas.iter().filter(|schema| !schema.shared).collect();
        let projections: Vec<String> = own.iter().map(|schema| schema.projection.to_owned()).collect();
        let mut owners = BTreeMap::new();
        let mut tables = BTreeMap::new();
        let mut shared = BTreeSet::new();
        for schema in schemas {
            for table in schema.tables {
                let one = vec![schema.projection.to_owned()];
                owners.insert(table.name, if schema.shared { projections.clone() } else { one });
                tables.insert(table.name, TableSql::of(table, side));
                if schema.shared {
                    shared.insert(table.name);
                }
            }
        }
        let readers = options.terms(options.readers.max(1), options.read, READ_ONLY);
        let writers = options.terms(WRITERS, options.write, WRITING);
        Self {
            side,
            schemas: schemas.to_vec(),
            tables,
            owners,
            shared,
            readers: Pool::new(address.clone(), readers),
            writers: Pool::new(address.clone(), writers),
            ready: Ready::default(),
            rooms: Arc::new(Rooms::default()),
            reached: Reached::new(&own, options.poll),
            options,
            address,
        }
    }

    /// Every statement that rows can be read and written with, scans with up to one filter included: so that a
    /// test can ask a server what it thinks of each.
    #[must_use]
    pub fn statements(&self) -> Vec<Sql> {
        let mut all = vec![];
        for sql in self.tables.values() {
            all.extend([sql.load.clone(), sql.put.clone(), sql.delete.clone(), sql.get.clone()]);
            for direction in [Direction::Forward, Direction::Backward] {
                for order in [Order::Key(direction), Order::Position(direction)] {
                    for resumed in [false, true] {
                        all.push(sql.scan(&Shape { filters: &[], order, resumed }));
                        for column in sql.table.columns {
                            for empty in [false, true] {
                                let filters = &[(column, empty)];
                                all.push(sql.scan(&Shape { filters, order, resumed }));
                            }
                        }
                    }
                }
            }
        }
        all
    }

    async fn look(&self) -> Result<(), OpenError> {
        let unavailable = |trouble: Trouble| OpenError::Unavailable(trouble.into());
        let mut lease = self.writers.lease().await.map_err(unavailable)?;
        let patience = self.writers.patience();
        let projections: Vec<String> =
            self.schemas.iter().filter(|s| !s.shared).map(|s| s.projection.to_owned()).collect();
        let looked = async {
            schema::verify(&mut lease, self.side, &self.tables, &projections).await?;
            if self.options.start_over {
                self.start_over(&mut lease).await.map_err(OpenError::Unavailable)?;
            }
            let series = room::series(&mut lease).await;
            let series =
                series.map_err(|failure| OpenError::Unavailable(failure.into_store("the tables")))?;
            self.rooms.know(self.tables.keys().copied().filter(|name| series.contains(*name)));
            Ok::<(), OpenError>(())
        };
        let looked = tokio::time::timeout(patience, looked).await;
        looked.map_err(|_| unavailable(Trouble::Silent(patience)))??;
        self.writers.give_back(lease);
        crate::observe::opened(self.tables.len());
        Ok(())
    }

    fn schema(&self, projection: &str) -> Result<&Schema, StoreError> {
        let found = self.schemas.iter().find(|schema| !schema.shared && schema.projection == projection);
        found.ok_or_else(|| StoreError::UnknownProjection(projection.to_owned()))
    }

    fn table(&self, name: &str) -> Result<&TableSql, StoreError> {
        self.tables.get(name).ok_or_else(|| StoreError::UnknownTable(name.to_owned()))
    }

    async fn checkpoint_of(&self, projection: &str) -> Result<Checkpoint, StoreError> {
        self.schema(projection)?;
        self.ready().await?;
        let all = self.stored_checkpoints(&[projection]).await?;
        Ok(all.get(projection).copied().unwrap_or(Checkpoint::NOTHING))
    }
}

impl PostgresStore {
    /// Where projections are, as the server says.
    async fn stored_checkpoints(&self, names: &[&str]) -> Result<BTreeMap<String, Checkpoint>, StoreError> {
        let failed = |failure: Failure| failure.into_store("the checkpoints");
        let mut parameters = Parameters::default();
        parameters.add(names).map_err(failed)?;
        let rows =
            self.readers.ask(self.side.of(write::CHECKPOINTS), parameters.take()).await.map_err(failed)?;
        write::read_checkpoints(&rows).map_err(failed)
    }
}

impl ReadStore for PostgresStore {
    fn schemas(&self) -> &[Schema] {
        &self.schemas
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        Box::pin(self.checkpoint_of(projection))
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        Box::pin(self.wait_for(projection, position))
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        Box::pin(self.digests_of(projection))
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        Box::pin(self.as_of_now())
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        Box::pin(self.rows(keys))
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(self.keep(vec![batch]))
    }

    fn apply_all(&self, batches: Vec<Batch>) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(self.keep(batches))
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        Box::pin(self.row(table, key))
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        Box::pin(self.page(table, query))
    }

    fn is_page<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
        rows: &'a [Row],
    ) -> PortFuture<'a, Result<Answer<bool>, StoreError>> {
        Box::pin(self.holds(table, query, rows))
    }
}
