//! Records of the log, as they are told.

use crate::api::{LogArchived, LogGrowth, LogStat};
use crate::dto;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use stele_domain::port::event_log::Record;

pub(crate) fn event(record: &Record) -> dto::Event {
    let (data, data_base64) = payload(&record.data);
    let (metadata, metadata_base64) = payload(&record.metadata);
    dto::Event {
        position: record.position.0,
        stream: record.stream.to_string(),
        revision: record.revision.0,
        event_id: record.event_id.0,
        event_type: record.event_type.to_string(),
        recorded_at: record.recorded_at,
        data,
        metadata,
        data_base64,
        metadata_base64,
    }
}

/// The bytes as JSON on one line, or in base64. Line breaks stand in JSON only between values, never inside.
pub(crate) fn payload(bytes: &[u8]) -> (Option<Box<RawValue>>, Option<String>) {
    let text = std::str::from_utf8(bytes).ok().map(|text| text.replace(['\n', '\r'], " "));
    match text.and_then(|text| RawValue::from_string(text.trim().to_owned()).ok()) {
        Some(json) => (Some(json), None),
        None => (None, Some(STANDARD.encode(bytes))),
    }
}

pub(crate) fn stat(stat: LogStat) -> dto::LogStat {
    dto::LogStat {
        log: stat.log,
        events: stat.events,
        commits: stat.commits,
        bytes: stat.bytes,
        streams: stat.streams,
        segments: stat.segments,
        categories: stat.categories,
        as_of: stat.head.0,
        head: stat.head.0,
        growth: stat.growth.into_iter().map(growth).collect(),
        archive: stat.archive.map(archived),
    }
}

fn archived(LogArchived { segments, bytes, events }: LogArchived) -> dto::LogArchived {
    dto::LogArchived { segments, bytes, events }
}

fn growth(growth: LogGrowth) -> dto::LogGrowth {
    let LogGrowth { asked_ms, measured_ms, events, bytes, categories } = growth;
    // By a span of nothing nothing has grown.
    let by = |amount: u64, per: u64| amount.saturating_mul(per).checked_div(measured_ms).unwrap_or_default();
    dto::LogGrowth {
        asked_ms: asked_ms.unwrap_or_default(),
        measured_ms,
        events,
        bytes,
        events_per_second_milli: by(events, 1_000_000),
        bytes_per_second: by(bytes, 1_000),
        categories,
    }
}
