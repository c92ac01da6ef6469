//! How long a start reads the account's stream: all of it, and what a snapshot leaves of it.
//!
//! The stream is written here: leases, and offers from their start to their release.

use crate::Place;
use crate::figures::{Micros, millis};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use stele_bench_drive::SystemClock;
use stele_commands::ledger::Ledger;
use stele_commands::snapshots::SNAPSHOT_EVERY;
use stele_commands::streams;
use stele_domain::codec;
use stele_domain::event::{Event, Meta};
use stele_domain::ids::{AccountId, Actor, CommandId, CorrelationId, EventId, QuoteHash, QuoteId, derived};
use stele_domain::port::clock::Clock;
use stele_domain::port::event_log::{Direction, EventLog, Expected, NewRecord, Revision, StreamId};
use stele_domain::trading;
use stele_domain::trading::account::event::Event as AccountEvent;
use stele_domain::trading::account::{Account, State};
use stele_event_log::{EmbeddedLog, Options};

/// Records of one append while the stream is written.
const BATCH: u64 = 1_000;
/// How often a start from a snapshot is measured, for each tail.
const STARTS: usize = 31;
/// What DESIGN asks of a load, in microseconds.
const TARGET_US: i64 = 1_000;

/// Writes `events` records and reads them in both ways.
pub(crate) async fn run(place: &Place, events: u64) -> anyhow::Result<Value> {
    ensure!(events > 0, "--events has to be at least 1");
    std::fs::create_dir_all(&place.disk)?;
    let ground = tempfile::Builder::new().prefix("bench-loading-").tempdir_in(&place.disk)?;
    let log = open(ground.path()).await?;
    let stream = streams::account(&AccountId::try_from("desk.near".to_owned())?)?;
    let story = Story::of_samples()?;
    write(&log, &stream, &story, 0..events).await?;
    let ledger = || Ledger::<Account>::new(Arc::clone(&log), stream.clone());
    let whole = start(&ledger()).await?;
    let (who, now) = (Actor::try_from("service:snapshots".to_owned())?, SystemClock.now());
    ledger().keep_snapshot(&who, now, 1).await.context("the snapshot")?.context("no snapshot was due")?;
    let newest =
        log.read_stream(&streams::snapshot(&stream)?, Revision(u64::MAX), Direction::Backward, 1).await?;
    let snapshot_bytes = newest.first().context("the snapshot is gone")?.data.len();
    let mut tails = vec![];
    let mut written = events;
    for tail in [0, SNAPSHOT_EVERY / 2, SNAPSHOT_EVERY] {
        write(&log, &stream, &story, written..events.saturating_add(tail)).await?;
        written = events.saturating_add(tail);
        let mut starts = vec![];
        for _ in 0..STARTS {
            starts.push(start(&ledger()).await?);
        }
        let measured: Micros = starts.into_iter().collect();
        tails.push(json!({ "records_after_the_snapshot": tail, "ms": measured.said() }));
    }
    let warm = ledger();
    start(&warm).await?;
    let mut looks = vec![];
    for _ in 0..1_000 {
        looks.push(start(&warm).await?);
    }
    let looks: Micros = looks.into_iter().collect();
    Ok(json!({
        "benchmark": "loading",
        "events": events,
        "whole_stream_ms": millis(whole),
        "snapshot_bytes": snapshot_bytes,
        "from_the_snapshot": tails,
        "warm_ms": looks.said(),
        "target_ms": millis(TARGET_US),
        "warm_reaches_target": looks.permille(990) <= TARGET_US,
    }))
}

async fn open(directory: &Path) -> anyhow::Result<Arc<dyn EventLog>> {
    let directory = directory.join("log");
    let open = move || EmbeddedLog::open(&directory, Options::new(Arc::new(SystemClock)));
    let (log, _) = tokio::task::spawn_blocking(open).await??;
    Ok(Arc::new(log))
}

/// How long it takes until the state is known, in microseconds.
async fn start(ledger: &Ledger<Account>) -> anyhow::Result<i64> {
    let began = Instant::now();
    ledger.look(State::epoch).await.context("reading the account")?;
    Ok(i64::try_from(began.elapsed().as_micros())?)
}

async fn write(
    log: &Arc<dyn EventLog>,
    stream: &StreamId,
    story: &Story,
    records: std::ops::Range<u64>,
) -> anyhow::Result<()> {
    let mut next = records.start;
    while next < records.end {
        let end = records.end.min(next.saturating_add(BATCH));
        let batch: anyhow::Result<Vec<NewRecord>> = (next..end).map(|n| story.record(n)).collect();
        log.append(stream, Expected::Any, batch?).await?;
        next = end;
    }
    Ok(())
}

/// The samples of the account's events that make up an offer's life, and the lease's.
struct Story {
    meta: Meta,
    life: Vec<AccountEvent>,
}

impl Story {
    fn of_samples() -> anyhow::Result<Self> {
        let of_account = codec::samples().into_iter().filter_map(|event| {
            if let Event::Trading(trading::event::Event::Account(event)) = event { Some(event) } else { None }
        });
        let samples: Vec<_> = of_account.collect();
        let wanted: [fn(&AccountEvent) -> bool; 5] = [
            |event| matches!(event, AccountEvent::LeaseRenewed(_)),
            |event| matches!(event, AccountEvent::SubmissionStarted(_)),
            |event| matches!(event, AccountEvent::SubmissionAccepted(_)),
            |event| matches!(event, AccountEvent::SubmissionSettled(_)),
            |event| matches!(event, AccountEvent::ReservationReleased(_)),
        ];
        let sample = |wanted: fn(&AccountEvent) -> bool| samples.iter().find(|event| wanted(event)).cloned();
        let life: Option<Vec<_>> = wanted.into_iter().map(sample).collect();
        let meta = Meta {
            correlation_id: CorrelationId(derived("bench", &["loading"])),
            causation_id: None,
            command: None,
            actor: Actor::try_from("service:executor".to_owned())?,
            origin: None,
            occurred_at: SystemClock.now(),
            schema: codec::SCHEMA_VERSION,
        };
        Ok(Self { meta, life: life.context("an event of an offer's life has no sample")? })
    }

    /// The `n`-th record of the stream.
    fn record(&self, n: u64) -> anyhow::Result<NewRecord> {
        let length = u64::try_from(self.life.len())?;
        let (offer, step) = (n / length, usize::try_from(n % length)?);
        let offer = offer.to_string();
        let command = CommandId(derived("bench-offer", &[&offer]));
        let mut event = self.life.get(step).context("no such step")?.clone();
        if let AccountEvent::SubmissionStarted(started) = &mut event {
            started.command_id = command;
            // As long as those of the relay.
            started.quote_id = QuoteId::try_from(derived("bench-quote", &[&offer]).to_string())?;
            started.prepared.quote_hash = QuoteHash::try_from(format!("{offer:0>44}"))?;
        }
        if let AccountEvent::SubmissionAccepted(accepted) = &mut event {
            accepted.command_id = command;
        }
        if let AccountEvent::SubmissionSettled(settled) = &mut event {
            settled.command_id = command;
        }
        if let AccountEvent::ReservationReleased(released) = &mut event {
            released.command_id = command;
        }
        let event = Event::Trading(trading::event::Event::Account(event));
        let id = EventId(derived("bench-event", &[&n.to_string()]));
        Ok(codec::to_record(id, &event, &self.meta)?)
    }
}
