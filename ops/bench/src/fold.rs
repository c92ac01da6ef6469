//! What a fold of the log into tables costs on one thread, beside the two things that it can't do without: decoding every
//! event, and digesting every row.

use crate::desk::Ground;
use crate::{Place, cpu, tables};
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
use stele_projections::compare::fold_to;
use stele_projections::digest::{Changed, Digests};
use stele_projections::models;
use stele_read_store::MemoryStore;

/// Turns of all three, one after the other.
const ROUNDS: usize = 7;

/// Events a second, in CPU time of the one thread that works.
#[derive(Debug, Default)]
struct Rates {
    decode: Vec<u64>,
    digest: Vec<u64>,
    fold: Vec<u64>,
}

/// Makes a log by trading, and folds it.
pub(crate) async fn run(place: &Place) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let records = tables::traded(place, &ground).await?;
    let log = fed(&records).await?;
    let head = log.head().await?;
    let touched = touched(&log, head).await?;
    let mut rates = Rates::default();
    for _ in 0..ROUNDS {
        rates.decode.push(rate(&records, decode(&records)?));
        rates.digest.push(rate(&records, digest(&touched)?));
        rates.fold.push(rate(&records, fold(&log, head).await?));
    }
    let [decode, digest, fold] =
        [&mut rates.decode, &mut rates.digest, &mut rates.fold].map(|rates| median(rates));
    Ok(json!({
        "benchmark": "fold",
        "events": records.len(),
        "bytes": records.iter().map(|record| record.data.len() + record.metadata.len()).sum::<usize>(),
        "projections": models::ALL.len(),
        "rows_digested": touched.len(),
        "decode_events_per_second": decode,
        "digest_events_per_second": digest,
        "fold_events_per_second": fold,
        "fold_share_bps_of_the_lower": fold.saturating_mul(10_000) / decode.min(digest).max(1),
        "fold_share_bps_of_the_lower_target": 5_000,
        "fold_events_per_second_target": 150_000,
        "mix": mix(&records),
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

async fn fold(log: &MemoryLog, head: Position) -> anyhow::Result<u64> {
    let store = MemoryStore::new(&stele_projections::schemas(models::ALL))?;
    let began = cpu::nanos()?;
    fold_to(log, &store, models::ALL, head, |_| {}).await?;
    Ok(cpu::nanos()? - began)
}

/// A row that a batch put, changed or took away.
struct Touched {
    table: Table,
    was: Option<Row>,
    is: Option<Row>,
}

/// Folds once, and notes every row that a digest has to look at.
async fn touched(log: &MemoryLog, head: Position) -> anyhow::Result<Vec<Touched>> {
    let store = MemoryStore::new(&stele_projections::schemas(models::ALL))?;
    let noting = Noting { store, touched: Mutex::default() };
    fold_to(log, &noting, models::ALL, head, |_| {}).await?;
    Ok(noting.touched.into_inner().unwrap_or_else(PoisonError::into_inner))
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
