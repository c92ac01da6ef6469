//! What a fold of the log into tables costs on one thread, beside the two things that it can't do without: decoding every
//! event, and digesting every row.

use crate::desk::Ground;
use crate::{Place, cpu, tables};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use stele_bench_drive::SystemClock;
use stele_domain::codec;
use stele_domain::port::PortFuture;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Position, Record};
use stele_domain::port::read_store::{
    Answer, Batch, Change, Checkpoint, Digest, Key, Page, ReadStore, Row, RowKey, ScanQuery, Schema,
    StoreError, Table,
};
use stele_event_log::MemoryLog;
use stele_projections::compare::{dump, fold_rows_to, fold_to};
use stele_projections::digest::{Changed, Digests};
use stele_projections::models;
use stele_projections::projection::Registered;
use stele_read_store::MemoryStore;

/// Turns of all four, one after the other.
const ROUNDS: usize = 7;

/// The projections that the trade loop is told by; all others are of operations.
const TRADE_LOOP: [&str; 7] =
    ["quotes", "demands", "prices", "inventory", "decisions", "commands", "results"];

/// Events a second, in CPU time of the one thread that works.
#[derive(Debug, Default)]
struct Rates {
    decode: Vec<u64>,
    digest: Vec<u64>,
    rows: Vec<u64>,
    fold: Vec<u64>,
}

/// Makes a log by trading, and folds it.
pub(crate) async fn run(place: &Place) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let records = tables::traded(place, &ground).await?;
    let log = fed(&records).await?;
    let head = log.head().await?;
    let bytes = records.iter().map(|record| record.data.len() + record.metadata.len()).sum::<usize>();
    let of_trading: Vec<Registered> =
        models::ALL.iter().filter(|one| TRADE_LOOP.contains(&one.name)).copied().collect();
    anyhow::ensure!(of_trading.len() == TRADE_LOOP.len(), "a projection of the trade loop has another name");
    Ok(json!({
        "benchmark": "fold",
        "events": records.len(),
        "bytes": bytes,
        "trade_loop": of(&of_trading, &records, &log, head).await?,
        "all": of(models::ALL, &records, &log, head).await?,
        "fold_share_bps_of_the_lower_target": 5_000,
        "fold_events_per_second_target": 150_000,
        "mix": mix(&records),
    }))
}

/// What these projections cost.
async fn of(
    projections: &[Registered],
    records: &[Record],
    log: &MemoryLog,
    head: Position,
) -> anyhow::Result<Value> {
    let touched = touched(projections, log, head).await?;
    same_rows(projections, log, head).await?;
    let mut rates = Rates::default();
    for _ in 0..ROUNDS {
        rates.decode.push(rate(records, decode(records)?));
        rates.digest.push(rate(records, digest(&touched)?));
        rates.rows.push(rate(records, rows(projections, log, head).await?));
        rates.fold.push(rate(records, fold(projections, log, head).await?));
    }
    let [decode, digest, rows, fold] =
        [&mut rates.decode, &mut rates.digest, &mut rates.rows, &mut rates.fold].map(|rates| median(rates));
    Ok(json!({
        "projections": projections.len(),
        "rows_digested": touched.len(),
        "decode_events_per_second": decode,
        "digest_events_per_second": digest,
        "fold_without_digests_events_per_second": rows,
        "fold_events_per_second": fold,
        "fold_share_bps_of_the_lower": fold.saturating_mul(10_000) / decode.min(digest).max(1),
    }))
}

/// How many events of each type there are.
fn mix(records: &[Record]) -> BTreeMap<String, u64> {
    let mut mix = BTreeMap::new();
    for record in records {
        *mix.entry(record.event_type.to_string()).or_default() += 1;
    }
    mix
}

fn median(rates: &mut [u64]) -> u64 {
    rates.sort_unstable();
    rates.get(rates.len() / 2).copied().unwrap_or(0)
}

fn rate(records: &[Record], nanos: u64) -> u64 {
    u64::try_from(records.len()).unwrap_or(u64::MAX).saturating_mul(1_000_000_000) / nanos.max(1)
}

async fn fed(records: &[Record]) -> anyhow::Result<MemoryLog> {
    let log = MemoryLog::new(Arc::new(SystemClock));
    for record in records {
        let copy = NewRecord {
            event_id: record.event_id,
            event_type: Arc::clone(&record.event_type),
            data: Arc::clone(&record.data),
            metadata: Arc::clone(&record.metadata),
        };
        log.append(&record.stream, Expected::Any, vec![copy]).await?;
    }
    Ok(log)
}

fn decode(records: &[Record]) -> anyhow::Result<u64> {
    let began = cpu::nanos()?;
    for record in records {
        std::hint::black_box(codec::recorded(record)?);
    }
    Ok(cpu::nanos()? - began)
}

/// The digests of every row that the fold puts, changes or takes away, batch by batch as it does.
fn digest(touched: &[Touched]) -> anyhow::Result<u64> {
    let began = cpu::nanos()?;
    let nothing = Digests::default();
    let mut digests = Changed::of(&nothing);
    for Touched { table, was, is } in touched {
        match is {
            Some(row) if table.append_only => digests.append(table, row),
            Some(_) | None => digests.replace(table, was.as_ref(), is.as_ref()),
        }
    }
    std::hint::black_box(digests.finish());
    Ok(cpu::nanos()? - began)
}

