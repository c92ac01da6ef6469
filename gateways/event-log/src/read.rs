//! Reading pages and streams, from the cache where they are recent and from the disk where they are not.

mod stream;

pub use stream::{id_at, stream};

use crate::cache::page_bytes;
use crate::format::to_usize;
use crate::shared::{Shared, off_thread};
use crate::walk::{Commit, Walk};
use crate::window::{LOOK_CHUNK_BYTES, SCAN_CHUNK_BYTES};
use std::ops::Range;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{APPEND_BYTES_MAX, Filter, LogError, Page, Position, Record, StreamId};

/// Records that one page passes over at most, when little matches; then it is handed over with what it has.
const PASSED_OVER_MAX: usize = 16_384;

/// Bytes of data and metadata that one page passes over at most: 16 MiB.
const PASSED_OVER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most bytes that are read at a time for a page, but for a commit that is longer: 256 KiB.
const PAGE_CHUNK_BYTES: usize = 256 * 1024;

/// Records that a page has room for from the start; it grows as it must.
const PAGE_RECORDS_EXPECTED: usize = 256;

/// A page being filled.
struct Filling {
    records: Vec<Record>,
    bytes: usize,
    limit: usize,
    passed_over: usize,
    passed_over_bytes: usize,
}

impl Filling {
    /// A page of at most `limit` records, out of as many as there are.
    fn new(limit: usize, there: u64) -> Self {
        let records = Vec::with_capacity(limit.min(PAGE_RECORDS_EXPECTED).min(to_usize(there)));
        Self { records, bytes: 0, limit, passed_over: 0, passed_over_bytes: 0 }
    }

    /// Whether a record of this size still belongs on the page. The first always does.
    fn takes(&self, bytes: usize) -> bool {
        let fits = self.records.is_empty() || self.bytes.saturating_add(bytes) <= APPEND_BYTES_MAX;
        self.records.len() < self.limit && fits
    }

    /// Passes over a record that is not wanted; false when that was enough for one page.
    fn pass_over(&mut self, bytes: usize) -> bool {
        self.passed_over += 1;
        self.passed_over_bytes = self.passed_over_bytes.saturating_add(bytes);
        self.passed_over < PASSED_OVER_MAX && self.passed_over_bytes < PASSED_OVER_BYTES_MAX
    }

    fn add(&mut self, record: Record) {
        self.bytes += page_bytes(&record);
        self.records.push(record);
    }
}

/// Reads the log from a position.
pub async fn page(
    shared: &Arc<Shared>,
    from: Position,
    filter: &Filter,
    limit: usize,
) -> Result<Page, LogError> {
    if let Some(page) = recent(shared, from, filter, limit) {
        return Ok(page);
    }
    let (shared, filter) = (Arc::clone(shared), filter.clone());
    off_thread(move || page_at(&shared, from, &filter, limit, Place::default()).0).await
}

/// Where the next page begins: what was read of the segment for the page before is not read again.
#[derive(Default)]
pub struct Place(Option<Walk>);

/// As [`page`], on a thread that may wait for the disk; goes on at a place, and says where the next page does.
pub fn page_at(
    shared: &Shared,
    from: Position,
    filter: &Filter,
    limit: usize,
    mut place: Place,
) -> (Result<Page, LogError>, Place) {
    let page = page_from_disk(shared, from.0.max(1), shared.head(), filter, limit, &mut place);
    (page, place)
}

/// As [`page`], where that takes no look at the disk.
pub fn recent(shared: &Shared, from: Position, filter: &Filter, limit: usize) -> Option<Page> {
    let head = shared.head();
    let from = from.0.max(1);
    if from > head || limit == 0 {
        return Some(Page { records: vec![], next: Position(from), head: Position(head) });
    }
    page_from_cache(shared, from, head, filter, limit)
}

/// Whether whoever reads from there on finds in memory what there is, as far as can be told without reading.
pub fn is_recent(shared: &Shared, from: Position) -> bool {
    let head = shared.head();
    from.0 > head || shared.cache().range(from.0..=head).is_some()
}

