//! The log in numbers, as its owner tells them.

use crate::wire::Malformed;
use std::collections::BTreeMap;
use stele_domain::port::event_log::Position;
use stele_proto::log::v1 as proto;
use uuid::Uuid;

/// The log in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The log's identity, which never changes.
    pub log: Uuid,
    /// Number of records.
    pub events: u64,
    /// Number of commits.
    pub commits: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Number of streams.
    pub streams: u64,
    /// Number of segment files.
    pub segments: u64,
    /// The last position.
    pub head: Position,
    /// Records per category.
    pub categories: BTreeMap<String, u64>,
}

impl From<Stat> for proto::StatResponse {
    fn from(stat: Stat) -> Self {
        Self {
            log_id: stat.log.as_bytes().to_vec(),
            events: stat.events,
            commits: stat.commits,
            bytes: stat.bytes,
            streams: stat.streams,
            segments: stat.segments,
            head: stat.head.0,
            categories: stat.categories,
        }
    }
}

impl TryFrom<proto::StatResponse> for Stat {
    type Error = Malformed;

    fn try_from(told: proto::StatResponse) -> Result<Self, Malformed> {
        let log = Uuid::from_slice(&told.log_id);
        Ok(Self {
            log: log.map_err(|_| Malformed("the log has no name".to_owned()))?,
            events: told.events,
            commits: told.commits,
            bytes: told.bytes,
            streams: told.streams,
            segments: told.segments,
            head: Position(told.head),
            categories: told.categories,
        })
    }
}
