//! The log: pages of events, one event, numbers, checkpoints.

use crate::api::{Api, LogConsistency, LogProof};
use crate::dto::{CheckpointAnswer, Event, EventsPage, LogStat};
use crate::problem::Problem;
use crate::translate;
use stele_domain::port::event_log::{
    Direction, EventLog, Filter, LogError, Position, Record, Revision, StreamId,
};

/// Events of a page when nobody says how many.
pub(crate) const LIMIT_DEFAULT: usize = 50;
/// Most events of a page.
pub(crate) const LIMIT_MAX: usize = 1_000;
/// Most categories or types of one filter.
const FILTER_NAMES_MAX: usize = 32;
/// How many positions are looked at in one go when the log is read backwards.
const WINDOW: u64 = 1_024;
/// How many such windows one request looks at: a rare filter ends with an empty page and a `next`.
const WINDOWS_MAX: usize = 64;

/// What a page of events is asked for by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// Any of these; all when empty.
    pub(crate) categories: Vec<String>,
    /// Any of these; all when empty.
    pub(crate) types: Vec<String>,
    /// One stream, whole.
    pub(crate) stream: Option<String>,
    /// Where to begin: a position, or a revision of the stream.
    pub(crate) from: Option<u64>,
    /// How many; 1 to [`LIMIT_MAX`].
    pub(crate) limit: usize,
    /// Newest first.
    pub(crate) backward: bool,
}

/// A question that makes sense.
struct Checked {
    filter: Filter,
    stream: Option<StreamId>,
    from: Option<u64>,
    limit: usize,
    backward: bool,
}

/// A page of records.
#[derive(Debug)]
pub(crate) struct Stretch {
    /// In the order asked for.
    pub(crate) records: Vec<Record>,
    /// Where the next page begins; none at the end.
    pub(crate) next: Option<u64>,
    /// The last position of the log; everything up to it was there to be read.
    pub(crate) head: u64,
}

/// Events found, and where to go on.
struct Found {
    records: Vec<Record>,
    next: Option<u64>,
}

pub(crate) async fn stat(api: &Api) -> Result<LogStat, Problem> {
    Ok(translate::log::stat(api.log_admin.stat().await?))
}

pub(crate) async fn checkpoint(api: &Api) -> Result<CheckpointAnswer, Problem> {
    let head = api.log.head().await?.0;
    let Some(checkpoint) = api.log_admin.checkpoint().await? else {
        let detail = "this log is not kept in files and signs no checkpoints";
        return Err(Problem::conflict("no-checkpoints", detail));
    };
    Ok(CheckpointAnswer { checkpoint, head })
}

/// One event, and the head of the log.
pub(crate) async fn event(api: &Api, position: u64) -> Result<(Event, u64), Problem> {
    event_in(&*api.log, position).await
}

/// The same, of a log at hand.
pub(crate) async fn event_in(log: &dyn EventLog, position: u64) -> Result<(Event, u64), Problem> {
    record_in(log, position).await.map(|(record, head)| (translate::log::event(&record), head))
}

/// The same, byte for byte.
pub(crate) async fn record_in(log: &dyn EventLog, position: u64) -> Result<(Record, u64), Problem> {
    if position == 0 {
        return Err(Problem::field("position", "must be a log position, from 1 on"));
    }
    let page = log.read_all(Position(position), &Filter::all(), 1).await?;
    let head = page.head.0;
    let record = page.records.into_iter().next().filter(|record| record.position.0 == position);
    let record = record.ok_or_else(|| unknown_position(position, head))?;
    Ok((record, head))
}

fn unknown_position(position: u64, head: u64) -> Problem {
    let detail = format!("there is no event at position {position}: the log ends at {head}");
    Problem::not_found("unknown-position", detail).at(head)
}

/// Proves that the event at a position is in the log as it stands.
pub(crate) async fn prove(api: &Api, position: u64) -> Result<LogProof, Problem> {
    if position == 0 {
        return Err(Problem::field("position", "must be a log position, from 1 on"));
    }
    let head = api.log.head().await?.0;
    if position > head {
        return Err(unknown_position(position, head));
    }
    let proof = api.log_admin.prove(Position(position)).await?;
    proof.ok_or_else(|| {
        let detail = "this log is not kept in files and has no tree to prove by";
        Problem::conflict("no-checkpoints", detail)
    })
}

/// Proves that the log goes on from an earlier size, to a later one or to everything that is durable.
pub(crate) async fn consistency(api: &Api, old: u64, new: Option<u64>) -> Result<LogConsistency, Problem> {
    if new.is_some_and(|new| new < old) {
        return Err(Problem::field("new_commits", format!("must be {old} at least, which `old_commits` is")));
    }
    let proof = match api.log_admin.prove_consistency(old, new).await {
        Err(LogError::Invalid(what)) => {
            let detail = format!("{what}: it was cut, or the checkpoint is of another log");
            return Err(Problem::conflict("size-beyond-log", detail));
        }
        answer => answer?,
    };
    proof.ok_or_else(|| {
        let detail = "this log is not kept in files and has no tree to prove by";
        Problem::conflict("no-checkpoints", detail)
    })
}