async fn rows(projections: &[Registered], log: &MemoryLog, head: Position) -> anyhow::Result<u64> {
    let store = Undigested(MemoryStore::new(&stele_projections::schemas(projections))?);
    let began = cpu::nanos()?;
    fold_rows_to(log, &store, projections, head).await?;
    Ok(cpu::nanos()? - began)
}

async fn fold(projections: &[Registered], log: &MemoryLog, head: Position) -> anyhow::Result<u64> {
    let store = MemoryStore::new(&stele_projections::schemas(projections))?;
    let began = cpu::nanos()?;
    fold_to(log, &store, projections, head, |_| {}).await?;
    Ok(cpu::nanos()? - began)
}

/// A fold without digests that left something else out, too, would be worth nothing as a measure.
async fn same_rows(projections: &[Registered], log: &MemoryLog, head: Position) -> anyhow::Result<()> {
    let digested = MemoryStore::new(&stele_projections::schemas(projections))?;
    fold_to(log, &digested, projections, head, |_| {}).await?;
    let plain = Undigested(MemoryStore::new(&stele_projections::schemas(projections))?);
    fold_rows_to(log, &plain, projections, head).await?;
    anyhow::ensure!(dump(&digested).await? == dump(&plain).await?, "a fold without digests gives other rows");
    Ok(())
}

/// A row that a batch put, changed or took away.
struct Touched {
    table: Table,
    was: Option<Row>,
    is: Option<Row>,
}

/// Folds once, and notes every row that a digest has to look at.
async fn touched(
    projections: &[Registered],
    log: &MemoryLog,
    head: Position,
) -> anyhow::Result<Vec<Touched>> {
    let store = MemoryStore::new(&stele_projections::schemas(projections))?;
    let noting = Noting { store, touched: Mutex::default() };
    fold_to(log, &noting, projections, head, |_| {}).await?;
    Ok(noting.touched.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// A store that takes rows without digests: it hands on empty ones.
struct Undigested(MemoryStore);

/// The empty digests of the parts that a batch changes.
fn empty(changes: &[Change]) -> Vec<Digest> {
    let part = |change: &Change| match change {
        Change::Put { table, row } => (*table, models::table(table).map_or(0, |known| known.part_of(row))),
        Change::Delete(gone) => (gone.table, 0),
    };
    let parts: BTreeSet<(&str, u64)> = changes.iter().map(part).collect();
    parts.into_iter().map(|(table, part)| Digest { table, part, rows: 0, value: Box::default() }).collect()
}

impl ReadStore for Undigested {
    fn schemas(&self) -> &[Schema] {
        self.0.schemas()
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        self.0.checkpoint(projection)
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        self.0.reached(projection, position)
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        self.0.digests(projection)
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        self.0.still()
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        self.0.load(keys)
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        let digests = empty(&batch.changes);
        self.0.apply(Batch { digests, ..batch })
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        self.0.get(table, key)
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        self.0.scan(table, query)
    }
}

/// A store that notes what each batch changes.
struct Noting {
    store: MemoryStore,
    touched: Mutex<Vec<Touched>>,
}

impl Noting {
    async fn note(&self, change: &Change) -> Result<(), StoreError> {
        let (name, key, is) = match change {
            Change::Put { table, row } => {
                (*table, models::table(table).map(|table| table.key_of(row)), Some(row))
            }
            Change::Delete(gone) => (gone.table, Some(gone.key.clone()), None),
        };
        let unknown = || StoreError::UnknownTable(name.to_owned());
        let table = *models::table(name).ok_or_else(unknown)?;
        let key = RowKey { table: name, key: key.ok_or_else(unknown)? };
        let was = self.store.load(&[key]).await?.pop().flatten();
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.push(Touched { table, was, is: is.cloned() });
        Ok(())
    }
}

impl ReadStore for Noting {
    fn schemas(&self) -> &[Schema] {
        self.store.schemas()
    }

    fn checkpoint<'a>(&'a self, projection: &'a str) -> PortFuture<'a, Result<Checkpoint, StoreError>> {
        self.store.checkpoint(projection)
    }

    fn reached<'a>(
        &'a self,
        projection: &'a str,
        position: Position,
    ) -> PortFuture<'a, Result<Position, StoreError>> {
        self.store.reached(projection, position)
    }

    fn digests<'a>(
        &'a self,
        projection: &'a str,
    ) -> PortFuture<'a, Result<(Checkpoint, Vec<Digest>), StoreError>> {
        self.store.digests(projection)
    }

    fn still(&self) -> PortFuture<'_, Result<Arc<dyn ReadStore>, StoreError>> {
        self.store.still()
    }

    fn load<'a>(&'a self, keys: &'a [RowKey]) -> PortFuture<'a, Result<Vec<Option<Row>>, StoreError>> {
        self.store.load(keys)
    }

    fn apply(&self, batch: Batch) -> PortFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            for change in &batch.changes {
                self.note(change).await?;
            }
            self.store.apply(batch).await
        })
    }

    fn get<'a>(
        &'a self,
        table: &'a str,
        key: &'a Key,
    ) -> PortFuture<'a, Result<Answer<Option<Row>>, StoreError>> {
        self.store.get(table, key)
    }

    fn scan<'a>(
        &'a self,
        table: &'a str,
        query: &'a ScanQuery,
    ) -> PortFuture<'a, Result<Answer<Page>, StoreError>> {
        self.store.scan(table, query)
    }
}
