//! The log: records, numbers, proofs.

use crate::api::{LogConsistency, LogProof};
use crate::dto;
use crate::grpc::words::{as_of, moment};
use stele_domain::port::event_log::Record;
use stele_proto::api::v1 as pb;

pub(crate) fn event(record: &Record) -> pb::Event {
    pb::Event {
        position: record.position.0,
        stream: record.stream.to_string(),
        revision: record.revision.0,
        event_id: record.event_id.to_string(),
        event_type: record.event_type.to_string(),
        recorded_at: Some(moment(record.recorded_at)),
        data: record.data.to_vec(),
        metadata: record.metadata.to_vec(),
    }
}

pub(crate) fn stat(stat: &dto::LogStat) -> pb::StatResponse {
    pb::StatResponse {
        log: stat.log.to_string(),
        events: stat.events,
        commits: stat.commits,
        bytes: stat.bytes,
        streams: stat.streams,
        segments: stat.segments,
        categories: stat.categories.clone(),
        as_of: Some(as_of(stat.as_of, stat.head)),
        growth: stat.growth.iter().map(growth).collect(),
        archive: stat.archive.map(archived),
    }
}

fn archived(dto::LogArchived { segments, bytes, events }: dto::LogArchived) -> pb::LogArchived {
    pb::LogArchived { segments, bytes, events }
}

fn growth(growth: &dto::LogGrowth) -> pb::LogGrowth {
    pb::LogGrowth {
        asked_ms: growth.asked_ms,
        measured_ms: growth.measured_ms,
        events: growth.events,
        bytes: growth.bytes,
        categories: growth.categories.clone(),
        events_per_second_milli: growth.events_per_second_milli,
        bytes_per_second: growth.bytes_per_second,
    }
}

pub(crate) fn consistency(proof: LogConsistency) -> pb::ProveConsistencyResponse {
    pb::ProveConsistencyResponse {
        old_commits: proof.old_size,
        new_commits: proof.new_size,
        path: proof.path.iter().map(|hash| hash.to_vec()).collect(),
        checkpoint: proof.checkpoint,
    }
}

pub(crate) fn proof(position: u64, proof: LogProof) -> pb::ProveResponse {
    pb::ProveResponse {
        position,
        first_position: proof.first.0,
        leaf_index: proof.leaf_index,
        payload: proof.payload,
        path: proof.path.iter().map(|hash| hash.to_vec()).collect(),
        checkpoint: proof.checkpoint,
    }
}
