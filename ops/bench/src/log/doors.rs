//! The log over sockets: the KurrentDB protocol with its official client, and the wire between processes of a desk with
//! the desk's own. Another process owns the log, with its doors as they are shipped: keys, write lists and limits.

use super::reads::{RECORDS, STREAMS, write};
use crate::Place;
use crate::figures::Micros;
use crate::owner::Grounds;
use anyhow::Context;
use eventstore::{
    AppendToStreamOptions, BatchAppendClient, BatchAppendOptions, Client, ClientSettings, EventData,
    ReadAllOptions, StreamPosition, StreamState,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stele_bench_drive::load::PAYLOAD_BYTES;
use stele_domain::port::event_log::{EventLog, Filter, Position};
use stele_remote_log::{Options, RemoteLog, Trust};
use uuid::Uuid;

/// Turns of each reading; the best counts, as nobody else's work makes anything faster.
const TURNS: usize = 3;
/// Records that a reader wants at once.
const PAGE: usize = 4_096;
/// Appends in flight in one batch, each to a stream of its own.
const IN_FLIGHT: u64 = 256;
/// How long they come.
const BATCHES: Duration = Duration::from_secs(5);
/// What such a run begins with and does not count.
const WARM_UP: Duration = Duration::from_secs(1);
/// Unary appends, one after the other.
const UNARY: u64 = 1_000;

/// Writes a log of a million events and asks for it, and for more, over both protocols.
pub(crate) async fn run(place: &Place) -> anyhow::Result<Value> {
    // A process may well have two providers of TLS, and then takes none by itself; all of this is in the clear.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let grounds = Grounds::make(place)?;
    write(&grounds.log()).await?;
    let (inside, outside) = (grounds.key(place, "alerts").await?, grounds.key(place, "outside").await?);
    let owner = grounds.start(place).await?;
    let own = RemoteLog::new(&Options {
        url: format!("http://{}", grounds.api),
        key: Some(inside.into()),
        plain_key: false,
        trust: Trust::default(),
    })?;
    let address = format!("kurrentdb://outside:{outside}@{}?tls=false", grounds.kurrent);
    let settings: ClientSettings = address.parse().context("the connection string")?;
    let client = Client::new(settings).map_err(|error| anyhow::anyhow!("the official client: {error}"))?;
    let (mut followed, mut read) = (0.0_f64, 0.0_f64);
    for _ in 0..TURNS {
        followed = followed.max(follow(&own).await?);
        read = read.max(read_all(&client).await?);
    }
    let unary = unary(&client).await?;
    let (batches, wait) = batches(&client).await?;
    owner.end().await?;
    Ok(json!({
        "benchmark": "log-doors",
        "events": STREAMS * RECORDS,
        "payload_bytes": PAYLOAD_BYTES,
        "log_service_events_per_second": { "figure": followed.round(), "target": 1_000_000 },
        "kurrent_read_all_events_per_second": { "figure": read.round(), "target": 300_000 },
        "kurrent_batch_append_events_per_second": { "in_flight": IN_FLIGHT, "figure": batches.round(), "target": 50_000, "wait_ms": wait.said() },
        "kurrent_unary_append_ms": { "one_after_the_other": unary.said(), "target_p50": 1.5 },
        "processors": std::thread::available_parallelism()?.get(),
    }))
}

/// All of the log by a live reading of the desk's own wire; events a second.
async fn follow(log: &RemoteLog) -> anyhow::Result<f64> {
    let (mut reading, mut events) = (log.follow(Position::START, Filter::all()), 0_u64);
    let began = Instant::now();
    loop {
        let page = reading.next(PAGE).await?;
        for record in &page.records {
            events += 1;
            anyhow::ensure!(record.position.0 == events, "position {} comes as {events}", record.position);
        }
        if page.caught_up() && events >= STREAMS * RECORDS {
            return Ok(per_second(events, began.elapsed()));
        }
    }
}

/// All of the log, forwards, by the official client; events a second.
async fn read_all(client: &Client) -> anyhow::Result<f64> {
    let options = ReadAllOptions::default().forwards().position(StreamPosition::Start);
    let began = Instant::now();
    let (mut reading, mut events) = (client.read_all(&options).await?, 0_u64);
    while let Some(event) = reading.next().await? {
        events += 1;
        let at = event.get_original_event().position.commit;
        anyhow::ensure!(at == events, "position {at} comes as {events}");
    }
    anyhow::ensure!(events >= STREAMS * RECORDS, "{events} events came");
    Ok(per_second(events, began.elapsed()))
}

/// The call for one append, one after the other.
async fn unary(client: &Client) -> anyhow::Result<Micros> {
    let stream = "unary-0";
    let mut micros = vec![];
    for revision in 0..UNARY {
        let state = expected(revision);
        let options = AppendToStreamOptions::default().stream_state(state);
        let began = Instant::now();
        let kept = client.append_to_stream(stream, &options, event(u64::MAX, revision)).await?;
        micros.push(i64::try_from(began.elapsed().as_micros())?);
        anyhow::ensure!(kept.next_expected_version == revision, "{kept:?} instead of {revision}");
    }
    Ok(micros.into_iter().collect())
}

/// Appends in one batch, so many in flight; events a second, and how long each waited.
async fn batches(client: &Client) -> anyhow::Result<(f64, Micros)> {
    let batch = Arc::new(client.batch_append(&BatchAppendOptions::default()).await?);
    let counted = Instant::now() + WARM_UP;
    let writers: Vec<_> =
        (0..IN_FLIGHT).map(|number| tokio::spawn(append(Arc::clone(&batch), number, counted))).collect();
    let mut micros = vec![];
    for writer in writers {
        micros.extend(writer.await.context("a writer")??);
    }
    let events = u64::try_from(micros.len())?;
    Ok((per_second(events, BATCHES), micros.into_iter().collect()))
}

/// One writer's appends, each of which waits for the one before; microseconds of those that were answered in the time
/// that counts.
async fn append(batch: Arc<BatchAppendClient>, number: u64, counted: Instant) -> anyhow::Result<Vec<i64>> {
    let stream = format!("batch-{number}");
    let (mut micros, mut revision) = (vec![], 0);
    loop {
        let began = Instant::now();
        batch.append_to_stream(&stream, expected(revision), vec![event(number, revision)]).await?;
        revision += 1;
        let now = Instant::now();
        if now >= counted + BATCHES {
            return Ok(micros);
        }
        if now >= counted {
            micros.push(i64::try_from((now - began).as_micros())?);
        }
    }
}

/// Where a stream is that has so many events.
fn expected(events: u64) -> StreamState {
    events.checked_sub(1).map_or(StreamState::NoStream, StreamState::StreamRevision)
}

fn event(writer: u64, number: u64) -> EventData {
    let id = Uuid::from_u64_pair(writer, number);
    EventData::binary("bench.Kept", vec![b'x'; PAYLOAD_BYTES].into()).id(id)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_second(events: u64, span: Duration) -> f64 {
    events as f64 / span.as_secs_f64()
}
