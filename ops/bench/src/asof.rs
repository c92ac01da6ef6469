//! What a question about the past takes: a log of millions of events, its past states, and rows and pages as of positions
//! anywhere in it, none of which was asked for before.
//!
//! The log is what a desk has traded, told again and again under other ids, so that the tables grow with it. Histories are folded
//! as where no database keeps them, which is the longer way.

use crate::Place;
use crate::desk::Ground;
use crate::disk::Disk;
use crate::figures::Micros;
use crate::rebuild::resident_most_kib;
use crate::tables::traded;
use anyhow::Context as _;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_bench_drive::SystemClock;
use stele_domain::ids::EventId;
use stele_domain::port::clock::Clock as _;
use stele_domain::port::event_log::{EventLog, Expected, NewRecord, Position, Record};
use stele_domain::port::read_store::ScanQuery;
use stele_domain::port::state_store::{Histories, StateStore};
use stele_event_log::EmbeddedLog;
use stele_projections::models;
use stele_projections::past::{AsOf, Keeper, KeeperOptions, Opener, Past, PastOptions};
use stele_read_store::{MemoryStore, Orders, RunOptions, RunStore, States};
use uuid::Uuid;

/// Records that are appended at once: they share a sync of the disk.
const TOGETHER: usize = 512;
/// Memory for the states' store, as configured by default.
const MEMORY_BYTES: u64 = 64 << 20;
/// How often is looked whether the states are there.
const LOOK: Duration = Duration::from_millis(200);
/// Where a UUID ends in the part that is made another one.
const CHANGED: std::ops::Range<usize> = 24..30;

/// What is asked: a table, and a page of it.
fn pages() -> Vec<(&'static str, &'static str, ScanQuery)> {
    vec![
        ("commands, newest first", "commands", ScanQuery::newest(100)),
        ("commands, by key", "commands", ScanQuery::by_key(100)),
        ("results, newest first", "results", ScanQuery::newest(100)),
        ("demands, newest first", "demands", ScanQuery::newest(100)),
        ("decisions, newest first", "decisions", ScanQuery::newest(100)),
        ("account", "account", ScanQuery::newest(100)),
    ]
}

