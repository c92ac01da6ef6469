//! A desk whose histories are old: its tables in PostgreSQL, its log, and a lake.

use crate::server::{Database, server};
use crate::support::{HandClock, memory};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stele_commands::tiering::TieringLedger;
use stele_domain::ids::Actor;
use stele_domain::port::PortFuture;
use stele_domain::port::blob_store::ChangingBlobs;
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_domain::port::read_store::{
    Batch, Cell, Change, Column, ColumnKind, ReadStore, Row, ScanQuery, Table,
};
use stele_domain::port::tiering::{Histories, TieringFacts};
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_lake::history::HistoryTables;
use stele_projections::digest::{Changed, Digests};
use stele_projections::models::{self, parked_events};
use stele_projections::projection::Registered;
use stele_projections::tier::{Asked, Done, Outcome, Tierer};
use stele_read_store::{Options, PostgresStore};

/// Positions of a partition here.
pub const MILLION: u64 = 1_000_000;
/// How many rows make a file here.
pub const ROWS_MAX: usize = 4;
const DAY_MS: i64 = 86_400_000;
/// How long the tables may take to answer.
const PATIENCE: Duration = Duration::from_mins(2);

pub struct Desk {
    pub database: Database,
    pub store: Arc<PostgresStore>,
    pub log: Arc<MemoryLog>,
    pub blobs: Arc<dyn ChangingBlobs>,
    pub clock: Arc<HandClock>,
    /// What the tables have been given, by table, in the order of their keys.
    pub rows: BTreeMap<&'static str, Vec<Row>>,
}

/// A projection of the product.
pub fn registered(name: &str) -> &'static Registered {
    models::ALL.iter().find(|projection| projection.name == name).unwrap()
}

/// A value of a column in the row at a position.
fn cell(column: &Column, position: u64, writer: &str, at: Timestamp) -> Cell {
    match (column.name, column.kind) {
        ("position", _) => Cell::Int(position as i64),
        ("projection", _) => Cell::text(writer),
        ("recorded_at", _) => Cell::Time(at),
        _ if column.nullable && position % 2 == 1 => Cell::Null,
        (name, ColumnKind::Text) => Cell::text(&format!("{name} of {position}, once more {name}")),
        (_, ColumnKind::Int64) => Cell::Int(position as i64),
        (_, ColumnKind::Bool) => Cell::Bool(position.is_multiple_of(2)),
        (_, ColumnKind::Timestamp) => Cell::Time(Timestamp::from_micros(position as i64)),
        (_, kind @ ColumnKind::Units) => {
            Cell::parse(kind, &format!("{position}00000000000000000000")).unwrap()
        }
        (_, kind @ ColumnKind::Decimal) => Cell::parse(kind, &format!("{position}.125")).unwrap(),
        (_, ColumnKind::Json) => Cell::Json(format!("{{\"of\": [{position}, {position}]}}").into()),
    }
}

impl Desk {
    /// With a lake in memory.
    pub async fn new() -> Self {
        Self::with(memory()).await
    }

    /// With a lake there. Partitions have a million positions, and everything older than three days may leave.
    pub async fn with(blobs: Arc<dyn ChangingBlobs>) -> Self {
        let database = server().await.database().await;
        let policy = "UPDATE read_model.storage_policy SET partition_span = 1000000, keep_rows = 1, \
             compress_after = '1 day', tier_after = '2 days', retention = '3 days'";
        database.run("stele_owner", policy).await.unwrap();
        // A desk gives up after two seconds and goes on later. A server that is held up for longer says nothing of what is kept.
        let patient = Options { acquire: PATIENCE, read: PATIENCE, write: PATIENCE, ..Options::default() };
        let schemas = stele_projections::schemas(models::ALL);
        let store = PostgresStore::open(&database.app_url(), &schemas, patient).await.unwrap();
        let store = Arc::new(store);
        let clock = HandClock::now_shared();
        let log = Arc::new(MemoryLog::new(HandClock::now_shared()));
        Self { database, store, log, blobs, clock, rows: BTreeMap::new() }
    }

    /// One of some rows of quotes: so many partitions with nine rows each, and one that is written into.
    pub async fn of_quotes(blobs: Arc<dyn ChangingBlobs>, partitions: u64) -> Self {
        let mut desk = Self::with(blobs).await;
        desk.fill(registered("quotes"), &nine_in_each(partitions), partitions * MILLION + 7).await;
        desk
    }

    /// The same desk on its first day again, with another lake: a new database takes its time.
    pub async fn again(&mut self, blobs: Arc<dyn ChangingBlobs>, partitions: u64) {
        let anew = "SELECT read_model.start_over('quotes', '{quotes}')";
        self.database.run("stele_app", anew).await.unwrap();
        self.blobs = blobs;
        self.log = Arc::new(MemoryLog::new(HandClock::now_shared()));
        self.rows.clear();
        self.fill(registered("quotes"), &nine_in_each(partitions), partitions * MILLION + 7).await;
    }

    /// A row of each of a projection's histories at these positions, as its runner would keep them, and of parked events.
    pub async fn fill(&mut self, projection: &'static Registered, positions: &[u64], to: u64) {
        let (at, kept) = self.store.digests(projection.name).await.unwrap();
        let before = Digests::of(projection, kept).unwrap();
        let (mut digests, mut puts) = (Changed::of(&before), vec![]);
        let own = projection.tables.iter().filter(|table| table.append_only);
        for table in own.chain(parked_events::SCHEMA.tables) {
            for position in positions {
                let row = self.row(table, *position, projection.name);
                digests.append(table, &row);
                puts.push(Change::Put { table: table.name, row: row.clone() });
                self.rows.entry(table.name).or_default().push(row);
            }
            let rows = self.rows.entry(table.name).or_default();
            rows.sort_by_cached_key(|row| table.key_of(row));
        }
        let batch = Batch {
            projection: projection.name,
            version: projection.version,
            expected: at.position,
            checkpoint: Position(to),
            event_id: None,
            changes: puts,
            digests: digests.finish().to_vec(),
        };
        self.store.apply(batch).await.unwrap();
    }

