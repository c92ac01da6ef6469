//! The log: pages of events, one event, numbers, checkpoints.

use super::json;
use crate::api::Api;
use crate::dto::{CheckpointAnswer, EventsPage};
use crate::params::{Params, Segment};
use crate::problem::Problem;
use crate::translate;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use stele_domain::port::event_log::{
    Direction, EventLog, Filter, LogError, Position, Record, Revision, StreamId,
};

/// Events of a page when nobody says how many.
const LIMIT_DEFAULT: usize = 50;
/// Most events of a page.
const LIMIT_MAX: usize = 1_000;
/// How many positions are looked at in one go when the log is read backwards.
const WINDOW: u64 = 1_024;
/// How many such windows one request looks at: a rare filter ends with an empty page and a `next`.
const WINDOWS_MAX: usize = 64;
/// Most categories or types of one filter.
const FILTER_NAMES_MAX: usize = 32;

/// What a page of events is asked for by.
struct Question {
    filter: Filter,
    stream: Option<StreamId>,
    from: Option<u64>,
    limit: usize,
    backward: bool,
}

/// Events found, and where to go on.
struct Found {
    records: Vec<Record>,
    next: Option<u64>,
}

pub(crate) async fn stat(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let stat = translate::log::stat(api.log_admin.stat().await?);
    json(&stat, Some(stat.as_of))
}

pub(crate) async fn checkpoint(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Problem> {
    params.finish()?;
    let head = api.log.head().await?.0;
    let Some(checkpoint) = api.log_admin.checkpoint().await? else {
        let detail = "this log is not kept in files and signs no checkpoints";
        return Err(Problem::new(StatusCode::CONFLICT, "no-checkpoints", detail));
    };
    json(&CheckpointAnswer { checkpoint, head }, Some(head))
}

pub(crate) async fn event(
    State(api): State<Arc<Api>>,
    Segment(position): Segment,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    let parsed = position.parse().ok().filter(|position| *position > 0);
    let position: u64 =
        parsed.ok_or_else(|| Problem::field("position", "must be a log position, from 1 on"))?;
    let page = api.log.read_all(Position(position), &Filter::all(), 1).await?;
    let head = page.head.0;
    let record = page.records.first().filter(|record| record.position.0 == position);
    let record = record.ok_or_else(|| {
        let detail = format!("there is no event at position {position}: the log ends at {head}");
        Problem::not_found("unknown-position", detail).at(head)
    })?;
    json(&translate::log::event(record), Some(head))
}

pub(crate) async fn events(State(api): State<Arc<Api>>, params: Params) -> Result<Response, Problem> {
    let question = question(params)?;
    let head = api.log.head().await?;
    let log = &*api.log;
    let found = match (&question.stream, question.backward) {
        (Some(stream), _) => of_stream(log, stream, &question).await?,
        (None, false) => forward(log, &question).await?,
        (None, true) => backward(log, head, &question).await?,
    };
    let events = found.records.iter().map(translate::log::event).collect();
    let last = found.records.iter().map(|record| record.position).max().unwrap_or_default();
    let head = head.max(last).0;
    json(&EventsPage { events, next: found.next, as_of: head, head }, Some(head))
}

fn question(mut params: Params) -> Result<Question, Problem> {
    let filter = filter(&mut params)?;
    let stream = params.take("stream")?;
    let stream = stream.map(|name| StreamId::new(&name)).transpose();
    let question = Question {
        filter,
        stream: stream.map_err(|error| Problem::field("stream", error.to_string()))?,
        from: params.parse("from", "a position")?,
        limit: params.limit(LIMIT_DEFAULT, LIMIT_MAX)?,
        backward: params.parse("backward", "true or false")?.unwrap_or(false),
    };
    if question.stream.is_some() && question.filter != Filter::all() {
        return Err(Problem::field("stream", "one stream is read whole: ask without category and type"));
    }
    params.finish()?;
    Ok(question)
}

/// `category` and `type`, each as often as wanted.
pub(crate) fn filter(params: &mut Params) -> Result<Filter, Problem> {
    let filter = Filter { categories: params.take_all("category"), event_types: params.take_all("type") };
    for (name, values) in [("category", &filter.categories), ("type", &filter.event_types)] {
        if values.len() > FILTER_NAMES_MAX {
            return Err(Problem::field(name, format!("given more than {FILTER_NAMES_MAX} times")));
        }
    }
    Ok(filter)
}

async fn of_stream(log: &dyn EventLog, stream: &StreamId, question: &Question) -> Result<Found, LogError> {
    let (direction, default) =
        if question.backward { (Direction::Backward, u64::MAX) } else { (Direction::Forward, 0) };
    let from = Revision(question.from.unwrap_or(default));
    let records = log.read_stream(stream, from, direction, question.limit).await?;
    let next = records.last().and_then(|record| match direction {
        Direction::Forward => Some(record.revision.next().0),
        Direction::Backward => record.revision.0.checked_sub(1),
    });
    Ok(Found { records, next })
}

async fn forward(log: &dyn EventLog, question: &Question) -> Result<Found, LogError> {
    let from = Position(question.from.unwrap_or(1));
    let page = log.read_all(from, &question.filter, question.limit).await?;
    let next = (!page.caught_up()).then_some(page.next.0);
    Ok(Found { records: page.records, next })
}

/// The port reads forwards only, so stretches are read from the end of the log towards its beginning.
async fn backward(log: &dyn EventLog, head: Position, question: &Question) -> Result<Found, LogError> {
    let mut found = Found { records: vec![], next: None };
    let mut last = question.from.map_or(head.0, |from| from.min(head.0));
    for _ in 0..WINDOWS_MAX {
        if last == 0 {
            return Ok(found);
        }
        let first = last.saturating_sub(WINDOW - 1).max(1);
        let mut stretch = stretch(log, first, last, &question.filter).await?;
        while let Some(record) = stretch.pop() {
            if found.records.len() == question.limit {
                found.next = Some(record.position.0);
                return Ok(found);
            }
            found.records.push(record);
        }
        last = first - 1;
    }
    found.next = (last > 0).then_some(last);
    Ok(found)
}

/// Everything wanted between two positions, both included.
async fn stretch(
    log: &dyn EventLog,
    first: u64,
    last: u64,
    filter: &Filter,
) -> Result<Vec<Record>, LogError> {
    let mut records = vec![];
    let mut from = Position(first);
    let length = usize::try_from(WINDOW).unwrap_or(usize::MAX);
    while from.0 <= last {
        let page = log.read_all(from, filter, length).await?;
        if page.next <= from {
            break;
        }
        from = page.next;
        records.extend(page.records.into_iter().filter(|record| record.position.0 <= last));
    }
    Ok(records)
}
