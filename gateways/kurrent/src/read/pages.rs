//! Pages of a stream or of the log, in either direction, up to where it ended when the reading began.

use super::{AllFrom, From, end_of_all, end_of_stream, forward};
use crate::name::Name;
use crate::no::No;
use crate::store::{Shown, Store};
use stele_domain::port::event_log::{Direction, Filter, Position, Record, Revision};
use stele_proto::kurrent::client::streams::read_resp::Content;

/// Records of the first page, of any page at most, and the bytes that a page should have.
const RECORDS_FIRST: usize = 32;
const RECORDS_MAX: usize = 512;
const PAGE_BYTES: usize = 256 * 1024;

/// How many records a page has: as many as make a page of middling size.
#[derive(Debug, Clone, Copy)]
pub struct Pace(usize);

impl Pace {
    pub fn new() -> Self {
        Self(RECORDS_FIRST)
    }

    /// Records of the next page, `left` at most.
    pub fn limit(self, left: u64) -> usize {
        usize::try_from(left).unwrap_or(usize::MAX).min(self.0).max(1)
    }

    /// Learns from a page.
    pub fn saw(&mut self, page: &[Record]) {
        let bytes: usize = page.iter().map(|record| record.data.len() + record.metadata.len()).sum();
        let each = (bytes / page.len().max(1)).max(1);
        self.0 = (PAGE_BYTES / each).clamp(1, RECORDS_MAX.min(self.0.saturating_mul(4)));
    }
}

/// What is left of a stream or of the log.
#[derive(Debug)]
pub struct Pages {
    what: What,
    direction: Direction,
    pace: Pace,
}

#[derive(Debug)]
enum What {
    /// Of a stream: the next revision, `None` at the end.
    Stream { stream: Name, shown: Shown, next: Option<u64> },
    /// Of the log: the next position, `None` at the end.
    All { next: Option<Position>, head: Position },
}

impl Pages {
    pub fn of_stream(stream: Name, shown: Shown, from: From, direction: Direction) -> Self {
        let next = match (forward(direction), from) {
            (true, From::Start) => Some(shown.first),
            (true, From::End) => None,
            (true, From::Revision(revision)) => Some(revision.max(shown.first)),
            (false, From::Start) => Some(0),
            (false, From::End) => Some(shown.last),
            (false, From::Revision(revision)) => Some(revision.min(shown.last)),
        };
        let next = next.filter(|next| (shown.first..=shown.last).contains(next));
        Self { what: What::Stream { stream, shown, next }, direction, pace: Pace::new() }
    }

    pub async fn of_all(store: &Store, from: AllFrom, direction: Direction) -> Result<Self, No> {
        let head = store.log.head().await?;
        let next = match (forward(direction), from) {
            (true, AllFrom::Start) => Some(Position::START.next()),
            (true, AllFrom::End) | (false, AllFrom::Start) => None,
            (true, AllFrom::Position(at)) => Some(at.max(Position::START.next())),
            (false, AllFrom::End) => Some(head),
            // Backwards, the place itself is not read again.
            (false, AllFrom::Position(at)) => at.0.checked_sub(1).map(|before| Position(before).min(head)),
        };
        let next = next.filter(|next| (Position::START.next()..=head).contains(next));
        Ok(Self { what: What::All { next, head }, direction, pace: Pace::new() })
    }

    /// Where it ends.
    pub fn end(&self) -> Option<Content> {
        forward(self.direction).then(|| match &self.what {
            What::Stream { shown, .. } => end_of_stream(shown),
            What::All { head, .. } => end_of_all(*head),
        })
    }

    /// The next page; `None` at the end. A page may be empty before that.
    pub async fn next(&mut self, store: &Store, left: u64) -> Result<Option<Vec<Record>>, No> {
        let limit = self.pace.limit(left);
        let page = match &mut self.what {
            What::Stream { stream, shown, next } => {
                let Some(from) = *next else { return Ok(None) };
                let read =
                    store.log.read_stream(stream.stream(), Revision(from), self.direction, limit).await?;
                *next = read.last().and_then(|record| {
                    let revision = record.revision.0;
                    if forward(self.direction) { revision.checked_add(1) } else { revision.checked_sub(1) }
                });
                *next = next.filter(|next| (shown.first..=shown.last).contains(next));
                read.into_iter()
                    .filter(|record| record.revision.0 <= shown.last && shown.shows(record))
                    .collect()
            }
            What::All { next, head } => {
                let Some(at) = *next else { return Ok(None) };
                let limit = self.pace.limit(u64::MAX);
                let (read, then) = if forward(self.direction) {
                    after(store, at, limit, *head).await?
                } else {
                    before(store, at, limit).await?
                };
                *next = then;
                read
            }
        };
        self.pace.saw(&page);
        Ok(Some(page))
    }
}

async fn after(
    store: &Store,
    from: Position,
    limit: usize,
    head: Position,
) -> Result<(Vec<Record>, Option<Position>), No> {
    let page = store.log.read_all(from, &Filter::all(), limit).await?;
    let next = Some(page.next).filter(|next| *next <= head);
    let read = page.records.into_iter().filter(|record| record.position <= head).collect();
    Ok((read, next))
}

/// The records that end at `last`, the last one first. The log is read forwards, so the page begins where it may end.
async fn before(store: &Store, last: Position, limit: usize) -> Result<(Vec<Record>, Option<Position>), No> {
    let mut limit = u64::try_from(limit).unwrap_or(u64::MAX);
    loop {
        let first = Position(last.0.saturating_sub(limit.saturating_sub(1)).max(1));
        let span = last.0 - first.0 + 1;
        let page =
            store.log.read_all(first, &Filter::all(), usize::try_from(span).unwrap_or(usize::MAX)).await?;
        if page.next > last || span == 1 {
            let mut read = page.records;
            read.reverse();
            return Ok((read, first.0.checked_sub(1).filter(|next| *next > 0).map(Position)));
        }
        // They were too large for one page.
        limit = (span / 4).max(1);
    }
}
