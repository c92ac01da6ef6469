//! The same changes give byte-equal canonical rows in memory and in PostgreSQL, and the same answers.

use crate::server::server;
use quickcheck::{Arbitrary, Gen};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use std::sync::Arc;
use stele_domain::codec;
use stele_domain::event::Meta;
use stele_domain::ids::{Actor, CorrelationId, EventId, derived};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Direction, EventLog, Expected, Position, StreamId};
use stele_domain::port::read_store::{
    Batch, Cell, Change, ColumnKind, Cursor, Digest, Key, Order, POSITION_COLUMN, ReadStore, Retention, Row,
    RowKey, ScanQuery, Schema, Table,
};
use stele_domain::time::Timestamp;
use stele_event_log::MemoryLog;
use stele_projections::compare::{dump, fold_to};
use stele_projections::digest::scan;
use stele_projections::{models, schemas};
use stele_read_store::{MemoryStore, PostgresStore};

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_199_078_000)
    }
}

/// A log with every kind of event, some of them several times.
pub async fn log() -> Arc<dyn EventLog> {
    let log = Arc::new(MemoryLog::new(Arc::new(Standing)));
    for round in 0..3 {
        for (number, event) in codec::samples().iter().enumerate() {
            let event_id = EventId(derived("test", &[&round.to_string(), &number.to_string()]));
            let meta = Meta {
                correlation_id: CorrelationId(event_id.0),
                causation_id: None,
                command: None,
                actor: Actor::try_from("operator:alice".to_owned()).unwrap(),
                occurred_at: Standing.now(),
                schema: codec::SCHEMA_VERSION,
                origin: None,
            };
            let record = codec::to_record(event_id, event, &meta).unwrap();
            let stream = StreamId::new(&format!("account-number-{}", number % 3)).unwrap();
            log.append(&stream, Expected::Any, vec![record]).await.unwrap();
        }
    }
    log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_log_gives_the_same_rows_to_the_byte() {
    let log = log().await;
    let head = log.head().await.unwrap();
    let database = server().await.database().await;
    let memory = MemoryStore::new(&schemas(models::ALL)).unwrap();
    let postgres = database.store(&schemas(models::ALL)).await;
    fold_to(&*log, &memory, models::ALL, head, |_| {}).await.unwrap();
    // Not in the same batches, and not by one process from beginning to end.
    fold_to(&*log, &postgres, models::ALL, Position(7), |_| {}).await.unwrap();
    drop(postgres);
    let postgres = database.store(&schemas(models::ALL)).await;
    fold_to(&*log, &postgres, models::ALL, head, |_| {}).await.unwrap();

    for projection in models::ALL {
        let (one, other) =
            (scan(&memory, projection).await.unwrap(), scan(&postgres, projection).await.unwrap());
        assert_eq!(one, other, "{}", projection.name);
        assert_eq!(one.found.differences(&one.stored), [], "{}", projection.name);
    }
    let (memory, postgres) = (dump(&memory).await.unwrap(), dump(&postgres).await.unwrap());
    let comparison = postgres.compare(&memory).unwrap();
    assert_eq!(comparison.rows_different, 0, "{:#?}", comparison.differences);
    assert_eq!(comparison.rows_compared.len(), models::tables().count());
    let filled = comparison.rows_compared.values().filter(|rows| **rows > 0).count();
    assert!(filled * 10 >= models::tables().count() * 8, "{:?}", comparison.rows_compared);
}

/// A value that fits a kind, awkward more often than not.
fn value(g: &mut Gen, kind: ColumnKind) -> Cell {
    match kind {
        ColumnKind::Text => {
            let odd = ["", "a", "B", "ä", "🗿", "'", "\"", "\\", "NULL", "{}", "a,b", " ", "\u{fffd}", "0"];
            if bool::arbitrary(g) {
                Cell::text(g.choose(&odd).unwrap())
            } else {
                Cell::text(&String::arbitrary(g))
            }
        }
        ColumnKind::Int64 => {
            let odd = [0, 1, -1, i64::MAX, i64::MIN];
            Cell::Int(if bool::arbitrary(g) {
                *g.choose(&odd).unwrap()
            } else {
                i64::from(i16::arbitrary(g))
            })
        }
        ColumnKind::Bool => Cell::Bool(bool::arbitrary(g)),
        // From the year 1 to 9999: what RFC 3339 can write.
        ColumnKind::Timestamp => {
            let micros = i64::arbitrary(g).rem_euclid(315_537_897_600_000_000) - 62_135_596_800_000_000;
            Cell::Time(Timestamp::from_micros(micros))
        }
        ColumnKind::Units => {
            let largest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
            let text = if bool::arbitrary(g) { largest.to_owned() } else { u128::arbitrary(g).to_string() };
            Cell::parse(ColumnKind::Units, &text).unwrap()
        }
        ColumnKind::Decimal => {
            let scale = u32::arbitrary(g) % 29;
            let digits = i128::arbitrary(g) % 79_228_162_514_264_337_593_543_950_335_i128;
            Cell::Decimal(Decimal::try_from_i128_with_scale(digits, scale).unwrap())
        }
        ColumnKind::Json => {
            let odd =
                ["{}", "[1, 2 ,3]", "{\"b\":1,\"a\":1,\"a\":2}", "1e400", "\"\\u0000 \\ud83d\"", " null "];
            Cell::Json((*g.choose(&odd).unwrap()).into())
        }
    }
}

/// A row of a table: few different keys, so that rows are met again.
fn row(g: &mut Gen, table: &Table) -> Row {
    let key_number = i64::from(u8::arbitrary(g) % 6);
    let cells = table.columns.iter().map(|column| {
        if table.key.contains(&column.name) {
            return match column.kind {
                ColumnKind::Int64 => Cell::Int(key_number),
                ColumnKind::Text
                | ColumnKind::Bool
                | ColumnKind::Timestamp
                | ColumnKind::Units
                | ColumnKind::Decimal
                | ColumnKind::Json => Cell::text(&format!("key {key_number}")),
            };
        }
        if column.name == POSITION_COLUMN {
            return Cell::Int(i64::from(u8::arbitrary(g) % 6));
        }
        let empty = column.nullable && bool::arbitrary(g);
        if empty { Cell::Null } else { value(g, column.kind) }
    });
    Row(cells.collect())
}

/// One batch for every projection that has a table of its own, and some questions.
#[derive(Debug, Clone)]
struct Script {
    batches: Vec<Vec<Change>>,
    questions: Vec<(&'static str, ScanQuery)>,
}

fn own_schemas() -> Vec<Schema> {
    schemas(models::ALL)
}

impl Arbitrary for Script {
    fn arbitrary(g: &mut Gen) -> Self {
        let schemas = own_schemas();
        let own: Vec<&Schema> = schemas.iter().filter(|schema| !schema.shared).collect();
        let batches = own.iter().map(|schema| batch(g, schema)).collect();
        let mut questions = vec![];
        for table in schemas.iter().flat_map(|schema| schema.tables) {
            questions.push((table.name, question(g, table)));
            questions.push((table.name, question(g, table)));
        }
        Self { batches, questions }
    }
}

fn batch(g: &mut Gen, schema: &Schema) -> Vec<Change> {
    let mut changes = BTreeMap::new();
    for table in schema.tables {
        for _ in 0..u8::arbitrary(g) % 12 {
            let row = row(g, table);
            let key = table.key_of(&row);
            let deletes =
                !table.append_only && table.retention == Retention::All && u8::arbitrary(g) % 5 == 0;
            let change = if deletes {
                Change::Delete(RowKey { table: table.name, key: key.clone() })
            } else {
                Change::Put { table: table.name, row }
            };
            changes.insert((table.name, key), change);
        }
    }
    changes.into_values().collect()
}

fn question(g: &mut Gen, table: &Table) -> ScanQuery {
    let direction = if bool::arbitrary(g) { Direction::Forward } else { Direction::Backward };
    let order = if bool::arbitrary(g) { Order::Key(direction) } else { Order::Position(direction) };
    let mut filters = vec![];
    if bool::arbitrary(g) {
        let column = g.choose(table.columns).unwrap();
        let cell = if column.nullable && bool::arbitrary(g) { Cell::Null } else { value(g, column.kind) };
        filters.push((column.name.to_owned(), cell));
    }
    let after = bool::arbitrary(g).then(|| {
        let row = row(g, table);
        Cursor { position: table.position_of(&row), key: table.key_of(&row) }
    });
    ScanQuery { filters, order, limit: usize::from(u8::arbitrary(g) % 8) + 1, after }
}

/// Something that could be a digest of a table's only part.
fn digest(table: &'static str) -> Digest {
    Digest { table, part: 0, rows: 1, value: Box::new([7; 32]) }
}

/// Applies a script; answers what was refused, and every answer.
async fn played(store: &dyn ReadStore, script: &Script) -> Vec<String> {
    let mut told = vec![];
    let schemas = own_schemas();
    let own = schemas.iter().filter(|schema| !schema.shared);
    for (schema, changes) in own.zip(&script.batches) {
        let at = store.checkpoint(schema.projection).await.unwrap().position;
        let batch = Batch {
            projection: schema.projection,
            version: schema.version,
            expected: at,
            checkpoint: at.next(),
            event_id: None,
            changes: changes.clone(),
            digests: schema.tables.iter().map(|table| digest(table.name)).collect(),
        };
        let nothing = Batch { changes: vec![], ..batch.clone() };
        let kept = store.apply(batch).await;
        // What is refused is refused by both for the same reason, whatever the words.
        if let Err(error) = &kept {
            assert!(error.to_string().contains("append-only"), "{error}");
            store.apply(nothing).await.unwrap();
        }
        told.push(format!("{} {}", schema.projection, kept.is_ok()));
    }
    for (table, query) in &script.questions {
        let answer = store.scan(table, query).await.unwrap();
        let table = models::table(table).unwrap();
        let rows: Vec<String> = answer.value.rows.iter().map(|row| table.canonical(row)).collect();
        told.push(format!("{} {} {rows:?} {:?}", table.name, answer.as_of, answer.value.next));
        if let Some(row) = answer.value.rows.first() {
            let key: Key = table.key_of(row);
            let again = store.get(table.name, &key).await.unwrap().value.unwrap();
            assert_eq!(table.canonical(&again), table.canonical(row));
            let named = [RowKey { table: table.name, key }];
            assert_eq!(store.load(&named).await.unwrap(), [Some(row.clone())]);
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_put_comes_back_the_same_from_both() {
    const SCRIPTS: usize = 60;
    let database = server().await.database().await;
    let memory = MemoryStore::new(&own_schemas()).unwrap();
    let postgres: PostgresStore = database.store(&own_schemas()).await;
    let mut g = Gen::new(12);
    let mut kept = 0;
    for _ in 0..SCRIPTS {
        let script = Script::arbitrary(&mut g);
        let (one, other) = (played(&memory, &script).await, played(&postgres, &script).await);
        kept += one.iter().filter(|line| line.ends_with(" true")).count();
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(one, other);
        }
    }
    assert!(kept > SCRIPTS * 5, "only {kept} batches were kept: the law was hardly tried");
    let (memory, postgres) = (dump(&memory).await, dump(&postgres).await);
    assert_eq!(memory.unwrap(), postgres.unwrap());
}