fn page_from_cache(shared: &Shared, from: u64, head: u64, filter: &Filter, limit: usize) -> Option<Page> {
    let cache = shared.cache();
    let mut filling = Filling::new(limit, head + 1 - from);
    let mut next = from;
    for record in cache.range(from..=head)? {
        let wanted = filter.wants(&record.stream, &record.event_type);
        if wanted && !filling.takes(page_bytes(record)) {
            break;
        }
        next = record.position.0 + 1;
        if wanted {
            filling.add(record.clone());
        } else if !filling.pass_over(page_bytes(record)) {
            break;
        }
    }
    Some(Page { records: filling.records, next: Position(next), head: Position(head) })
}

fn page_from_disk(
    shared: &Shared,
    from: u64,
    head: u64,
    filter: &Filter,
    limit: usize,
    place: &mut Place,
) -> Result<Page, LogError> {
    let mut filling = Filling::new(limit, head.saturating_add(1).saturating_sub(from));
    let mut next = from;
    'page: while next <= head {
        // A page of a few records needs no megabyte.
        let chunk = limit.saturating_mul(512).clamp(LOOK_CHUNK_BYTES, PAGE_CHUNK_BYTES);
        let mut walk = match place.0.take().filter(|walk| walk.position() <= next) {
            Some(walk) => walk.reading(chunk),
            None => walk_to(shared, next, chunk)?,
        };
        let segment = walk.segment();
        loop {
            let begun = walk.mark();
            let Some(commit) = walk.next()? else { break };
            if !fill(&mut filling, &commit, segment, filter, head, &mut next)? {
                walk.back_to(begun);
                // Who stands still keeps no more memory than this, and no file that would have been removed.
                place.0 = walk.holds_at_most(PAGE_CHUNK_BYTES).then_some(walk);
                break 'page;
            }
        }
    }
    Ok(Page { records: filling.records, next: Position(next), head: Position(head) })
}

/// Takes the records of a commit from `next` on, as far as they belong on the page; false when it is full.
fn fill(
    filling: &mut Filling,
    commit: &Commit<'_>,
    segment: u64,
    filter: &Filter,
    head: u64,
    next: &mut u64,
) -> Result<bool, LogError> {
    for entry in commit.records(segment) {
        let (position, raw) = entry?;
        if position.0 < *next {
            continue;
        }
        let bytes = raw.data.len() + raw.metadata.len();
        let wanted = wants(filter, raw.stream, raw.event_type);
        if position.0 > head || (wanted && !filling.takes(bytes)) {
            return Ok(false);
        }
        *next = position.0 + 1;
        if wanted {
            filling.add(commit.owned(segment, position, &raw, filling.records.last())?);
        } else if !filling.pass_over(bytes) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Streams, revisions and ids of the records at `positions`, from the disk. For the writer, which may wait for it.
pub fn ids(shared: &Shared, positions: Range<u64>) -> Result<Vec<(StreamId, u64, EventId)>, LogError> {
    let mut ids = Vec::with_capacity(to_usize(positions.end - positions.start));
    let mut next = positions.start;
    while next < positions.end {
        let mut walk = walk_to(shared, next, SCAN_CHUNK_BYTES)?;
        let segment = walk.segment();
        while let Some(commit) = walk.next()? {
            for entry in commit.records(segment) {
                let (position, raw) = entry?;
                if position.0 == next && next < positions.end {
                    let stream = StreamId::new(raw.stream);
                    let stream = stream.map_err(|error| commit.damaged(segment, &error))?;
                    ids.push((stream, raw.revision, raw.event_id));
                    next += 1;
                }
            }
            if next == positions.end {
                break;
            }
        }
    }
    Ok(ids)
}

/// As [`Filter::wants`], for names that are not worth an allocation yet.
fn wants(filter: &Filter, stream: &str, event_type: &str) -> bool {
    let category = stream.split_once('-').map_or(stream, |(category, _)| category);
    (filter.categories.is_empty() || filter.categories.iter().any(|name| name == category))
        && (filter.event_types.is_empty() || filter.event_types.iter().any(|name| name == event_type))
}

fn walk_to(shared: &Shared, position: u64, chunk_bytes: usize) -> Result<Walk, LogError> {
    let found = shared.index().locate(position);
    let head = shared.head();
    assert!(found.is_some(), "position {position} is durable and in no segment; the head is {head}");
    let found = found.ok_or_else(|| LogError::Stopped(format!("position {position} is in no segment")))?;
    let mark = found.mark_of(position)?;
    Ok(Walk::new(shared.log, Arc::clone(&shared.directory), &found, mark, chunk_bytes))
}
