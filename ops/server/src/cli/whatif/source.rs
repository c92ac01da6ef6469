//! Where the records come from: page after page of the desk that runs, or of its log when it doesn't.

use super::question::Asked;
use super::unanswered;
use crate::cli::progress::Progress;
use crate::config::Config;
use crate::exit::Failure;
use crate::wiring::log_failure;
use serde_json::value::RawValue;
use std::sync::Arc;
use stele_api::client::{Client, ClientError, EventsQuery};
use stele_api::dto::Event;
use stele_commands::streams;
use stele_commands::whatif::{self, Desk, Edge, Flow, Replay, Report};
use stele_domain::ids::{AccountId, EventId};
use stele_domain::port::event_log::{EventLog, Filter, Position, Record, Revision, StreamId};

/// Records of one page of a log at hand.
const PAGE: usize = 4_096;
/// Events of one page of a desk: as many as it hands out.
const EVENTS: usize = 1_000;

/// Why a desk has not told all.
pub(super) enum Told {
    /// It said no, or nothing.
    Client(ClientError),
    /// What it told leads to no answer.
    Failure(Failure),
}

impl From<ClientError> for Told {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<Failure> for Told {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Answers from what the running desk tells of its log.
pub(super) async fn by_desk(
    client: &Client,
    config: &Config,
    asked: &Asked,
    progress: &Progress,
) -> Result<Report, Told> {
    let query = |from: u64, limit: usize, categories: Vec<String>| EventsQuery {
        from: Some(from),
        limit: Some(limit),
        categories,
        ..EventsQuery::default()
    };
    let first = client.events(&query(1, 1, vec![streams::ACCOUNT.to_owned()])).await?;
    let account = account(config, first.events.first().map(|event| event.stream.as_str()))?;
    let head = within(asked, first.head)?;
    progress.total(head);
    let mut replay = replay(config, account, asked)?;
    let mut from = 1;
    loop {
        let page = client.events(&query(from, EVENTS, whatif::reads().categories)).await?;
        for event in &page.events {
            if event.position > head || flows(&mut replay, &record(event)?)? == Flow::Over {
                return Ok(finished(replay)?);
            }
        }
        match page.next {
            Some(next) if next <= head => from = next,
            Some(_) | None => return Ok(finished(replay)?),
        }
        progress.done(from);
    }
}

/// Answers from a log at hand.
pub(super) async fn by_log(
    log: &dyn EventLog,
    config: &Config,
    asked: &Asked,
    progress: &Progress,
) -> Result<Report, Failure> {
    let failed = |error| log_failure(&error);
    let accounts = Filter::categories(&[streams::ACCOUNT]);
    let first = log.read_all(Position(1), &accounts, 1).await.map_err(failed)?;
    let account = account(config, first.records.first().map(|record| record.stream.as_str()))?;
    let head = within(asked, first.head.0)?;
    progress.total(head);
    let mut replay = replay(config, account, asked)?;
    let filter = whatif::reads();
    let mut from = Position(1);
    loop {
        let page = log.read_all(from, &filter, PAGE).await.map_err(failed)?;
        for record in &page.records {
            if record.position.0 > head || flows(&mut replay, record)? == Flow::Over {
                return finished(replay);
            }
        }
        if page.next.0 > head || page.caught_up() {
            return finished(replay);
        }
        from = page.next;
        progress.done(from.0);
    }
}

/// The last position that is looked at. Whoever asks about what is not there is told so.
fn within(asked: &Asked, head: u64) -> Result<u64, Failure> {
    for (flag, edge) in [("--from", asked.from), ("--to", asked.to)] {
        if let Some(Edge::Position(position)) = edge
            && position.0 > head
        {
            return Err(Failure::usage(format!("{flag} {position}: the log ends at {head}")));
        }
    }
    Ok(head)
}

/// The account of the configuration; where none is configured, the one of the log.
fn account(config: &Config, stream: Option<&str>) -> Result<AccountId, Failure> {
    if let Some(account) = &config.account {
        return Ok(account.clone());
    }
    let name = stream.and_then(|stream| stream.split_once('-')).map(|(_, name)| name.to_owned());
    let Some(name) = name else {
        return Err(Failure::usage("the log knows no account, so nothing was ever decided on in it"));
    };
    AccountId::try_from(name).map_err(|error| Failure::error(&error))
}

fn replay(config: &Config, account: AccountId, asked: &Asked) -> Result<Replay, Failure> {
    let desk = Desk {
        pair: config.pair.clone(),
        account,
        pricing: config.pricing,
        finality_lag_ms: config.finality_lag_ms,
        offer_margin_ms: config.executor.offer_margin_ms,
        nonce_margin_ms: config.executor.nonce_margin_ms,
        release_margin_ms: config.executor.release_margin_ms,
    };
    Replay::new(desk, asked.question.clone(), asked.from, asked.to).map_err(|error| unanswered(&error))
}

fn flows(replay: &mut Replay, record: &Record) -> Result<Flow, Failure> {
    replay.see(record).map_err(|error| unanswered(&error))
}

fn finished(replay: Replay) -> Result<Report, Failure> {
    replay.finish().map_err(|error| unanswered(&error))
}

/// An event of the desk's answer as the log keeps it.
fn record(event: &Event) -> Result<Record, Failure> {
    // Bytes that are no JSON are no event of a desk, and none is taken for one.
    let bytes =
        |json: &Option<Box<RawValue>>| Arc::from(json.as_ref().map_or("", |json| json.get()).as_bytes());
    Ok(Record {
        position: Position(event.position),
        stream: StreamId::new(&event.stream).map_err(|error| Failure::error(&error))?,
        revision: Revision(event.revision),
        event_id: EventId(event.event_id),
        event_type: Arc::from(event.event_type.as_str()),
        data: bytes(&event.data),
        metadata: bytes(&event.metadata),
        recorded_at: event.recorded_at,
    })
}
