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
    /// How fast it grows; nothing from an owner that does not measure it.
    pub growth: Vec<Growth>,
    /// What of it is in an archive and not on the owner's disk; nothing where nothing is.
    pub archive: Option<Archived>,
}

/// What of the log is in an archive only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archived {
    /// Number of segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their records.
    pub events: u64,
}

/// What came into the log in a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// The span that is asked about; `None` for all since the log was opened.
    pub asked_ms: Option<u64>,
    /// What was measured of it.
    pub measured_ms: u64,
    /// Records.
    pub events: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// Records per category; those without any are left out.
    pub categories: BTreeMap<String, u64>,
}

/// Most spans that are believed.
const SPANS_MAX: usize = 16;

impl From<Growth> for proto::Growth {
    fn from(growth: Growth) -> Self {
        Self {
            asked_ms: growth.asked_ms.unwrap_or_default(),
            measured_ms: growth.measured_ms,
            events: growth.events,
            bytes: growth.bytes,
            categories: growth.categories,
        }
    }
}

impl From<proto::Growth> for Growth {
    fn from(told: proto::Growth) -> Self {
        Self {
            asked_ms: Some(told.asked_ms).filter(|span| *span > 0),
            measured_ms: told.measured_ms,
            events: told.events,
            bytes: told.bytes,
            categories: told.categories,
        }
    }
}

impl From<Archived> for proto::Archived {
    fn from(Archived { segments, bytes, events }: Archived) -> Self {
        Self { segments, bytes, events }
    }
}

impl From<proto::Archived> for Archived {
    fn from(proto::Archived { segments, bytes, events }: proto::Archived) -> Self {
        Self { segments, bytes, events }
    }
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
            growth: stat.growth.into_iter().map(proto::Growth::from).collect(),
            archive: stat.archive.map(proto::Archived::from),
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
            growth: told.growth.into_iter().take(SPANS_MAX).map(Growth::from).collect(),
            archive: told.archive.map(Archived::from),
        })
    }
}