/// Makes the log and its states, and asks so many times.
pub(crate) async fn run(place: &Place, events: u64, questions: u64) -> anyhow::Result<Value> {
    let ground = Ground::make(place)?;
    let disk = Disk::measure(ground.path())?;
    let told = traded(place, &ground).await?;
    let (log, _) =
        EmbeddedLog::open(&ground.path().join("told"), stele_event_log::Options::new(Arc::new(SystemClock)))?;
    let log = Arc::new(log);
    tell(&log, &told, events).await?;
    drop(told);
    let shared: Arc<dyn EventLog> = Arc::<EmbeddedLog>::clone(&log);
    let live = Arc::new(MemoryStore::new(&stele_projections::schemas(models::ALL))?);
    let options = PastOptions::default();
    let past = Past::new(shared, live, Histories::Keep, models::ALL, options);
    let (kept, end) = keep(&past, &ground.path().join("states"), Position(events)).await?;
    let asked = ask(&past, &log, place.seed, events, questions).await?;
    end.send(true).context("the keeper has ended")?;
    let most_kib = resident_most_kib()?;
    log.close().await?;
    Ok(json!({
        "benchmark": "asof",
        "events": events,
        "log_bytes": log.stat().bytes,
        "states": kept,
        "questions": questions,
        "milliseconds": asked,
        "p99_ms_target": 1_000,
        "most_resident_kib": most_kib,
        "fdatasync_ms": disk.said(),
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

/// Appends what was traded, in its order, again and again under other ids.
async fn tell(log: &EmbeddedLog, told: &[Record], events: u64) -> anyhow::Result<()> {
    anyhow::ensure!(!told.is_empty(), "nothing was traded");
    let mut left = usize::try_from(events)?;
    let mut round = 0;
    while left > 0 {
        for page in told.get(..left.min(told.len())).unwrap_or(told).chunks(TOGETHER) {
            let records =
                page.iter().map(|record| again(record, round)).collect::<anyhow::Result<Vec<_>>>()?;
            let appends = page.iter().zip(records);
            // Asked in this order, and so written in it.
            try_join_all(
                appends.map(|(record, again)| log.append(&record.stream, Expected::Any, vec![again])),
            )
            .await?;
            left -= page.len();
        }
        round += 1;
    }
    Ok(())
}

/// The record with every id of it made another one, the same for the same id of one round.
fn again(record: &Record, round: u32) -> anyhow::Result<NewRecord> {
    let renamed = |bytes: &[u8]| -> anyhow::Result<Arc<[u8]>> {
        let mut text = bytes.to_vec();
        rename(&mut text, round);
        Ok(text.into())
    };
    let mut id = record.event_id.0.hyphenated().to_string().into_bytes();
    rename(&mut id, round);
    Ok(NewRecord {
        event_id: EventId(Uuid::try_parse_ascii(&id)?),
        event_type: Arc::clone(&record.event_type),
        data: renamed(&record.data)?,
        metadata: renamed(&record.metadata)?,
    })
}

/// Changes six digits of every UUID in a text by the number of the round, and six letters of every quote hash.
fn rename(text: &mut [u8], round: u32) {
    const HASH: &[u8] = br#""quote_hash":""#;
    const LETTERS: &[u8; 16] = b"ABCDEFGHJKLMNPQR";
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(HASH) {
            at += HASH.len();
            for (place, shift) in (4..10).zip([20, 16, 12, 8, 4, 0]) {
                if let Some(letter) = text.get_mut(at + place).filter(|_| round > 0) {
                    *letter = LETTERS[usize::try_from(round >> shift & 15).unwrap_or(0)];
                }
            }
        } else if text.get(at..at + 36).is_some_and(is_uuid) {
            for (place, shift) in CHANGED.zip([20, 16, 12, 8, 4, 0]) {
                let digit = char::from(text[at + place]).to_digit(16).unwrap_or(0) ^ (round >> shift & 15);
                text[at + place] =
                    char::from_digit(digit, 16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(b'0');
            }
            at += 36;
        } else {
            at += 1;
        }
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(place, letter)| match place {
        8 | 13 | 18 | 23 => *letter == b'-',
        _ => letter.is_ascii_hexdigit(),
    })
}

/// Keeps the states up to the end of the log, without rests.
async fn keep(
    past: &Arc<Past>,
    directory: &Path,
    head: Position,
) -> anyhow::Result<(Value, tokio::sync::watch::Sender<bool>)> {
    let options = RunOptions {
        memory_bytes: MEMORY_BYTES,
        histories: Histories::PassBy,
        states: States::Every,
        orders: Orders::All,
    };
    let store = RunStore::open(directory, &stele_projections::schemas(models::ALL), options)?;
    let opened = store.clone();
    let open: Opener = Arc::new(move |_| Ok(Arc::new(opened.clone()) as Arc<dyn StateStore>));
    let options = KeeperOptions { rest_percent: 0, ..KeeperOptions::default() };
    let every = options.every_events;
    let (keeper, end) = Keeper::new(Arc::clone(past), open, options);
    let began = Instant::now();
    tokio::spawn(keeper.run());
    let last = Position(head.0 / every * every);
    while store.kept().await?.last().copied().unwrap_or_default() < last {
        tokio::time::sleep(LOOK).await;
    }
    let span = began.elapsed();
    let said = json!({
        "kept": store.kept().await?.len(),
        "every_events": every,
        "seconds": span.as_secs_f64(),
        "events_per_second": u128::from(last.0) * 1_000 / span.as_millis().max(1),
        "disk_bytes": store.disk_bytes().await?,
    });
    Ok((said, end))
}

/// Asks for a row and for pages as of positions that nobody has asked for.
async fn ask(
    past: &Arc<Past>,
    log: &EmbeddedLog,
    seed: u64,
    events: u64,
    questions: u64,
) -> anyhow::Result<Value> {
    let mut spans: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut chance = seed;
    for _ in 0..questions {
        // SplitMix64.
        chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (chance ^ (chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let position = Position((mixed ^ (mixed >> 31)) % events + 1);
        let began = Instant::now();
        let view = past.at(position).await?;
        let folded = began.elapsed();
        spans.entry("the state alone").or_default().push(micros(folded));
        for (what, table, query) in pages() {
            let began = Instant::now();
            let page = view.scan(table, &query).await?;
            spans.entry(what).or_default().push(micros(folded + began.elapsed()));
            anyhow::ensure!(page.as_of == position, "as of {} and not {position}", page.as_of);
            let definition = models::table(table).context("a table")?;
            if let (Some(row), "commands") = (page.value.rows.last(), table) {
                let key = definition.key_of(row);
                let began = Instant::now();
                let found = view.get(table, &key).await?.value;
                spans.entry("one command by its id").or_default().push(micros(folded + began.elapsed()));
                anyhow::ensure!(found.as_ref() == Some(row), "another row as of {position}");
            }
        }
        let page = log.read_all(position, &stele_domain::port::event_log::Filter::all(), 1).await?;
        let time = page.records.first().context("no record")?.recorded_at;
        let began = Instant::now();
        let found = past.position(AsOf::Time(time), SystemClock.now()).await?;
        spans.entry("a time's position").or_default().push(micros(began.elapsed()));
        anyhow::ensure!(found >= position, "{found} is before {position}");
    }
    let said = |(what, spans): (&str, Vec<i64>)| (what.to_owned(), Micros::from_iter(spans).said());
    Ok(spans.into_iter().map(said).collect())
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
