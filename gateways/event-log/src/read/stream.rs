//! Reading one stream, either way.

use super::Filling;
use crate::cache::page_bytes;
use crate::errors::damaged;
use crate::format::to_u64;
use crate::index::Located;
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
    let wanted = Wanted { from, direction, limit: to_u64(limit) };
    if let Some(records) = from_memory(shared, stream, wanted) {
        return Ok(records);
    }
    let (shared, stream) = (Arc::clone(shared), stream.clone());
    off_thread(move || read(&shared, &stream, wanted)).await
}

/// Which records of a stream are wanted.
#[derive(Clone, Copy)]
struct Wanted {
    from: Revision,
    direction: Direction,
    limit: u64,
}

impl Wanted {
    /// Their revisions, when the stream has `count` records.
    fn revisions(self, count: u64) -> Range<u64> {
        let from = self.from.0;
        match self.direction {
            Direction::Forward => from.min(count)..from.saturating_add(self.limit).min(count),
            Direction::Backward => {
                let end = from.saturating_add(1).min(count);
                end.saturating_sub(self.limit)..end
            }
        }
    }

    /// Takes the next few revisions off what is left.
    fn step(self, left: &mut Range<u64>) -> Range<u64> {
        let step = match self.direction {
            Direction::Forward => left.start..left.end.min(left.start + STEP),
            Direction::Backward => left.start.max(left.end.saturating_sub(STEP))..left.end,
        };
        match self.direction {
            Direction::Forward => left.start = step.end,
            Direction::Backward => left.end = step.start,
        }
        step
    }

    /// Positions in the order of reading.
    fn ordered(self, mut positions: Vec<u64>) -> Vec<u64> {
        if self.direction == Direction::Backward {
            positions.reverse();
        }
        positions
    }
}

/// Everything that is wanted, when it takes no look at the disk.
fn from_memory(shared: &Shared, stream: &StreamId, wanted: Wanted) -> Option<Vec<Record>> {
    let head = shared.head();
    let index = shared.index();
    let Some(found) = index.held(stream) else {
        // Nothing is known of most streams that don't exist.
        return index.trail(stream).is_empty().then(Vec::new);
    };
    let mut left = wanted.revisions(found.first_revision + found.positions.count_to(head));
    if left.start < found.first_revision {
        return None;
    }
    let mut filling =
        Filling::new(crate::format::to_usize(wanted.limit), left.end.saturating_sub(left.start));
    while !left.is_empty() {
        let step = wanted.step(&mut left);
        let positions =
            found.positions.range(step.start - found.first_revision..step.end - found.first_revision);
        if from_cache(shared, &wanted.ordered(positions), &mut filling)? {
            break;
        }
    }
    Some(filling.records)
}

/// Everything that is wanted, from wherever it is.
fn read(shared: &Shared, stream: &StreamId, wanted: Wanted) -> Result<Vec<Record>, LogError> {
    let head = shared.head();
    // Of one look at the index, so that no segment is sealed between them. A head that moved in between is too new
    // for nobody.
    let (trail, open) = {
        let index = shared.index();
        let here = index.held(stream);
        (index.trail(stream), here.map(|found| (found.first_revision, found.positions.count_to(head))))
    };
    let (sealed, count) = match open {
        Some((first, here)) => (first, first + here),
        None => trail.count(stream).map(|count| (count, count))?,
    };
    let mut left = wanted.revisions(count);
    let mut filling =
        Filling::new(crate::format::to_usize(wanted.limit), left.end.saturating_sub(left.start));
    while !left.is_empty() {
        let step = wanted.step(&mut left);
        let mut positions = trail.positions(stream, &(step.start..step.end.min(sealed)))?;
        if step.end > sealed {
            positions.extend(open_positions(shared, stream, step.start.max(sealed)..step.end)?);
        }
        let positions = wanted.ordered(positions);
        let there = from_cache(shared, &positions, &mut filling)
            .or_else(|| from_kept(shared, &positions, &mut filling));
        let full = if let Some(full) = there {
            full
        } else {
            let before = filling.records.len();
            let full = from_disk(shared, &positions, &mut filling)?;
            shared.kept().keep(filling.records.get(before..).unwrap_or_default());
            full
        };
        if full {
            break;
        }
    }
    Ok(filling.records)
}

/// Positions of revisions that were in the last segment a moment ago.
fn open_positions(shared: &Shared, stream: &StreamId, revisions: Range<u64>) -> Result<Vec<u64>, LogError> {
    let index = shared.index();
    if let Some(held) = index.held(stream).filter(|held| held.first_revision <= revisions.start) {
        return Ok(held
            .positions
            .range(revisions.start - held.first_revision..revisions.end - held.first_revision));
    }
    let trail = index.trail(stream);
    drop(index);
    trail.positions(stream, &revisions)
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

/// As [`from_cache`], from what was read for somebody before.
fn from_kept(shared: &Shared, positions: &[u64], filling: &mut Filling) -> Option<bool> {
    let kept = shared.kept();
    let records: Vec<&Record> =
        positions.iter().map(|position| kept.get(*position)).collect::<Option<_>>()?;
    for record in records {
        if !filling.takes(page_bytes(record)) {
            return Some(true);
        }
        filling.add(record.clone());
    }
    Some(false)
}

/// Adds what is at `positions`, commit by commit; tells whether the page is full.
fn from_disk(shared: &Shared, positions: &[u64], filling: &mut Filling) -> Result<bool, LogError> {
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
                found.push(commit.owned(segment, position, &raw, found.last())?);
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
                return Ok(true);
            }
            filling.add(record);
        }
        rest = after;
    }
    Ok(false)
}

/// The walk, so that what comes next is the commit with `position`.
fn reach<'w>(shared: &Shared, walk: &'w mut Option<Walk>, position: u64) -> Result<&'w mut Walk, LogError> {
    let found = located(shared.index().locate(position), position)?;
    let mark = found.mark_of(position)?;
    let reusable = walk.take().filter(|walk| walk.segment() == found.first);
    let mut reached = match reusable {
        Some(mut walk) => {
            if walk.position() > position || walk.position() < mark.position {
                walk.seek(mark, found.end);
            }
            walk
        }
        None => Walk::new(shared.log, Arc::clone(&shared.directory), &found, mark, LOOK_CHUNK_BYTES),
    };
    reached.skip_to(position)?;
    Ok(walk.insert(reached))
}

fn located(found: Option<Located>, position: u64) -> Result<Located, LogError> {
    found.ok_or_else(|| LogError::Stopped(format!("position {position} is in no segment")))
}

fn lost(segment: u64, position: u64) -> LogError {
    damaged(
        &segment::file_name(segment),
        0,
        format!("position {position} should be in this segment and is not"),
    )
}

/// The id of the record at a position, from the disk. For the writer, which may wait for it.
pub fn id_at(shared: &Shared, position: u64) -> Result<EventId, LogError> {
    let found = located(shared.index().locate(position), position)?;
    let mark = found.mark_of(position)?;
    let mut walk = Walk::new(shared.log, Arc::clone(&shared.directory), &found, mark, LOOK_CHUNK_BYTES);
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
