//! Decides what becomes of an append: written, already there, or refused. One rule for every implementation.

use stele_domain::ids::EventId;
use stele_domain::port::event_log::{
    Appended, Expected, LogError, NewRecord, Position, Revision, StreamAppend, StreamId,
};

/// What the rule has to know of a log.
pub trait History {
    /// The last position.
    fn head(&self) -> Position;

    /// Revision of the last record of a stream.
    fn last(&self, stream: &StreamId) -> Option<Revision>;

    /// Position of a record that exists.
    fn position(&self, stream: &StreamId, revision: Revision) -> Result<Position, LogError>;

    /// Whether the records of a stream from `first` on carry these ids, in this order. They all exist.
    fn carries(&self, stream: &StreamId, first: Revision, records: &[NewRecord]) -> Result<bool, LogError>;

    /// The revision of the last record of a stream with this id, when it is among the recent ones of the log.
    fn recent(&self, stream: &StreamId, id: EventId) -> Option<Revision>;
}

/// What becomes of an append.
#[derive(Debug)]
pub enum Plan {
    /// Its records are to be written.
    Write,
    /// Nothing is to be written, and this is the answer.
    Answer(Vec<Appended>),
}

/// What becomes of one stream's part of an append.
enum Verdict {
    Fits,
    /// The records are there already, from this revision on.
    Repeats(Revision),
    Conflicts,
}

/// Applies the rule.
///
/// When every part that writes is there already, the append is a repetition and its checks are not looked at
/// again: they held the first time. A part that is there while another is not has been written by someone
/// else; it conflicts, unless its writer said that repeating it is harmless.
pub fn plan(history: &impl History, appends: &[StreamAppend]) -> Result<Plan, LogError> {
    let verdicts: Vec<Verdict> =
        appends.iter().map(|append| judge(history, append)).collect::<Result<_, _>>()?;
    let mut writing =
        appends.iter().zip(&verdicts).filter(|(append, _)| !append.records.is_empty()).peekable();
    let writes = writing.peek().is_some();
    if writes && writing.all(|(_, verdict)| matches!(verdict, Verdict::Repeats(_))) {
        let answers =
            appends.iter().zip(&verdicts).map(|(append, verdict)| repeated(history, append, verdict));
        return Ok(Plan::Answer(answers.collect::<Result<_, _>>()?));
    }
    for (append, verdict) in appends.iter().zip(&verdicts) {
        let refused = match verdict {
            Verdict::Fits => false,
            Verdict::Conflicts => true,
            Verdict::Repeats(_) => !matches!(append.expected, Expected::Any | Expected::Exists),
        };
        if refused {
            return Err(LogError::Conflict {
                stream: append.stream.clone(),
                expected: append.expected,
                actual: history.last(&append.stream),
            });
        }
    }
    if writes {
        return Ok(Plan::Write);
    }
    Ok(Plan::Answer(
        appends.iter().map(|append| checked(history.head(), history.last(&append.stream))).collect(),
    ))
}

/// The answer to a check: where the log and the stream are.
#[must_use]
pub fn checked(head: Position, last: Option<Revision>) -> Appended {
    Appended { first: head, last: head, revision: last.unwrap_or_default(), repeated: false }
}

fn judge(history: &impl History, append: &StreamAppend) -> Result<Verdict, LogError> {
    let last = history.last(&append.stream);
    let (fits, after) = match append.expected {
        Expected::Any => (true, recent_start(history, append)),
        Expected::Exists => (last.is_some(), recent_start(history, append)),
        Expected::NoStream => (last.is_none(), Some(Revision(0))),
        Expected::Exactly(revision) => (last == Some(revision), revision.0.checked_add(1).map(Revision)),
    };
    let relies_on_ids = matches!(append.expected, Expected::Any | Expected::Exists);
    if fits && !relies_on_ids {
        return Ok(Verdict::Fits);
    }
    if let Some(first) = after
        && !append.records.is_empty()
        && reaches(last, first, append.records.len())
        && history.carries(&append.stream, first, &append.records)?
    {
        return Ok(Verdict::Repeats(first));
    }
    Ok(if fits { Verdict::Fits } else { Verdict::Conflicts })
}

fn recent_start(history: &impl History, append: &StreamAppend) -> Option<Revision> {
    history.recent(&append.stream, append.records.first()?.event_id)
}

/// Whether a stream that ends at `last` has `count` records from `first` on.
fn reaches(last: Option<Revision>, first: Revision, count: usize) -> bool {
    last.is_some_and(|last| {
        let needed = first.0.checked_add(crate::format::to_u64(count));
        needed.is_some_and(|end| end <= last.0.saturating_add(1))
    })
}

fn repeated(history: &impl History, append: &StreamAppend, verdict: &Verdict) -> Result<Appended, LogError> {
    let Verdict::Repeats(first) = *verdict else {
        return Ok(checked(history.head(), history.last(&append.stream)));
    };
    let last = Revision(first.0 + crate::format::to_u64(append.records.len()) - 1);
    Ok(Appended {
        first: history.position(&append.stream, first)?,
        last: history.position(&append.stream, last)?,
        revision: last,
        repeated: true,
    })
}
