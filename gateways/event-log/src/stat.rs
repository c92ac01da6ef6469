//! A log in numbers, and how fast it grows.

use crate::archive::Reach;
use crate::beside::{Beside, BesideError, End};
use crate::format::to_u64;
use crate::index::Index;
use std::collections::BTreeMap;
use std::path::Path;
use stele_domain::port::event_log::Position;
use stele_domain::time::Timestamp;
use uuid::Uuid;

/// The shorter of the spans that rates are told of, in milliseconds: a minute.
const MINUTE_MS: i64 = 60_000;

/// The longer one: an hour.
const HOUR_MS: i64 = 3_600_000;

/// A log in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The log's identity.
    pub log: Uuid,
    /// Number of records; also the last position, but for a log that was verified in part.
    pub events: u64,
    /// Number of commits.
    pub commits: u64,
    /// Bytes of segments, up to their last commits. Like streams and categories they may be ahead of the head, by commits
    /// that are being made durable.
    pub bytes: u64,
    /// Number of streams.
    pub streams: u64,
    /// Number of segments.
    pub segments: u64,
    /// The last position.
    pub head: Position,
    /// Records per category.
    pub categories: BTreeMap<String, u64>,
}

impl Stat {
    pub(crate) fn of(log: Uuid, index: &Index) -> Self {
        Self {
            log,
            events: index.segments().iter().map(|segment| segment.extent().records).sum(),
            commits: index.segments().iter().map(|segment| segment.extent().commits).sum(),
            bytes: index.segments().iter().map(|segment| segment.extent().end).sum(),
            streams: index.streams(),
            segments: to_u64(index.segments().len()),
            head: Position(index.head()),
            categories: index.categories(),
        }
    }
}

/// What came into a log in the last minute and in the last hour, by the times at which it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// In the last 60 seconds.
    pub minute: Growth,
    /// In the last 3,600 seconds.
    pub hour: Growth,
}

/// What came into a log in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Length of the span in seconds.
    pub seconds: u64,
    /// Records.
    pub events: u64,
    /// Bytes of segments.
    pub bytes: u64,
}

impl Growth {
    /// Records per second, in thousandths, the rest dropped.
    #[must_use]
    pub fn events_per_second_milli(&self) -> u64 {
        self.events.saturating_mul(1_000) / self.seconds.max(1)
    }

    /// Bytes per second, the rest dropped.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        self.bytes / self.seconds.max(1)
    }
}

/// How fast the log in a directory grows, whether or not somebody owns it. Looks at headers, and at commits of no more
/// than three segments; what has not been acknowledged yet may be counted.
///
/// # Errors
///
/// What keeps the directory from being read as a log.
pub fn rates(directory: &Path, now: Timestamp, archive: &Reach) -> Result<Rates, BesideError> {
    let log = Beside::open(directory, archive)?;
    let end = log.end(None)?;
    let since = |millis: i64| -> Result<Growth, BesideError> {
        let begin = begin(&log, &end, now, millis)?;
        let bytes = |at: &End| log.bytes_before(at.segment) + at.offset;
        Ok(Growth {
            seconds: millis.unsigned_abs() / 1_000,
            events: end.position.saturating_sub(begin.position),
            bytes: bytes(&end).saturating_sub(bytes(&begin)),
        })
    };
    Ok(Rates { minute: since(MINUTE_MS)?, hour: since(HOUR_MS)? })
}

/// The end of what was recorded at least `millis` ago.
fn begin(log: &Beside, end: &End, now: Timestamp, millis: i64) -> Result<End, BesideError> {
    let old = |recorded_at: Timestamp| now.millis_since(recorded_at) >= millis;
    // The last segment before which everything is old; of those after it no commit is.
    let count =
        log.segments().partition_point(|part| part.header.first == 1 || old(part.header.recorded_before));
    let segment = count.saturating_sub(1).min(end.segment);
    let mut walk = log.walk(segment);
    let mut begin = walk.at();
    while begin.segment == segment
        && begin.commits < end.commits
        && let Some(commit) = walk.next()?
        && old(commit.payload.recorded_at)
    {
        begin = walk.at();
    }
    Ok(begin)
}
