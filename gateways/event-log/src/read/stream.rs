//! Reading one stream, either way.

use super::Filling;
use crate::cache::page_bytes;
use crate::errors::damaged;
use crate::format::to_u64;
use crate::segment;
use crate::shared::{Shared, off_thread};
use crate::walk::Walk;
use crate::window::LOOK_CHUNK_BYTES;
use std::ops::Range;
use std::sync::Arc;
use stele_domain::ids::EventId;
use stele_domain::port::event_log::{Direction, LogError, Position, Record, Revision, StreamId};

/// Records of a stream that are looked up at a time.
const STEP: u64 = 256;

/// Reads one stream.
pub async fn stream(
    shared: &Arc<Shared>,
    stream: &StreamId,
    from: Revision,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Record>, LogError> {
    let mut left = wanted(shared, stream, from, direction, to_u64(limit));
    let mut filling = Filling::new(limit);
    let mut full = false;
    while !full && !left.is_empty() {
        let positions = next_positions(shared, stream, &mut left, direction);
        if let Some(enough) = from_cache(shared, &positions, &mut filling) {
            full = enough;
            continue;
        }
        let (shared, taken) = (Arc::clone(shared), std::mem::replace(&mut filling, Filling::new(0)));
        (filling, full) = off_thread(move || from_disk(&shared, &positions, taken)).await?;
    }
    Ok(filling.records)
}

/// The revisions to read: durable, and no more than `limit`.
fn wanted(
    shared: &Shared,
    stream: &StreamId,
    from: Revision,
    direction: Direction,
    limit: u64,
) -> Range<u64> {
    let head = shared.head();
    let count = shared.index().count_to(stream, head);
    match direction {
        Direction::Forward => from.0.min(count)..from.0.saturating_add(limit).min(count),
        Direction::Backward => {
            let end = from.0.saturating_add(1).min(count);
            end.saturating_sub(limit)..end
        }
    }
}

/// Takes the next few revisions off what is left, and tells their positions in the order of reading.
fn next_positions(
    shared: &Shared,
    stream: &StreamId,
    left: &mut Range<u64>,
    direction: Direction,
) -> Vec<u64> {
    let step = match direction {
        Direction::Forward => left.start..left.end.min(left.start + STEP),
        Direction::Backward => left.start.max(left.end.saturating_sub(STEP))..left.end,
    };
    let mut positions = shared.index().positions(stream, step.clone());
    match direction {
        Direction::Forward => left.start = step.end,
        Direction::Backward => {
            left.end = step.start;
            positions.reverse();
        }
    }
    positions
}

/// Adds what is at `positions` if all of it is in the cache; tells whether the page is full.
fn from_cache(shared: &Shared, positions: &[u64], filling: &mut Filling) -> Option<bool> {
    let cache = shared.cache();
    let oldest = *positions.iter().min()?;
    let newest = *positions.iter().max()?;
    // The cache holds the last records without gaps: with both ends, it has all between them.
    cache.get(Position(oldest))?;
    cache.get(Position(newest))?;
    for position in positions {
        let record = cache.get(Position(*position))?;
        if !filling.takes(page_bytes(record)) {
            return Some(true);
        }
        filling.add(record.clone());
    }
    Some(false)
}

/// Adds what is at `positions`, commit by commit; tells whether the page is full.
fn from_disk(shared: &Shared, positions: &[u64], mut filling: Filling) -> Result<(Filling, bool), LogError> {
    let mut walk = None;
    let mut rest = positions;
    while let Some(position) = rest.first() {
        let walk = reach(shared, &mut walk, *position)?;
        let segment = walk.segment();
        let Some(commit) = walk.next()? else {
            return Err(lost(segment, *position));
        };
        let covered = commit.at.position..commit.at.position + commit.payload.count;
        let (here, after) =
            rest.split_at(rest.iter().take_while(|position| covered.contains(position)).count());
        let mut found = Vec::with_capacity(here.len());
        for entry in commit.records(segment) {
            let (position, raw) = entry?;
            if here.contains(&position.0) {
                found.push(commit.owned(segment, position, &raw)?);
            }
        }
        if here.first() > here.last() {
            found.reverse();
        }
        if found.is_empty() {
            return Err(lost(segment, *position));
        }
        for record in found {
            if !filling.takes(page_bytes(&record)) {
                return Ok((filling, true));
            }
            filling.add(record);
        }
        rest = after;
    }
    Ok((filling, false))
}

/// The walk, so that what comes next is the commit with `position`.
pub fn reach<'w>(
    shared: &Shared,
    walk: &'w mut Option<Walk>,
    position: u64,
) -> Result<&'w mut Walk, LogError> {
    let index = shared.index();
    let Some((segment, mark)) = index.locate(position) else {
        return Err(LogError::Stopped(format!("position {position} is in no segment")));
    };
    let reusable = walk.take().filter(|walk| walk.segment() == segment.part.first);
    let mut reached = match reusable {
        Some(mut walk) => {
            if walk.position() > position || walk.position() < mark.position {
                walk.seek(mark, segment.part.end);
            }
            walk
        }
        None => Walk::new(shared.log, Arc::clone(&shared.directory), segment, mark, LOOK_CHUNK_BYTES),
    };
    drop(index);
    reached.skip_to(position)?;
    Ok(walk.insert(reached))
}

fn lost(segment: u64, position: u64) -> LogError {
    damaged(
        &segment::file_name(segment),
        0,
        format!("position {position} should be in this segment and is not"),
    )
}

/// The id of the record at a position, from the disk. For the writer, which may wait for it.
pub fn id_at(shared: &Shared, index: &crate::index::Index, position: u64) -> Result<EventId, LogError> {
    let Some((segment, mark)) = index.locate(position) else {
        return Err(LogError::Stopped(format!("position {position} is in no segment")));
    };
    let mut walk = Walk::new(shared.log, Arc::clone(&shared.directory), segment, mark, LOOK_CHUNK_BYTES);
    walk.skip_to(position)?;
    let first = walk.segment();
    let Some(commit) = walk.next()? else {
        return Err(lost(first, position));
    };
    for entry in commit.records(first) {
        let (at, raw) = entry?;
        if at.0 == position {
            return Ok(raw.event_id);
        }
    }
    Err(lost(first, position))
}
