//! A log in numbers.

use crate::format::to_u64;
use crate::index::Index;
use std::collections::BTreeMap;
use stele_domain::port::event_log::Position;
use uuid::Uuid;

/// A log in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The log's identity.
    pub log: Uuid,
    /// Number of records; also the last position, but for a log that was verified in part.
    pub events: u64,
    /// Number of commits.
    pub commits: u64,
    /// Bytes of segments, up to their last commits.
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