pub(crate) async fn events(api: &Api, question: Question) -> Result<EventsPage, Problem> {
    events_in(&*api.log, question).await
}

/// The same, of a log at hand.
pub(crate) async fn events_in(log: &dyn EventLog, question: Question) -> Result<EventsPage, Problem> {
    let found = records_in(log, question).await?;
    let events = found.records.iter().map(translate::log::event).collect();
    Ok(EventsPage { events, next: found.next, as_of: found.head, head: found.head })
}

/// The same, byte for byte.
pub(crate) async fn records_in(log: &dyn EventLog, question: Question) -> Result<Stretch, Problem> {
    let question = checked(question)?;
    let head = log.head().await?;
    let found = match (&question.stream, question.backward) {
        (Some(stream), _) => of_stream(log, stream, &question).await?,
        (None, false) => forward(log, &question).await?,
        (None, true) => backward(log, head, &question).await?,
    };
    let last = found.records.iter().map(|record| record.position).max().unwrap_or_default();
    Ok(Stretch { records: found.records, next: found.next, head: head.max(last).0 })
}

fn checked(question: Question) -> Result<Checked, Problem> {
    let filter = filter(question.categories, question.types)?;
    let stream = question.stream.as_deref().map(StreamId::new).transpose();
    let stream = stream.map_err(|error| Problem::field("stream", error.to_string()))?;
    if stream.is_some() && filter != Filter::all() {
        return Err(Problem::field("stream", "one stream is read whole: ask without category and type"));
    }
    if !(1..=LIMIT_MAX).contains(&question.limit) {
        return Err(Problem::field("limit", format!("must be 1 to {LIMIT_MAX}")));
    }
    Ok(Checked { filter, stream, from: question.from, limit: question.limit, backward: question.backward })
}

/// Which events are wanted, by category and type.
pub(crate) fn filter(categories: Vec<String>, types: Vec<String>) -> Result<Filter, Problem> {
    let filter = Filter { categories, event_types: types };
    for (name, values) in [("category", &filter.categories), ("type", &filter.event_types)] {
        if values.len() > FILTER_NAMES_MAX {
            return Err(Problem::field(name, format!("given more than {FILTER_NAMES_MAX} times")));
        }
    }
    Ok(filter)
}

/// Which events are followed: by category and type, or one stream, which is looked for in its category.
pub(crate) fn followed(
    categories: Vec<String>,
    types: Vec<String>,
    stream: Option<&str>,
) -> Result<(Filter, Option<StreamId>), Problem> {
    let filter = filter(categories, types)?;
    let Some(stream) = stream else { return Ok((filter, None)) };
    let stream = StreamId::new(stream).map_err(|error| Problem::field("stream", error.to_string()))?;
    if filter != Filter::all() {
        return Err(Problem::field("stream", "one stream is read whole: ask without categories and types"));
    }
    Ok((Filter::categories(&[stream.category()]), Some(stream)))
}

async fn of_stream(log: &dyn EventLog, stream: &StreamId, question: &Checked) -> Result<Found, LogError> {
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

async fn forward(log: &dyn EventLog, question: &Checked) -> Result<Found, LogError> {
    let from = Position(question.from.unwrap_or(1));
    let page = log.read_all(from, &question.filter, question.limit).await?;
    let next = (!page.caught_up()).then_some(page.next.0);
    Ok(Found { records: page.records, next })
}

/// The port reads forwards only, so stretches are read from the end of the log towards its beginning.
async fn backward(log: &dyn EventLog, head: Position, question: &Checked) -> Result<Found, LogError> {
    let mut found = Found { records: vec![], next: None };
    let mut last = question.from.map_or(head.0, |from| from.min(head.0));
    // What is wanted mostly stands at the end, and what stands long before it may be in an archive that is away.
    let mut window = u64::try_from(question.limit).map_or(WINDOW, |limit| limit.clamp(1, WINDOW));
    for _ in 0..WINDOWS_MAX {
        if last == 0 {
            return Ok(found);
        }
        if found.records.len() == question.limit {
            break;
        }
        let first = last.saturating_sub(window - 1).max(1);
        window = window.saturating_mul(2).min(WINDOW);
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
    while from.0 <= last {
        let length = usize::try_from(last - from.0 + 1).unwrap_or(usize::MAX);
        let page = log.read_all(from, filter, length).await?;
        if page.next <= from {
            break;
        }
        from = page.next;
        records.extend(page.records.into_iter().filter(|record| record.position.0 <= last));
    }
    Ok(records)
}