    /// The row at a position: an hour for each ten thousand of them, beginning a hundred days ago.
    fn row(&self, table: &Table, position: u64, writer: &str) -> Row {
        let begin = self.clock.now().millis() - 100 * DAY_MS;
        let at = Timestamp::from_millis(begin - begin.rem_euclid(DAY_MS) + position as i64 * 360);
        Row(table.columns.iter().map(|column| cell(column, position, writer, at)).collect())
    }

    pub fn facts(&self) -> Arc<dyn TieringFacts> {
        let who = Actor::try_from("service:tiering".to_owned()).unwrap();
        let log: Arc<dyn EventLog> = self.log.clone();
        Arc::new(TieringLedger::new(log, self.clock.clone(), who).unwrap())
    }

    /// A process that begins just now.
    pub fn tierer(&self) -> Tierer {
        self.over(Arc::clone(&self.blobs), self.facts(), self.store.clone())
    }

    /// The same over other parts.
    pub fn over(
        &self,
        blobs: Arc<dyn ChangingBlobs>,
        facts: Arc<dyn TieringFacts>,
        histories: Arc<dyn Histories>,
    ) -> Tierer {
        Tierer {
            tables: self.store.clone(),
            histories,
            lake: Arc::new(HistoryTables::new(blobs, self.clock.clone())),
            facts,
            clock: self.clock.clone(),
            rows_max: ROWS_MAX,
        }
    }

    pub async fn run(&self, asked: &Asked) -> Vec<Done> {
        self.tierer().run(asked).await.unwrap()
    }

    /// What became of the partitions of a table, by the million that they begin at.
    pub async fn ran(&self, table: &str, asked: &Asked) -> Vec<(u64, Outcome)> {
        let of = |done: Done| (done.partition.from.0 / MILLION, done.outcome);
        let all = self.run(asked).await;
        all.into_iter().filter(|done| done.partition.table == table).map(of).collect()
    }

    /// Rows of a table that PostgreSQL has, and that it says it has dropped.
    pub async fn live(&self, table: &str) -> (Vec<Row>, u64) {
        let mut query = ScanQuery::by_key(1_000);
        let mut rows = vec![];
        loop {
            let answer = self.store.scan(table, &query).await.unwrap();
            rows.extend(answer.value.rows);
            if answer.value.next.is_none() {
                return (rows, answer.cut_rows);
            }
            query.after = answer.value.next;
        }
    }

    /// Rows of a table, wherever they are.
    pub async fn everywhere(&self, table: &str) -> Vec<Row> {
        let mut rows = vec![];
        let all = self.tierer();
        let read = all.each_row(table, Position::START, Position(i64::MAX as u64), |row| {
            rows.push(row.clone());
            true
        });
        read.await.unwrap();
        rows
    }

    /// Every row is somewhere, once, as it was; and what PostgreSQL says that it dropped is what it lacks.
    pub async fn is_whole(&self, table: &str) {
        let all = self.rows.get(table).cloned().unwrap_or_default();
        assert!(self.everywhere(table).await == all, "{table}: other rows than were written");
        let (live, cut) = self.live(table).await;
        assert_eq!(live.len() + cut as usize, all.len(), "{table}");
    }

    /// Facts about partitions, by type.
    pub async fn facts_of(&self, event_type: &str) -> usize {
        let page = self.log.read_all(Position::START, &Filter::all(), 10_000).await.unwrap();
        page.records.iter().filter(|record| &*record.event_type == event_type).count()
    }
}

/// Nine positions in each of so many partitions, the edges among them, and one behind them.
pub fn nine_in_each(partitions: u64) -> Vec<u64> {
    let in_one = |million: u64| {
        [0, 1, 2, 3, 250_000, 500_001, 750_002, 999_998, 999_999].map(|place| million * MILLION + place)
    };
    (0..partitions)
        .flat_map(in_one)
        .chain([partitions * MILLION + 5])
        .filter(|position| *position > 0)
        .collect()
}

/// Wants everything that is due.
pub fn due() -> Asked {
    Asked::default()
}

/// Wants what is due of the quotes.
pub fn quotes() -> Asked {
    Asked { table: Some("quotes".to_owned()), ..due() }
}

/// Facts that fail: the process dies in front of a record, or after it.
pub struct Dying {
    pub inner: Arc<dyn TieringFacts>,
    pub after: bool,
}

impl TieringFacts for Dying {
    fn known(
        &self,
    ) -> PortFuture<
        '_,
        Result<stele_domain::operations::tiering::State, stele_domain::port::tiering::RecordError>,
    > {
        self.inner.known()
    }

    fn record(
        &self,
        command: stele_domain::operations::tiering::Command,
    ) -> PortFuture<'_, Result<(), stele_domain::port::tiering::RecordError>> {
        Box::pin(async move {
            if self.after {
                self.inner.record(command).await?;
            }
            Err(stele_domain::port::tiering::RecordError::Failed {
                transient: true,
                source: "the process has died".into(),
            })
        })
    }
}
